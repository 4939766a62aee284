# The images with libtorch: one layer of it that all of them share, and a binary each.

build_torch() {
  local binary base
  "${CARGO:-cargo}" build --quiet --workspace --bins
  base=$(torch_base)
  libtorch "$WORK/libtorch"
  for binary; do
    strip -o "$WORK/$binary.stripped" "target/debug/$binary"
    stage "$binary" "$WORK/$binary.stripped"
    rm -rf "${WORK:?}/$binary/libtorch" && cp --archive --link "$WORK/libtorch" "$WORK/$binary/libtorch"
    bake "selvedge-$binary" images/torch.Dockerfile "$WORK/$binary" "$base" <<<"ENTRYPOINT [\"/usr/local/bin/$binary\"]"
  done
}

libtorch() { # libtorch FOLDER: what the programs load of it, without the symbols that nobody looks up (a fifth of its size)
  local library copy
  mkdir -p "$1"
  for library in $(ldd target/debug/{train,evaluate,serve} | awk '/\.libtorch\/lib/ { print $3 }' | sort -u); do
    copy=$1/${library##*/}
    [ "$(stat -Lc %Y "$copy" 2>/dev/null)" = "$(stat -Lc %Y "$library")" ] ||
      { strip --strip-unneeded -o "$copy" "$library" && touch --reference "$library" "$copy"; }
  done
}

torch_base() {
  local debian=docker.io/library/debian:12-slim
  if [ -n "${BASE:-}" ]; then echo "$BASE"
  elif timeout 120 "$ENGINE" pull --quiet "$debian" >/dev/null 2>&1; then echo "$debian"
  else base_of_packages && case $ENGINE in docker) echo "selvedge-base:$VERSION" ;; buildah) echo "localhost/selvedge-base:$VERSION" ;; esac
  fi
}

base_of_packages() { # the C and C++ libraries of this machine's distribution, so that they fit what it compiled
  local work=$WORK/base package
  if [ ! -f "$work/complete" ]; then
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || die "no base for the torch images: name one by BASE="
    say "no base can be pulled: making one of packages"
    rm -rf "$work" && mkdir -p "$work/packages" "$work/rootfs"
    (cd "$work/packages" && apt-get download -qq libc6 libgcc-s1 libstdc++6 >/dev/null 2>&1) || die "apt-get download failed: is apt-get update due?"
    for package in "$work"/packages/*.deb; do dpkg --extract "$package" "$work/rootfs"; done
    rm -rf "$work/rootfs/usr/share" "$work"/rootfs/usr/lib/*/gconv "$work/packages"
    find "$work/rootfs" -exec touch --no-dereference --date=@0 {} +
    touch "$work/complete"
  fi
  bake selvedge-base images/base.Dockerfile "$work" </dev/null
}
