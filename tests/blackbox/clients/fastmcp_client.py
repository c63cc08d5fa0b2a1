"""FastMCP's client as documented. Arguments: the MCP server, and perhaps a client id URL."""

import asyncio
import json
import sys

from fastmcp import Client
from fastmcp.client.auth import OAuth


async def main(url: str, document: str | None = None) -> None:
    """Calls the tool twice."""
    auth = OAuth(client_metadata_url=document) if document else "oauth"
    async with Client(url, auth=auth) as client:
        for _ in range(2):
            result = await client.call_tool("whoami")
            print(json.dumps(result.structured_content), flush=True)


asyncio.run(main(*sys.argv[1:]))
