# Gives MinIO its buckets, users, policies and the data set. Run again, it makes only what is missing.
set -eu

quiet() { # quiet COMMAND...: its output only where it failed
  output=$("$@" 2>&1) || { echo "$output" >&2; exit 1; }
}
user() { # user NAME SECRET: with the policy of its name; a changed secret is taken over
  printf '%s\n%s\n' "$1" "$2" | quiet mc admin user add minio
  quiet mc admin policy create minio "$1" "/policies/${1#selvedge-}.json"
  output=$(mc admin policy attach minio "$1" --user "$1" 2>&1) || case $output in
    *"already in effect"*) ;;
    *) echo "$output" >&2; exit 1 ;;
  esac
  echo "user $1"
}

until output=$(printf '%s\n%s\n' "$ROOT" "$ROOT_SECRET" | mc alias set minio "$ENDPOINT" 2>&1); do
  echo "waiting for $ENDPOINT: $output"
  sleep 2
done
for bucket in selvedge datasets; do
  quiet mc mb --ignore-existing "minio/$bucket"
  echo "bucket $bucket"
done
user "$TRAINER" "$TRAINER_SECRET"
user "$PROMOTER" "$PROMOTER_SECRET"
user "$READER" "$READER_SECRET"
user "$REPORT" "$REPORT_SECRET"
quiet mc mirror --overwrite --quiet /datasets/fashion-mnist minio/datasets/fashion-mnist
echo "data set s3://datasets/fashion-mnist"
