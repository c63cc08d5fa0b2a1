#!/usr/bin/env bash
# Installs what a build of the filter needs beside Rust: the Node.js package of tools/wasm. Does
# nothing when it is there.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh

npm_install tools/wasm
