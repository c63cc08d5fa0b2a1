#!/usr/bin/env bash
# Makes `cargo build --target TARGET` work with the toolchain that rust-toolchain.toml selects.
#
#   scripts/setup-wasm-target.sh [wasm32-wasip1 | wasm32-unknown-unknown]
#
# First the ordinary way, `rustup target add`. Where rustup's server is out of reach, the target's
# standard library is built once from source and put into the toolchain's folder, where the compiler
# looks for it. The sources come from Debian's archive, by the machine's own apt sources; apt checks
# the archive's signature and every checksum. Nothing is installed through apt. Does nothing when
# the target already compiles a program.
#
# Environment, all optional:
#   RUST_LIBRARY_SRC  the standard library's sources of exactly the compiler's version: the folder
#                     `library`, or a tarball that holds it
#   WASI_LIBC         wasi-libc: a folder with crt1-command.o and libc.a, or Debian's .deb
#   DEBIAN_SUITE      the suite that has rust-src and wasi-libc (default trixie-backports)
#   RUSTUP_TIMEOUT    seconds that rustup may take before the fallback starts (default 60)

set -euo pipefail
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$repo" # rust-toolchain.toml chooses the toolchain by the current folder
source scripts/lib.sh

target=${1:-wasm32-wasip1}
suite=${DEBIAN_SUITE:-trixie-backports}
remedy="set RUST_LIBRARY_SRC and WASI_LIBC (see the head of scripts/setup-wasm-target.sh)"

main() {
  case $target in
    wasm32-wasip1 | wasm32-unknown-unknown) ;;
    *) die "no recipe for the target '$target': give wasm32-wasip1 or wasm32-unknown-unknown" ;;
  esac
  need rustc "install Rust as https://rustup.rs says"
  need cargo "install Rust as https://rustup.rs says"

  work=$(mktemp -d)
  trap clean_up EXIT
  sysroot=$(rustc --print sysroot) ||
    die "the toolchain of rust-toolchain.toml is not installed: run 'rustup toolchain install'"

  if target_compiles; then
    say "$target is ready in $sysroot"
    return
  fi
  if add_with_rustup && target_compiles; then
    say "$target was added by rustup"
    return
  fi
  build_from_source
  target_compiles || die "$target was built but still compiles no program: see the errors above"
  say "$target was built from source and is ready in $sysroot"
}

clean_up() {
  rm -rf "$work"
  [[ -z ${linked_sources:-} ]] || rm -f "$linked_sources"
}

# The one test of "is it there" that cannot lie: compile and link a program.
target_compiles() {
  echo 'fn main() { println!("{}", std::env::args().count()); }' |
    rustc --target "$target" -o "$work/probe.wasm" - 2>"$work/probe.log"
}

add_with_rustup() {
  command -v rustup >/dev/null || return 1
  say "asking rustup for $target (at most ${RUSTUP_TIMEOUT:-60} s)"
  RUSTUP_MAX_RETRIES=0 timeout "${RUSTUP_TIMEOUT:-60}" rustup target add "$target" \
    >"$work/rustup.log" 2>&1 && return
  say "rustup could not bring it: $(grep -v '^ *$' "$work/rustup.log" | tail -n 1)"
  return 1
}

build_from_source() {
  release=$(rustc --version | cut -d' ' -f2)
  [[ -w $sysroot/lib/rustlib ]] ||
    die "cannot write to $sysroot/lib/rustlib: run this as the toolchain's owner"
  say "building the standard library of Rust $release for $target (about a minute)"
  find_library_sources
  [[ $target != wasm32-wasip1 ]] || find_wasi_libc
  compile_std
  install_std
}

# Sets `library` to the folder `library` of the compiler's own sources.
find_library_sources() {
  local component=$sysroot/lib/rustlib/src/rust/library
  if [[ -n ${RUST_LIBRARY_SRC:-} ]]; then
    library=$(unpacked "$RUST_LIBRARY_SRC" RUST_LIBRARY_SRC 'std/src/sys/mod.rs')
  elif [[ -f $component/std/src/sys/mod.rs ]]; then
    library=$component
  else
    fetch_package rust-src "$release"
    library=$(unpacked "$work/rust-src.deb" rust-src 'std/src/sys/mod.rs')
  fi
  library=$(readlink -f "$library")
  say "library sources: $library"
}

# Sets `wasi_libc` to the folder with wasi-libc's objects and archives.
find_wasi_libc() {
  if [[ -n ${WASI_LIBC:-} ]]; then
    wasi_libc=$(unpacked "$WASI_LIBC" WASI_LIBC 'crt1-command.o' wasm32-wasi)
  else
    fetch_package wasi-libc ""
    wasi_libc=$(unpacked "$work/wasi-libc.deb" wasi-libc 'crt1-command.o' wasm32-wasi)
  fi
  say "wasi-libc: $wasi_libc"
}

# unpacked SOURCE NAME MARKER [FOLDER]: the folder in SOURCE (a folder, tarball or .deb) that holds
# MARKER; FOLDER is its name where a package has several (wasi-libc has one for each of its targets).
unpacked() {
  local source=$1 name=$2 marker=$3 folder=${4:-} tree=$1 hit
  [[ -e $source ]] || die "$name: there is no $source"
  if [[ -f $source ]]; then
    tree=$work/unpacked-$name
    mkdir -p "$tree"
    case $source in
      *.deb) dpkg -x "$source" "$tree" || die "$name: $source is no Debian package" ;;
      *) tar -xf "$source" -C "$tree" || die "$name: $source is no tarball" ;;
    esac
  fi
  [[ ! -f $tree/$marker ]] || { echo "$tree" && return; }
  hit=$(find "$tree" -path "*${folder:+/$folder}/$marker" -print -quit)
  [[ -n $hit ]] || die "$name: $source has no ${folder:+$folder/}$marker"
  echo "${hit%/"$marker"}"
}

# Lets cargo build std as a dependency of an empty crate. Cargo looks for std's sources in the
# toolchain's folder, so they are linked in there while it runs.
compile_std() {
  local place=$sysroot/lib/rustlib/src/rust/library
  if [[ ! -e $place ]]; then
    mkdir -p "${place%/*}"
    ln -sfn "$library" "$place"
    linked_sources=$place
  elif [[ $(readlink -f "$place") != "$library" ]]; then
    die "$place exists and is not $library: unset RUST_LIBRARY_SRC or remove the toolchain's rust-src"
  fi

  mkdir -p "$work/empty/src"
  echo '#![no_std]' >"$work/empty/src/lib.rs"
  printf '[package]\nname = "empty"\nedition = "2024"\n[workspace]\n' >"$work/empty/Cargo.toml"
  env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS -u CARGO_BUILD_RUSTFLAGS \
    RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$work/build" \
    cargo build --manifest-path "$work/empty/Cargo.toml" \
    -Zbuild-std=std,panic_abort,proc_macro,test --release --target "$target" ||
    die "the standard library did not build (cargo says why above); its crates come from crates.io, so check that it is reached"
}

# Puts the libraries in place in one move, so that an interrupted run leaves no half target.
install_std() {
  local home=$sysroot/lib/rustlib/$target next=$sysroot/lib/rustlib/.$target.next
  rm -rf "$next"
  mkdir -p "$next/lib/self-contained"
  cp "$work/build/$target"/release/deps/*.rlib "$next/lib/"
  rm -f "$next"/lib/libempty-*.rlib
  [[ -z ${wasi_libc:-} ]] || cp -RL "$wasi_libc"/. "$next/lib/self-contained/"
  rm -rf "$home"
  mv "$next" "$home"
}

main
