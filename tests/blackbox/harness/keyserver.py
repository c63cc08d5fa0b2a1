"""A server of a JWKS that counts its calls and fails in the ways that real ones do."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler

from .serving import Server


class KeyServer(Server):
    """Serves `keys` (a list of JWKs) on every path, until told otherwise by its knobs."""

    def __init__(self, keys: list | None = None) -> None:
        self.keys = keys or []
        self.status = 200
        self.body: bytes | None = None  # instead of the keys
        self.delay = 0.0
        self.hang = False  # take the request, never answer
        self._count = 0
        self._lock = threading.Lock()
        self._released = threading.Event()
        super().__init__(_handler(self))

    @property
    def fetches(self) -> int:
        """How many requests have arrived."""
        with self._lock:
            return self._count

    def close(self) -> None:
        """Also lets go of the requests that hang."""
        self._released.set()
        super().close()

    def open(self) -> None:
        """Listens again; requests can hang again."""
        self._released.clear()
        super().open()

    def _arrived(self) -> None:
        with self._lock:
            self._count += 1

    def _answer(self) -> tuple[int, bytes]:
        if self.hang:
            self._released.wait(120)
        time.sleep(self.delay)
        body = json.dumps({"keys": self.keys}).encode() if self.body is None else self.body
        return self.status, body


def _handler(server: KeyServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server._arrived()
            status, body = server._answer()
            if server.is_closed:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            # No connection outlives its request, so that a closed server is closed at once.
            self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
