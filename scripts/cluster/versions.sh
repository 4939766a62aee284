# What the test cluster is built from, and where it is kept.
KUBERNETES=v1.34.9
ARGO=v4.0.7
MINIO=v0.0.0-20260212201848-7aac2a2c5b7c
MINIO_CLIENT=v0.0.0-20250313080218-cf909e1063a9
COREDNS=v1.14.7

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CLUSTER=${SELVEDGE_CLUSTER:-$HOME/.cache/selvedge-cluster}
BIN=$CLUSTER/bin
STATE=$CLUSTER/state
export KUBECONFIG=$STATE/admin.kubeconfig
kubectl() { "$BIN/kube" kubectl "$@"; }
