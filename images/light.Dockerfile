# One static binary, the certificates that TLS needs, and a user without rights. The context is a folder with the root
# file system. scripts/images/build adds `ENTRYPOINT ["/usr/local/bin/<binary>"]`, because that form expands no argument.
ARG BASE=scratch
FROM ${BASE}
COPY rootfs/ /
USER 65532:65532
