#!/usr/bin/env bash
# Installs what the benchmarks need beside the tests' tools: wrk makes the load, valgrind counts
# instructions. Does nothing when they are there.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib.sh

command -v wrk >/dev/null || apt_install wrk "the load generator of make bench"
command -v valgrind >/dev/null || apt_install valgrind "the instruction counter of make bench-instructions"

# FastMCP's server, which make bench-oauth measures beside mcp-auth, in an environment of its own.
fastmcp=4.1.6
if [[ ! -f .tools/fastmcp/installed-$fastmcp ]]; then
  say "installing FastMCP $fastmcp into .tools"
  python3 -m venv .tools/fastmcp && .tools/fastmcp/bin/pip -q --disable-pip-version-check install "fastmcp==$fastmcp" >&2 ||
    die "pip could not install fastmcp: check that the Python package index is reached"
  touch ".tools/fastmcp/installed-$fastmcp"
fi
