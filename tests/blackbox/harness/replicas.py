"""Two replicas over one Redis behind one Envoy, their secrets in files, and people who use them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from . import client
from .authserver import AuthServer, ReservedPort
from .backend import Backend
from .commands import Ran, mcp_auth
from .envoy import Envoy, Listener
from .oauth import PUBLIC, Site, Tokens
from .redis_server import Redis
from .upstream import Upstream

FILES = {
    "JWT_SIGNING_KEY": "jwt-signing-key",
    "STORAGE_ENCRYPTION_KEY": "storage-encryption-key",
    "MCP_AUTH_TOKEN": "mcp-auth-token",
    "OIDC_CLIENT_SECRET": "server-client-secret",
}


class Replicas:
    """A context manager. `secrets` is the folder with the files."""

    def __init__(self, folder: Path, upstream: Upstream, redis: Redis) -> None:
        self.folder = folder
        self.upstream = upstream
        self.redis = redis
        self.secrets = folder / "secrets"
        self._place = ReservedPort()
        self.url = f"http://127.0.0.1:{self._place.port}"
        self.resource = f"{self.url}/mcp"
        self.client = upstream.register(f"{self.url}/auth/callback")
        mcp_auth("secrets", "generate", "--out", str(self.secrets)).done()
        (self.secrets / FILES["OIDC_CLIENT_SECRET"]).write_text(self.client.client_secret)

        self.filter_token = self.tokens()[0]

    def __enter__(self) -> Replicas:
        with ExitStack() as stack:
            stack.callback(self._place.close)
            backend = Backend()
            stack.callback(backend.close)
            self.servers = [
                stack.enter_context(self._server(self.folder / name)) for name in ("one", "two")
            ]
            listener = Listener(
                self._filter(),
                port=self._place.port,
                routes=tuple((path, "mcp-auth-public") for path in PUBLIC),
            )
            ports = {
                "backend": backend.port,
                "mcp-auth": [it.internal_port for it in self.servers],
                "mcp-auth-public": [it.port for it in self.servers],
            }
            self.envoy = stack.enter_context(Envoy(self.folder, {"main": listener}, ports, 2))
            places = {
                self.url: [self._place.port],
                self.upstream.issuer: [self.upstream.proxy.port],
            }
            self.site = Site(self.url, places, self.resource)
            stack.callback(self.site.http.close)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _server(self, folder: Path) -> AuthServer:
        folder.mkdir()
        files = {f"{name}_FILE": str(self.secrets / file) for name, file in FILES.items()}
        return AuthServer(
            folder,
            self.upstream,
            self.url,
            client=self.client,
            redis=self.redis,
            wait=False,
            MCP_RESOURCES=self.resource,
            **dict.fromkeys(FILES),
            **files,
        )

    def _filter(self) -> dict:
        jwks = {
            "uri": f"{self.url}/jwks.json",
            "cluster": "mcp-auth-public",
            "refresh": "1s",
            "cooldown": "1s",
        }
        mcp_auth = {
            "issuer": self.url,
            "jwks": jwks,
            "identity_issuer_claim": "idp_iss",
            "session": "required",
        }
        return {
            "issuers": [mcp_auth],
            "resources": [{"path": "/mcp", "resource": self.resource}],
            "public": PUBLIC,
            "sessions": {"cluster": "mcp-auth", "token": self.filter_token, "cache": "1s"},
        }

    def secret(self, variable: str) -> list[str]:
        """What is in a file, the first key first."""
        fallback = f"{FILES['OIDC_CLIENT_SECRET']}-fallback"
        return (self.secrets / FILES.get(variable, fallback)).read_text().split(",")

    def tokens(self) -> list[str]:
        """The tokens of the internal API."""
        return self.secret("MCP_AUTH_TOKEN")

    def later(self, variable: str, seconds: int = 2 * 3600) -> None:
        """As if everything that is noted of a secret had happened so much earlier."""
        notes = self.secrets / f"{FILES[variable]}.rotation.json"
        told = json.loads(notes.read_text())
        for stamp in told["keys"].values():
            stamp.update({name: second - seconds for name, second in stamp.items()})
        notes.write_text(json.dumps(told))

    def keys(self, *arguments: str, **environment: str) -> Ran:
        """`mcp-auth keys …`, against the first replica."""
        reach = {
            "MCP_AUTH_INTERNAL_URL": f"http://127.0.0.1:{self.servers[0].internal_port}",
            "MCP_AUTH_TOKEN": self.tokens()[0],
        }
        place = () if arguments == ("reencrypt",) else ("--dir", str(self.secrets))
        return mcp_auth("keys", *arguments, *place, environment=reach | environment)

    def internal(self, path: str, token: str, replica: int = 0) -> httpx.Response:
        """A call of the internal API."""
        port = self.servers[replica].internal_port
        headers = {"authorization": f"Bearer {token}"}
        url = f"http://127.0.0.1:{port}{path}"
        return httpx.get(url, headers=headers, trust_env=False, verify=False, timeout=10)

    def call(self, token: str) -> int:
        """A request to the MCP server behind the filter: its status."""
        fields = [("authorization", f"Bearer {token}")]
        return client.http1(self._place.port, path="/mcp", fields=fields).status

    @contextmanager
    def in_use(self, record: Callable[[str, str], None]) -> Iterator[Traffic]:
        """While this lasts, people log in, refresh, and call; none of it may fail."""
        with Traffic(self) as traffic:
            yield traffic
        counts = ", ".join(f"{count} {what}" for what, count in traffic.counts.items())
        record("counted", f"{counts}, none of which failed")


class Traffic:
    """People at work. What they did is counted, what failed fails the test."""

    def __init__(self, replicas: Replicas) -> None:
        self.replicas = replicas
        self.counts = {"logins": 0, "refreshes": 0, "calls": 0, "lookups": 0}
        self.first: Tokens = replicas.site.tokens("somebody@example.com")
        self._latest = self.first
        self._failures: list[str] = []
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._again_and_again, args=(what, act))
            for what, act in {
                "logins": self._log_in,
                "refreshes": self._refresh,
                "calls": self._call,
                "lookups": self._look_up,
            }.items()
        ]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        self.go_on()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.go_on()
        self._over.set()
        for thread in self._threads:
            thread.join()
        assert not self._failures, f"{self._failures[:3]} after {self.counts}"

    def go_on(self, times: int = 2) -> None:
        """Returns when everybody has done what they do some more times."""
        goal = {what: count + times for what, count in self.counts.items()}
        end = time.monotonic() + 30
        while any(self.counts[what] < least for what, least in goal.items()):
            assert not self._failures, self._failures[:3]
            assert time.monotonic() < end, f"{self.counts}, not {goal}"
            time.sleep(0.02)

    def _again_and_again(self, what: str, act: Callable[[], None]) -> None:
        while not self._over.is_set():
            try:
                act()
                self.counts[what] += 1
            except Exception as failure:  # whatever it is, it is one
                self._failures.append(f"{what}: {type(failure).__name__} {failure}")
                return
            time.sleep(0.01)

    def _log_in(self) -> None:
        self.replicas.site.tokens("somebody-else@example.com")

    def _refresh(self) -> None:
        self._latest = self._latest.app.refreshed(self._latest.refresh)

    def _call(self) -> None:
        status = self.replicas.call(self._latest.access)
        assert status == 200, status

    def _look_up(self) -> None:
        for replica in range(2):
            path = f"/v1/sessions/{self.first.session_id}"
            answer = self.replicas.internal(path, self.replicas.filter_token, replica)
            assert answer.status_code == 200, answer.text
