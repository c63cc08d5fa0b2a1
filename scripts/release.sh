#!/usr/bin/env bash
# Builds what is published of the version in Cargo.toml from the last commit, into release/: the
# filter, the programs, their bills of materials (CycloneDX) and SHA256SUMS. The same commit,
# toolchain and C compiler give the same bytes in every folder.
#
#   scripts/release.sh           build
#   scripts/release.sh --twice   build in two folders, and fail if a byte differs

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh

platform=x86_64-unknown-linux-gnu
programs=(mcp-auth mcp-server)

main() {
  [[ $* == "" || $* == --twice ]] || { sed -n '2,8s/^# \?//p' "$0"; exit 2; }
  [[ $(uname -sm) == "Linux x86_64" ]] || die "releases are built on Linux x86-64, this is $(uname -sm)"
  [[ -z $(git status --porcelain) ]] || say "what is not committed is left out"
  install_tool cargo-auditable 0.7.7
  install_tool cargo-cyclonedx 0.5.9
  version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  build "$work/first"
  if [[ $* == --twice ]]; then
    build "$work/a/second/and/longer/path"
    diff "$work/first/release/SHA256SUMS" "$work/a/second/and/longer/path/release/SHA256SUMS" >&2 ||
      die "two builds of one commit differ, in the files above"
    say "both builds have the same bytes"
  fi
  rm -rf release
  cp -r "$work/first/release" release
  cat release/SHA256SUMS
}

# install_tool NAME VERSION: a program of cargo's, into .tools.
install_tool() {
  [[ $(".tools/bin/$1" "${1#cargo-}" --version 2>/dev/null) != *"$2"* ]] || return 0
  say "building $1 $2 into .tools (once)"
  cargo install --quiet --locked --version "$2" --root .tools "$1" || die "$1 did not build: see cargo's words above"
}

# build FOLDER: the last commit, exported there and built; leaves FOLDER/release.
build() {
  local tools=$PWD/.tools/bin
  mkdir -p "$1/release"
  git archive HEAD | tar -x -C "$1"
  say "building version $version (some minutes)"
  (
    cd "$1"
    # Rust and C name their sources in messages and assertions: not where these lie here.
    cargo_home=${CARGO_HOME:-$HOME/.cargo}
    export CARGO_TARGET_DIR=$PWD/target PATH=$tools:$PATH
    export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS="--remap-path-prefix=$cargo_home=cargo --remap-path-prefix=$PWD=."
    export CFLAGS="-ffile-prefix-map=$cargo_home=cargo -ffile-prefix-map=$PWD=."
    make wasm >&2
    make programs CARGO="cargo auditable" PROGRAMS="${programs[*]}" >&2
    SOURCE_DATE_EPOCH=$epoch cargo cyclonedx --quiet --format json --spec-version 1.5 --no-build-deps --target "$platform"
    cp dist/mcp_auth_filter.wasm "release/mcp_auth_filter-$version.wasm"
    bill . mcp-auth-filter
    bill sidecar mcp-auth
    bill mcp-server mcp-server
    pack
    cd release && sha256sum -- * >SHA256SUMS
  )
}

# bill FOLDER CRATE: the bill of materials that lies in FOLDER, without the folders of this machine.
bill() {
  sed "s|$PWD|/mcp-auth|g" "$1/$2.cdx.json" >"release/$2-$version.cdx.json"
}

# The programs in one archive, which has the date of the commit and no user of this machine.
pack() {
  local name=mcp-auth-$version-$platform
  mkdir "$name"
  cp LICENSE README.md CHANGELOG.md "$name/"
  for program in "${programs[@]}"; do cp "dist/$program" "$name/"; done
  tar --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner --mode=go=rX,u+rw \
    -cf - "$name" | gzip -9n >"release/$name.tar.gz"
}

epoch=$(git log -1 --format=%ct)
main "$@"
