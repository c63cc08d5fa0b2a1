"""`mcp-auth serve` with the OAuth part."""

from __future__ import annotations

import os
import re
import secrets
import socket
import subprocess
from pathlib import Path
from typing import Any

import httpx
from cryptography.fernet import Fernet

from .built import built
from .gateway import eventually
from .redis_server import Redis
from .upstream import AUDIENCE, Upstream, UpstreamClient

START_TIMEOUT = 20


class ReservedPort:
    """A port of loopback that nobody else is given, for a server that shares it by SO_REUSEPORT.

    Envoy does. So a public address can be known before the server that has it is started.
    """

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._socket.bind(("127.0.0.1", 0))  # never listens, so it takes no connection
        self.port: int = self._socket.getsockname()[1]

    def close(self) -> None:
        """Lets go of it."""
        self._socket.close()


class AuthServer:
    """One replica of the sidecar with the OAuth part; a context manager.

    `url` is its public base URL. Settings not given are random or plain; those that are None are
    left out.
    """

    def __init__(
        self,
        folder: Path,
        upstream: Upstream,
        url: str,
        client: UpstreamClient | None = None,
        redis: Redis | None = None,
        wait: bool = True,
        **environment: str | None,
    ) -> None:
        self.upstream = upstream
        self._wait = wait  # until it is ready, not only until it listens
        self._process: subprocess.Popen[bytes] | None = None
        self.url = url
        self.client = client or upstream.register(f"{url.rstrip('/')}/auth/callback")
        self.folder = folder
        self.port = self.internal_port = 0
        self.log_file = folder / "mcp-auth.log"
        store = {"MCP_AUTH_DATA": str(folder / "data")}
        if redis is not None:
            store = {
                "REDIS_URL": redis.url,
                "STORAGE_ENCRYPTION_KEY": Fernet.generate_key().decode(),
            }
        given = {
            "PATH": os.environ["PATH"],
            "OIDC_ISSUER": upstream.issuer,
            "OIDC_CLIENT_ID": self.client.client_id,
            "OIDC_CLIENT_SECRET": self.client.client_secret,
            "OIDC_AUDIENCE": AUDIENCE,
            "MCP_AUTH_URL": url,
            "MCP_RESOURCES": "https://mcp.example.com/mcp,https://mcp.example.com/other",
            "MCP_REGISTRATIONS_PER_MINUTE": "0",
            "JWT_SIGNING_KEY": secrets.token_hex(32),
            "MCP_AUTH_TOKEN": secrets.token_hex(16),
            **store,
            **environment,
        }
        self.environment = {name: value for name, value in given.items() if value is not None}

    def __enter__(self) -> AuthServer:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def resource(self) -> str:
        """The first of its resources."""
        return self.environment["MCP_RESOURCES"].split(",")[0]

    def start(self) -> None:
        """Starts it, on the same ports as before if any, and waits until it is ready."""
        listen = {
            "MCP_AUTH_LISTEN": f"127.0.0.1:{self.port}",
            "MCP_AUTH_INTERNAL_LISTEN": f"127.0.0.1:{self.internal_port}",
        }
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [built("MCP_AUTH_BIN"), "serve"],
                env=self.environment | listen,
                stdout=log,
                stderr=log,
            )
        self.internal_port = self._listening("internal")
        self.port = self._listening("public")
        eventually(lambda: not self._wait or self._is_ready(), START_TIMEOUT)

    @property
    def pid(self) -> int:
        """The process that runs now."""
        return self._process.pid

    def restart(self) -> None:
        """Ends it by SIGKILL and starts it again."""
        self.kill()
        self.start()

    def kill(self) -> None:
        """Ends it by SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def log(self) -> str:
        """Its log since it was last started."""
        return self.log_file.read_text()

    def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """A call of the internal API."""
        return httpx.request(
            method,
            f"http://127.0.0.1:{self.internal_port}{path}",
            json=body,
            headers={"authorization": f"Bearer {self.environment.get('MCP_AUTH_TOKEN')}"},
            trust_env=False,
            verify=False,  # plain HTTP; reading the system's CAs takes long
            timeout=20,
        )

    def sessions(self, **of: str) -> list[dict[str, Any]]:
        """The sessions of a user or client, newest first."""
        query = httpx.QueryParams(of)
        return self.call("GET", f"/v1/sessions?{query}").json()["sessions"]

    def _listening(self, which: str) -> int:
        pattern = re.compile(rf"{which} listener is open address=127\.0\.0\.1:(\d+)")

        def found() -> re.Match[str] | None:
            code = self._process.poll()
            assert code is None, f"mcp-auth ended with {code}; its log:\n{self.log()}"
            return pattern.search(self.log())

        return int(eventually(found, START_TIMEOUT)[1])

    def _is_ready(self) -> bool:
        try:
            return self.call("GET", "/readyz").status_code == 200
        except httpx.TransportError:
            return False
