#!/usr/bin/env bash
# Installs what the benchmarks need beside the tests' tools: wrk makes the load, valgrind counts
# instructions. Does nothing when they are there.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh

command -v wrk >/dev/null || apt_install wrk "the load generator of make bench"
command -v valgrind >/dev/null || apt_install valgrind "the instruction counter of make bench-instructions"
