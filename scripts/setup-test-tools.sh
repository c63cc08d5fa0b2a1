#!/usr/bin/env bash
# Installs what the black-box tests need beside Rust and Envoy: the Python packages of
# tests/requirements.txt in the project's own .venv, the Node.js packages of tests/node and tests/schemas,
# redis-server, kubectl, and Chromium with its driver. Does nothing when they are there.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh

main() {
  make_venv
  local stamp=.venv/requirements.installed
  if ! cmp -s tests/requirements.txt "$stamp"; then
    say "installing the tests' Python packages"
    pip_install -r tests/requirements.txt
    cp tests/requirements.txt "$stamp"
  fi
  npm_install tests/node
  npm_install tests/schemas
  command -v redis-server >/dev/null || apt_install redis-server "a real Redis for the session tests"
  scripts/setup-kubectl.sh
  # The driver brings the browser of its own version with it.
  if ! command -v chromium >/dev/null || ! command -v chromedriver >/dev/null; then
    apt_install chromium-driver "a real browser for the tests of web pages"
  fi
  say "the tests' tools are ready"
}

main
