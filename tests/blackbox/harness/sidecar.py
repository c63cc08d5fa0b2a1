"""The real sidecar; a stand-in for it that counts its calls and fails on command; the gateway in
front of either.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from .envoy import ROOT
from .gateway import DENIALS, Gateway, config, eventually, issuer
from .serving import Server
from .tokens import ISSUER, b64, token

DENIALS |= {
    "session_not_found": (401, "invalid_token"),
    "session_revoked": (401, "invalid_token"),
    "sessions_unavailable": (503, None),
}

CLUSTER = "mcp-auth"
WORKERS = 2
BOTH = 20  # requests on as many connections: they reach both workers, but for 1 case in 500,000
USER_ID = "user-example-com-11b07dcc"  # of the default token
HANG = "hang"  # take the request, never answer


@dataclass(frozen=True)
class Call:
    """A request as it arrived."""

    method: str
    path: str
    authorization: str | None
    body: Any

    @property
    def session_id(self) -> str:
        """The last segment of the path."""
        return self.path.rpartition("/")[2]


class FakeSidecar(Server):
    """Serves `sessions` and the revocation feed, until told otherwise by its knobs.

    `fault` strikes every call, `feed_fault` only those of the feed: a status, a body in place of
    the right one, or `HANG`.
    """

    def __init__(self, token: str = "") -> None:
        self.token = token
        self.sessions: dict[str, dict[str, Any]] = {}
        self.page_size = 1000
        self.delay = 0.0
        self.fault: int | bytes | str | None = None
        self.feed_fault: int | bytes | str | None = None
        self._entries: list[dict[str, Any]] = []
        self._feed = 1  # a cursor of another feed is answered 410
        self._calls: list[Call] = []
        self._lock = threading.Lock()
        self._released = threading.Event()
        super().__init__(_handler(self))

    def record(self, session_id: str, user_id: str, **changes: Any) -> None:
        """Records a session as the token endpoint would."""
        now = int(time.time())
        self.sessions[session_id] = {
            "session_id": session_id,
            "user_id": user_id,
            "username": "user@example.com",
            "issuer": ISSUER,
            "token_issuer": ISSUER,
            "subject": "auth0|user123",
            "client_id": "client-1",
            "scopes": ["mcp:read"],
            "created_at": now,
            "last_seen_at": now,
            "expires_at": now + 3600,
            "revoked_at": None,
        } | changes

    def revoke(self, **entry: Any) -> None:
        """Puts an entry into the feed."""
        with self._lock:
            self._entries.append({"expires_at": int(time.time()) + 3600} | entry)

    def lose_feed(self) -> None:
        """Starts an empty feed, as after the loss of the store: old cursors are 410."""
        with self._lock:
            self._feed += 1
            self._entries.clear()

    def lookups(self, session_id: str | None = None) -> int:
        """How many sessions were looked up; or how often this one was."""
        return self._count("GET", session_id)

    def reports(self, session_id: str | None = None) -> list[Call]:
        """The sessions that were put; or how this one was."""
        return [
            call
            for call in self.calls
            if call.method == "PUT" and session_id in (None, call.session_id)
        ]

    @property
    def feed_reads(self) -> list[str | None]:
        """The cursor of each read of the feed, None for a start."""
        found = [urlsplit(call.path) for call in self.calls]
        return [
            parse_qs(url.query).get("after", [None])[0]
            for url in found
            if url.path == "/v1/revocations"
        ]

    @property
    def calls(self) -> list[Call]:
        """Every call so far."""
        with self._lock:
            return list(self._calls)

    def heal(self) -> None:
        """Undoes every fault."""
        self.close()
        self.fault = self.feed_fault = None
        self.open()

    def close(self) -> None:
        """Also lets go of the requests that hang."""
        self._released.set()
        super().close()

    def open(self) -> None:
        """Listens again; requests can hang again."""
        self._released = threading.Event()
        super().open()

    def _count(self, method: str, session_id: str | None) -> int:
        return sum(
            call.method == method
            and call.path.startswith("/v1/sessions/")
            and session_id in (None, call.session_id)
            for call in self.calls
        )

    def _answer(self, call: Call) -> tuple[int, bytes]:
        with self._lock:
            self._calls.append(call)
        time.sleep(self.delay)
        is_feed = call.path.startswith("/v1/revocations")
        fault = self.feed_fault if is_feed and self.feed_fault is not None else self.fault
        if fault == HANG:
            self._released.wait(120)
        elif isinstance(fault, int):
            return fault, _error("fault")
        elif isinstance(fault, bytes):
            return 200, fault
        if self.token and call.authorization != f"Bearer {self.token}":
            return 401, _error("unauthorized")
        if is_feed:
            return self._page(parse_qs(urlsplit(call.path).query).get("after", [None])[0])
        if call.method == "PUT":
            return 201, json.dumps(call.body).encode()
        session = self.sessions.get(call.session_id)
        return (200, json.dumps(session).encode()) if session else (404, _error("not_found"))

    def _page(self, cursor: str | None) -> tuple[int, bytes]:
        with self._lock:
            feed, _, start = (cursor or f"{self._feed}/ 0").partition("/ ")
            if int(feed) != self._feed:
                return 410, _error("gone")
            end = min(int(start) + self.page_size, len(self._entries))
            page = {
                # Opaque, and not to be put into a URL as it is.
                "cursor": f"{self._feed}/ {end}",
                "more": end < len(self._entries),
                "entries": self._entries[int(start) : end],
            }
            return 200, json.dumps(page).encode()


class RealSidecar:
    """`mcp-auth serve` over the embedded store, or over a Redis of its own."""

    TOKEN = "a-token-for-tests"

    def __init__(self, folder: Path, store: str) -> None:
        program = Path(os.environ.get("MCP_AUTH_BIN") or ROOT / "dist" / "mcp-auth")
        assert program.is_file(), f"no {program}: build it, or set MCP_AUTH_BIN"
        self._program = program
        self._log = folder / "mcp-auth.log"
        self._redis: subprocess.Popen[bytes] | None = None
        environment = {"MCP_AUTH_TOKEN": self.TOKEN, "PATH": os.environ["PATH"]}
        if store == "redis":
            port = _free_port()
            arguments = ["redis-server", "--port", str(port), "--save", "", "--bind", "127.0.0.1"]
            with (folder / "redis.log").open("wb") as log:
                self._redis = subprocess.Popen(arguments, cwd=folder, stdout=log, stderr=log)
            environment["REDIS_URL"] = f"redis://127.0.0.1:{port}"
        else:
            environment["MCP_AUTH_DATA"] = str(folder / "data")
        self._environment = environment
        self.port = 0
        try:
            self.open()
        except BaseException:
            self.close()
            raise

    def open(self) -> None:
        """Starts it, on the same port as before if there was one, and waits until it is ready."""
        listen = {"MCP_AUTH_INTERNAL_LISTEN": f"127.0.0.1:{self.port}"}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [self._program, "serve"], env=self._environment | listen, stdout=log, stderr=log
            )
        pattern = re.compile(r"internal listener is open address=127\.0\.0\.1:(\d+)")
        self.port = int(eventually(lambda: pattern.search(self._log.read_text()))[1])
        eventually(self._is_ready)

    def _is_ready(self) -> bool:
        try:
            return self.call("GET", "/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """Ends it by SIGKILL."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Ends it and its Redis."""
        self.kill()
        if self._redis is not None:
            self._redis.kill()
            self._redis.wait()

    def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """A call of the internal API."""
        return httpx.request(
            method,
            f"http://127.0.0.1:{self.port}{path}",
            json=body,
            headers={"authorization": f"Bearer {self.TOKEN}"},
            trust_env=False,
        )

    def record(self, session_id: str, user_id: str, **changes: Any) -> None:
        """Records a session as the token endpoint would."""
        expires_at = int(time.time()) + 3600
        session = {"user_id": user_id, "issuer": ISSUER, "expires_at": expires_at} | changes
        answer = self.call("PUT", f"/v1/sessions/{session_id}", session)
        assert answer.status_code in (200, 201), answer.text


class Login:
    """A token of a session that no cache has seen."""

    def __init__(self, **changes: Any) -> None:
        tail = uuid.uuid4().hex
        self.token = token(**{"jti": tail} | changes)
        self.session_id = session_id(changes.get("sid") or changes.get("jti") or tail)


class Stand:
    """A gateway with two workers, each with a memory of its own, and its sidecar."""

    def __init__(
        self,
        start: Callable[..., Gateway],
        mode: str = "required",
        sidecar: FakeSidecar | RealSidecar | None = None,
        **sessions: str,
    ) -> None:
        self.sidecar = sidecar or FakeSidecar()
        settings = {"cluster": CLUSTER, "timeout": "1s"} | sessions
        self.gateway = start(
            {"main": config(issuers=[issuer(session=mode)], sessions=settings)},
            keyservers={CLUSTER: self.sidecar},
            concurrency=WORKERS,
        )

    def login(
        self, user_id: str = USER_ID, claims: dict[str, Any] | None = None, **session: Any
    ) -> Login:
        """A token whose session the sidecar knows."""
        login = Login(**claims or {})
        self.sidecar.record(login.session_id, user_id, **session)
        return login

    def statuses(self, login: Login, count: int = BOTH) -> set[int]:
        """What requests at once are answered."""
        with ThreadPoolExecutor(count) as pool:
            sent = pool.map(lambda _: self.gateway.send(token=login.token), range(count))
            return {reply.status for reply in sent}

    def assert_allowed(self, *logins: Login) -> None:
        """Both workers let each of these in; from here on they have it in memory."""
        for login in logins:
            assert self.statuses(login) == {200}

    def assert_denied(self, reason: str, login: Login) -> None:
        """A request is refused for `reason`, with the answer of the contract."""
        self.gateway.assert_denied(reason, token=login.token)

    def eventually(self, status: int, login: Login, timeout: float = 10) -> None:
        """Waits until both workers answer so."""
        eventually(lambda: self.statuses(login) == {status}, timeout)

    def moved(self, before: dict[str, int]) -> dict[str, int]:
        """The metrics that moved since."""
        after = self.gateway.envoy.stats().items()
        return {n: count - before.get(n, 0) for n, count in after if count != before.get(n, 0)}


def session_id(tail: str, issuer: str = ISSUER) -> str:
    """The id of a session by its token's `sid`, else `jti`, else the token itself."""
    return b64(hashlib.sha256(f"{issuer}\0{tail}".encode()).digest()[:16])


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _error(error: str) -> bytes:
    return json.dumps({"error": error, "error_description": "for a test"}).encode()


def _handler(server: FakeSidecar) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            authorization = self.headers.get("authorization")
            status, answer = server._answer(Call(self.command, self.path, authorization, body))
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            # No connection outlives its request, so that a closed server is closed at once.
            self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_PUT = do_DELETE = _serve  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    return Handler
