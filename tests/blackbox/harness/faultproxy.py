"""A reverse proxy that passes on and remembers all, and gets wrong what a test tells it to."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from .client import Reply
from .serving import Server


@dataclass(frozen=True)
class Request:
    """A request as it arrived."""

    method: str
    target: str
    fields: list[tuple[str, str]]
    body: bytes

    @property
    def path(self) -> str:
        """The target without its query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the target."""
        return _single(urlsplit(self.target).query)

    @property
    def form(self) -> dict[str, str]:
        """The parameters of the body."""
        return _single(self.body.decode())


Onward = Callable[[Request], Reply]
Fault = Callable[[Request, Onward], Reply]


@dataclass(frozen=True)
class Exchange:
    """A request and the answer it got."""

    request: Request
    reply: Reply


@dataclass
class _Rule:
    path: str
    fault: Fault


@dataclass
class _State:
    exchanges: list[Exchange] = field(default_factory=list)
    rules: list[_Rule] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class FaultProxy(Server):
    """Stands in front of the server on `upstream_port`; the Host field goes through as it came."""

    def __init__(self) -> None:
        self.upstream_port = 0
        self._state = _State()
        super().__init__(_handler(self))

    def exchanges(self, path: str) -> list[Exchange]:
        """What was asked and answered at this path so far."""
        with self._state.lock:
            return [it for it in self._state.exchanges if it.request.path == path]

    @contextmanager
    def fault(self, path: str, fault: Fault) -> Iterator[None]:
        """While this lasts, requests for the path are answered by `fault`, the newest first."""
        rule = _Rule(path, fault)
        with self._state.lock:
            self._state.rules.insert(0, rule)
        try:
            yield
        finally:
            with self._state.lock:
                self._state.rules.remove(rule)

    def answer(self, request: Request) -> Reply:
        """By the rules, then by the server behind."""
        with self._state.lock:
            faults = [rule.fault for rule in self._state.rules if rule.path == request.path]
        reply = self._through(faults, request)
        with self._state.lock:
            self._state.exchanges.append(Exchange(request, reply))
        return reply

    def _through(self, faults: list[Fault], request: Request) -> Reply:
        if not faults:
            return self._pass(request)
        return faults[0](request, lambda changed: self._through(faults[1:], changed))

    def _pass(self, request: Request) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream_port, timeout=30)
        try:
            connection.putrequest(
                request.method, request.target, skip_host=True, skip_accept_encoding=True
            )
            for name, value in request.fields:
                if name not in ("connection", "content-length", "accept-encoding"):
                    connection.putheader(name, value)
            connection.putheader("content-length", str(len(request.body)))
            connection.endheaders(request.body)
            answer = connection.getresponse()
            fields = [(name.lower(), value) for name, value in answer.getheaders()]
            return Reply(answer.status, fields, answer.read())
        finally:
            connection.close()


def changed(reply: Reply, body: bytes | None = None, **fields: str) -> Reply:
    """The same answer with another body and other fields (`_` in their names stands for `-`)."""
    names = {name.replace("_", "-"): value for name, value in fields.items()}
    kept = [(name, value) for name, value in reply.fields if name not in names]
    return replace(
        reply, fields=kept + list(names.items()), body=reply.body if body is None else body
    )


def always(status: int, body: bytes = b"", **fields: str) -> Fault:
    """This answer, whatever is asked."""
    answer = changed(Reply(status, [("content-type", "application/json")], body), **fields)
    return lambda _request, _onward: answer


def _single(encoded: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(encoded, keep_blank_values=True).items()}


def _handler(server: FaultProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            fields = [(name.lower(), value) for name, value in self.headers.items()]
            request = Request(self.command, self.path, fields, self.rfile.read(length))
            reply = server.answer(request)
            self.send_response_only(reply.status)
            for name, value in reply.fields:
                if name not in ("connection", "content-length", "transfer-encoding", "keep-alive"):
                    self.send_header(name, value)
            self.send_header("content-length", str(len(reply.body)))
            # No connection outlives its request, so that a closed server is closed at once.
            self.send_header("connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = _serve  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    return Handler
