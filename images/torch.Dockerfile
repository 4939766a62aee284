# libtorch in a layer that train, evaluate and serve share, and one binary. The context is a folder with libtorch's
# libraries and with the root file system. scripts/images/build adds `ENTRYPOINT ["/usr/local/bin/<binary>"]`, because that
# form expands no argument. The base needs libstdc++ and glibc, not older than that of the machine that compiled.
ARG BASE=docker.io/library/debian:12-slim
FROM ${BASE}
COPY libtorch/ /opt/libtorch/
ENV LD_LIBRARY_PATH=/opt/libtorch
COPY rootfs/ /
USER 65532:65532
