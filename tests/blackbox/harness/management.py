"""The Management API of Auth0 in front of the tests' provider, as far as rotation needs it."""

from __future__ import annotations

import json
import secrets
from http.server import BaseHTTPRequestHandler

from .serving import Server
from .upstream import Upstream, UpstreamClient

TOKEN = "a-management-token"


class Management(Server):
    """Makes new secrets for one client; a context manager. `rotations` counts them."""

    def __init__(self, upstream: Upstream, client: UpstreamClient) -> None:
        self.upstream = upstream
        self.client_id = client.client_id
        self.secret = client.client_secret
        self.rotations = 0
        super().__init__(_handler(self))

    @property
    def environment(self) -> dict[str, str]:
        """What an operator's command needs to call this."""
        return {
            "AUTH0_MGMT_URL": f"http://127.0.0.1:{self.port}/",
            "AUTH0_MGMT_TOKEN": TOKEN,
            "AUTH0_CLIENT_ID": self.client_id,
        }

    def rotate(self) -> None:
        """Makes a new secret."""
        self.take(secrets.token_urlsafe(48))

    def take(self, secret: str) -> None:
        """The provider forgets the old secret at once."""
        self.secret = secret
        self.rotations += 1
        self.upstream.new_secret(self.client_id, secret)


def _handler(server: Management) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            given = self.rfile.read(int(self.headers.get("content-length") or 0))
            client = f"/api/v2/clients/{server.client_id}"
            status = 200
            if self.headers.get("authorization") != f"Bearer {TOKEN}":
                status = 401
            elif (self.command, self.path) == ("POST", f"{client}/rotate-secret"):
                server.rotate()
            elif (self.command, self.path) == ("PATCH", client):
                server.take(json.loads(given)["client_secret"])
            elif (self.command, self.path) != ("GET", client):
                status = 404
            told = {"client_id": server.client_id, "client_secret": server.secret}
            body = json.dumps(told if status == 200 else {"message": "no"}).encode()
            self.send_response_only(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = _serve  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    return Handler
