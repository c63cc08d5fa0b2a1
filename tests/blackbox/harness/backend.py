"""The protected server: answers with what reached it, as JSON, and counts."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler

from .client import Reply
from .serving import Server

# A field of a request that begins so comes back in the answer, without this.
ANSWER = "x-answer-"


@dataclass(frozen=True)
class Seen:
    """A request as it reached the backend; fields with lower-case names, duplicates kept."""

    method: str
    path: str
    fields: list[tuple[str, str]]
    body: str

    def values(self, name: str) -> list[str]:
        """Every value of a field, its name taken literally."""
        return [value for field, value in self.fields if field == name]

    def header(self, name: str) -> str | None:
        """The one value of a field, or None; several fail the test."""
        values = self.values(name)
        assert len(values) <= 1, f"{name} reached the backend {len(values)} times: {values}"
        return values[0] if values else None

    def alike(self, name: str) -> list[tuple[str, str]]:
        """Every field whose name is `name` once `_` counts as `-`."""
        return [(n, v) for n, v in self.fields if n.replace("_", "-") == name]


def seen(reply: Reply) -> Seen:
    """What the backend saw, from its answer."""
    assert reply.status == 200, f"not forwarded: {reply.status} {reply.fields} {reply.body!r}"
    assert reply.header("x-from-backend") == "1", f"not the backend's answer: {reply}"
    data = reply.json()
    return Seen(data["method"], data["path"], [tuple(f) for f in data["fields"]], data["body"])


class Backend(Server):
    """An echo server for every method."""

    def __init__(self) -> None:
        self._count = 0
        self._lock = threading.Lock()
        super().__init__(_handler(self))

    @property
    def requests(self) -> int:
        """How many requests have arrived."""
        with self._lock:
            return self._count

    def _arrived(self) -> None:
        with self._lock:
            self._count += 1


def _handler(server: Backend) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _echo(self) -> None:
            server._arrived()
            length = int(self.headers.get("content-length") or 0)
            fields = [(name.lower(), value) for name, value in self.headers.items()]
            body = json.dumps(
                {
                    "method": self.command,
                    "path": self.path,
                    "fields": fields,
                    "body": self.rfile.read(length).decode("latin-1"),
                }
            ).encode()
            self.send_response(200)
            self.send_header("x-from-backend", "1")
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            for name, value in fields:
                if name.startswith(ANSWER):
                    self.send_header(name.removeprefix(ANSWER), value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = _echo  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    return Handler
