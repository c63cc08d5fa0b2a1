"""The two authorization servers, and the development provider behind both."""

from __future__ import annotations

import json
import subprocess
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import httpx
from harness.authserver import AuthServer
from harness.built import ROOT, built
from harness.gateway import eventually
from harness.oauth import Site
from harness.serving import free_port
from harness.upstream import UpstreamClient

CLIENT = UpstreamClient("bench", "a-secret-of-the-benchmark")
OURS, THEIRS = "https://mcp.example.com", "https://fast.example.com"
FASTMCP = Path(__file__).with_name("fastmcp_server.py")
PYTHON = ROOT / ".tools/fastmcp/bin/python"  # which scripts/setup-bench.sh makes


@dataclass(frozen=True)
class Server:
    """One that answers: where, and as which process."""

    site: Site
    pid: int


class Provider(AbstractContextManager):
    """The development provider, which is no bottleneck: it needs less than either server."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.issuer = f"http://127.0.0.1:{self.port}/"
        callbacks = [f"{url}/auth/callback" for url in (OURS, THEIRS)]
        client = {
            "client_id": CLIENT.client_id,
            "client_secret": CLIENT.client_secret,
            "redirect_uris": callbacks,
        }
        command = [built("DEV_IDP_BIN"), "--listen", f"127.0.0.1:{self.port}"]
        with (folder / "dev-idp.log").open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "--client", json.dumps(client)], stdout=log, stderr=log
            )
        wait_for(self.port, "/healthz")

    def __exit__(self, *_: object) -> None:
        end(self._process)


class Ours(AuthServer):
    """`mcp-auth` over its embedded store."""

    def __init__(self, folder: Path, provider: Provider) -> None:
        self._provider = provider
        super().__init__(
            folder,
            provider,
            OURS,
            CLIENT,
            MCP_RESOURCES=f"{OURS}/mcp",
            MCP_SCOPES="mcp:read",
        )

    def server(self) -> Server:
        """Where it answers."""
        return Server(site(OURS, self.port, self._provider), self.pid)


class FastMcp(AbstractContextManager):
    """FastMCP over its memory store."""

    def __init__(self, folder: Path, provider: Provider) -> None:
        self._provider, self.port = provider, free_port()
        given = [str(self.port), provider.issuer, THEIRS, CLIENT.client_id, CLIENT.client_secret]
        with (folder / "fastmcp.log").open("wb") as log:
            self._process = subprocess.Popen([PYTHON, FASTMCP, *given], stdout=log, stderr=log)
        wait_for(self.port, "/.well-known/oauth-authorization-server")

    def __exit__(self, *_: object) -> None:
        end(self._process)

    def server(self) -> Server:
        """Where it answers."""
        return Server(site(THEIRS, self.port, self._provider), self._process.pid)


def site(url: str, port: int, provider: Provider) -> Site:
    """A server and the provider as a browser reaches them."""
    places = {url: [port], provider.issuer.rstrip("/"): [provider.port]}
    return Site(url, places, f"{url}/mcp")


def wait_for(port: int, path: str) -> None:
    """Until something answers there."""

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    eventually(answers, 30)


def end(process: subprocess.Popen) -> None:
    """Ends a process."""
    process.kill()
    process.wait()
