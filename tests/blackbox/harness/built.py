"""Where what is under test was built: as a variable says, else where make leaves it."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

# What `make test-blackbox` builds besides `dist/` it names by these variables.
DEFAULTS = {
    "MCP_AUTH_WASM": "dist/mcp_auth_filter.wasm",
    "DEV_IDP_BIN": "dist/dev-idp",
    "MCP_AUTH_BIN": "dist/mcp-auth",
    "MCP_SERVER_BIN": "dist/mcp-server",
    "FORGERIES_BIN": "target/debug/forgeries",
    "RMCP_CLIENT_BIN": "target/debug/rmcp-oauth-client",
    "SIGNATURE_VECTORS_BIN": "target/debug/signature-vectors",
    "VERIFIER_PROBE_WASM": "target/wasm32-wasip1/wasm/verifier_probe.wasm",
}


def built(variable: str) -> Path:
    """The file that `variable` names."""
    path = ROOT / (os.environ.get(variable) or DEFAULTS[variable])
    assert path.is_file(), f"no {path}: run `make test-blackbox`, or set {variable}"
    return path
