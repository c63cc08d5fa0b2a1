#!/usr/bin/env bash
# Runs cargo-deny with deny.toml, building cargo-deny into .tools at the first call. Where the
# advisory database cannot be fetched, licences, bans and sources are still checked, and the
# missing part is said.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh

version=0.20.2
deny=.tools/bin/cargo-deny

main() {
  if [[ $("$deny" --version 2>/dev/null) != "cargo-deny $version" ]]; then
    say "building cargo-deny $version into .tools (some minutes, once)"
    cargo install cargo-deny --version "$version" --locked --root .tools ||
      die "cargo-deny did not build: see cargo's words above"
  fi
  # Without --workspace it would look at the filter alone.
  "$deny" --workspace check licenses bans sources
  if ! timeout 120 "$deny" fetch db >/dev/null 2>&1; then
    say "SKIPPED: advisories, because their database cannot be fetched from here; run 'make deny' where it can"
    return
  fi
  "$deny" --workspace check --disable-fetch advisories
}

main
