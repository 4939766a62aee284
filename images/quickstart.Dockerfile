# The MinIO client, a shell and Fashion-MNIST, for the Job that fills the quickstart's MinIO.
# The context is a folder with the data set's four files.
ARG BASE=quay.io/minio/mc:latest
FROM ${BASE}
COPY *-ubyte.gz /datasets/fashion-mnist/
USER 65532
ENTRYPOINT ["/bin/sh"]
