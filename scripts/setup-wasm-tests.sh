#!/usr/bin/env bash
# Builds wasm-bindgen-test-runner into .tools, which runs the core's tests as WebAssembly in Node.
# Runner and tests speak a format that changes between versions, so the runner's version is the one
# of wasm-bindgen in Cargo.lock. Does nothing when that one is there.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh

runner=.tools/bin/wasm-bindgen-test-runner

main() {
  need node "install Node.js 20 or later"
  local version
  version=$(awk '/^name = / { name = $3 } /^version = / && name == "\"wasm-bindgen\"" { gsub(/"/, "", $3); print $3 }' Cargo.lock)
  [[ -n $version ]] || die "Cargo.lock names no wasm-bindgen: run 'cargo check' first"
  if [[ $("$runner" --version 2>/dev/null) != "wasm-bindgen-test-runner $version" ]]; then
    say "building wasm-bindgen-test-runner $version into .tools (a minute or two, once)"
    if ! build "$version" --locked; then
      say "the versions that wasm-bindgen-cli was published with are not all to be had: building it with their nearest successors"
      build "$version" || die "wasm-bindgen-test-runner did not build: see cargo's words above"
    fi
  fi
  say "wasm-bindgen-test-runner $version is ready"
}

# Unoptimised, because that is quicker built than it makes up for in running; without TLS, which
# only fetches drivers for browsers.
build() {
  local version=$1
  shift
  CARGO_PROFILE_DEV_DEBUG=0 cargo install wasm-bindgen-cli --version "=$version" "$@" --debug \
    --no-default-features --bin wasm-bindgen-test-runner --root .tools --force >&2
}

main
