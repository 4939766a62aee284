# The image of the quickstart's Job: the MinIO client and the data set.

build_quickstart() {
  local work=$WORK/quickstart base=${QUICKSTART_BASE:-quay.io/minio/mc:latest} archive name
  archive=${SELVEDGE_CLUSTER:-$HOME/.cache/selvedge-cluster}/images/mc.tar
  rm -rf "$work" && mkdir -p "$work"
  for name in train-images-idx3 train-labels-idx1 t10k-images-idx3 t10k-labels-idx1; do
    if [ -f ".data/fashion-mnist/$name-ubyte.gz" ]; then cp --dereference ".data/fashion-mnist/$name-ubyte.gz" "$work/"
    else gzip --no-name --stdout ".data/fashion-mnist/$name-ubyte" >"$work/$name-ubyte.gz"; fi
  done
  find "$work" -exec touch --date=@0 {} +
  # scripts/cluster has the client where no registry can be reached.
  if [ "$ENGINE" = buildah ] && ! buildah inspect --type image "$base" >/dev/null 2>&1; then
    if [ -f "$archive" ]; then buildah pull --quiet "docker-archive:$archive"; else buildah pull --quiet "$base"; fi >/dev/null
  fi
  bake selvedge-quickstart images/quickstart.Dockerfile "$work" "$base" </dev/null
}
