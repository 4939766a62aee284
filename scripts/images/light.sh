# The light images: one static binary each, from scratch.
TRIPLE=x86_64-unknown-linux-gnu

build_light() {
  local binary packages=()
  # Always all, so that one set of features, and of compiled dependencies, serves whichever are wanted.
  for binary in "${LIGHT[@]}"; do packages+=(--package "selvedge-$binary"); done
  say "compiling the light binaries, statically"
  # In place of the flags in .cargo/config.toml: a static program has no run path.
  RUSTFLAGS='-C target-feature=+crt-static -C strip=symbols' \
    "${CARGO:-cargo}" build --quiet --target "$TRIPLE" "${packages[@]}" --bins
  for binary; do
    stage "$binary" "target/$TRIPLE/debug/$binary"
    starts_alone "$WORK/$binary/rootfs" "$binary"
    bake "selvedge-$binary" images/light.Dockerfile "$WORK/$binary" <<<"ENTRYPOINT [\"/usr/local/bin/$binary\"]"
  done
}

starts_alone() { # starts_alone ROOT BINARY: it asks for no dynamic linker, and runs
  local program=$1/usr/local/bin/$2
  ! readelf --program-headers "$program" | grep -q INTERP || die "$2 is not a static program"
  "$program" --help >/dev/null || die "$2 does not start"
}
