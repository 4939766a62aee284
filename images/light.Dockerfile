# One static binary and the certificates that TLS needs. The context is a folder with the root file system, in which
# /usr/local/bin/stage points to the binary.
ARG BASE=scratch
FROM ${BASE}
COPY rootfs/ /
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/stage"]
