"""An MCP server with FastMCP's own authorization server, as its users run it.

python fastmcp_server.py PORT ISSUER PUBLIC_URL CLIENT_ID CLIENT_SECRET
"""

from __future__ import annotations

import sys

import uvicorn
from fastmcp import FastMCP
from fastmcp.server.auth.oidc_proxy import OIDCProxy
from key_value.aio.stores.memory import MemoryStore


def main(port: str, issuer: str, url: str, client_id: str, client_secret: str) -> None:
    """Serves until it is killed."""
    auth = OIDCProxy(
        config_url=f"{issuer}.well-known/openid-configuration",
        client_id=client_id,
        client_secret=client_secret,
        audience=f"{url}/mcp",
        base_url=url,
        jwt_signing_key="0" * 64,
        client_storage=MemoryStore(),
        valid_scopes=["mcp:read"],
        extra_authorize_params={"scope": "openid profile email offline_access"},
    )
    app = FastMCP("bench", auth=auth).http_app()
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])
