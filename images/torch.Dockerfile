# libtorch in a layer that train, evaluate and serve share, and one binary. The context is a folder with libtorch's
# libraries and with the root file system, in which /usr/local/bin/stage points to the binary.
# The base needs glibc, not older than that of the machine that compiled, and libstdc++.
ARG BASE=debian:stable-slim
FROM ${BASE}
COPY libtorch/ /opt/libtorch/
ENV LD_LIBRARY_PATH=/opt/libtorch
COPY rootfs/ /
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/stage"]
