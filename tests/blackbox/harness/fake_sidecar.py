"""A stand-in for the sidecar that counts its calls and fails on command."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .serving import Server
from .tokens import ISSUER

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
            if server.is_closed:
                self.close_connection = True
                return
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
