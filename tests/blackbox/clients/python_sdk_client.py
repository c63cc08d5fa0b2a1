"""The Python SDK's client with its OAuthClientProvider. Arguments: the MCP server, seconds to wait.

It calls the tool, waits, and calls it again.
"""

import asyncio
import json
import sys
import webbrowser
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)


class Storage:
    """Remembers in memory."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        """The tokens."""
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        """Keeps the tokens."""
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        """The registration."""
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """Keeps the registration."""
        self.client = client_info


class Callback(HTTPServer):
    """Waits at the redirect URI."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Landed)
        self.query: dict[str, list[str]] = {}

    @property
    def uri(self) -> str:
        """The redirect URI."""
        return f"http://127.0.0.1:{self.server_port}/callback"

    async def result(self) -> AuthorizationCodeResult:
        """What the browser came back with."""
        await asyncio.to_thread(self.handle_request)
        first = {name: values[0] for name, values in self.query.items()}
        return AuthorizationCodeResult(
            code=first["code"], state=first.get("state"), iss=first.get("iss")
        )


class Landed(BaseHTTPRequestHandler):
    """Takes the browser's request."""

    server: Callback

    def do_GET(self) -> None:
        """Keeps the parameters."""
        self.server.query = parse_qs(urlsplit(self.path).query)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"You may close this window.")


async def main(url: str, pause: str = "0") -> None:
    """Calls the tool, waits, and calls it again."""
    callback = Callback()

    async def open_browser(address: str) -> None:
        await asyncio.to_thread(webbrowser.open, address)

    auth = OAuthClientProvider(
        server_url=url,
        client_metadata=OAuthClientMetadata(
            client_name="Python SDK", redirect_uris=[callback.uri], scope="mcp:read"
        ),
        storage=Storage(),
        redirect_handler=open_browser,
        callback_handler=callback.result,
    )
    async with (
        httpx2.AsyncClient(auth=auth, timeout=30) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        for wait in (0.0, float(pause)):
            await asyncio.sleep(wait)
            result = await client.call_tool("whoami", {})
            print(json.dumps(result.structured_content), flush=True)


asyncio.run(main(*sys.argv[1:]))
