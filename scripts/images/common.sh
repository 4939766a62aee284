# What the commands of this folder share: the images there are, and the program that makes them.
# Takes docker where its engine answers, otherwise buildah (which apt installs for root).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
LIGHT=(fingerprint ingest promote finalize balance fault load)
TORCH=(train evaluate serve)
ALL=("${LIGHT[@]}" "${TORCH[@]}" quickstart)
WORK=$PWD/target/images
VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
COMMIT=$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)$(git diff --quiet HEAD 2>/dev/null || echo -dirty)

say() { echo "images: $*" >&2; }
die() { say "$*"; exit 1; }
contains() { local item=$1 other; shift; for other; do [ "$item" = "$other" ] && return; done; return 1; }

engine() {
  if docker info >/dev/null 2>&1; then echo docker; return; fi
  if ! command -v buildah >/dev/null; then
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || die "needs docker with a running engine, or buildah"
    say "installing buildah"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends buildah; } >/dev/null 2>&1 ||
      die "buildah could not be installed"
  fi
  echo buildah
}

archive() { # archive NAME FILE: in the form of docker save
  case $ENGINE in
    docker) docker save --output "$2" "selvedge-$1:$VERSION" ;;
    buildah) buildah push --quiet "localhost/selvedge-$1:$VERSION" "docker-archive:$2:docker.io/library/selvedge-$1:$VERSION" >/dev/null ;;
  esac
}

unpacked() { # unpacked IMAGE: in bytes
  case $ENGINE in
    docker) docker image inspect --format '{{.Size}}' "$1:$VERSION" ;;
    buildah) local root container
      container=$(buildah from --pull-never "localhost/$1:$VERSION") && root=$(buildah mount "$container")
      du --summarize --bytes "$root" | cut -f 1
      buildah rm "$container" >/dev/null ;;
  esac
}

megabytes() { awk -v bytes="$1" 'BEGIN { printf "%.1f MB", bytes / 1e6 }'; }

# `<command> [NAME…]`: all images, or these.
case ${1:-} in -*) sed -n '2,/^\. /{/^\. /d;s/^# //;p}' "$0"; exit ;; esac
for name; do contains "$name" "${ALL[@]}" || die "no image $name: there are ${ALL[*]}"; done
[ $# != 0 ] || set -- "${ALL[@]}"
ENGINE=$(engine)
