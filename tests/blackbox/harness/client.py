"""HTTP clients that send exactly what they are told: duplicate fields, odd paths, odd bytes.

HTTP/1.1 goes over a bare socket, HTTP/2 (prior knowledge, no TLS) through httpx with the request
target handed over as it is.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import httpx

from . import challenge

Fields = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Reply:
    """An answer: fields in order with lower-case names, duplicates kept."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes

    def values(self, name: str) -> list[str]:
        """Every value of a field."""
        return [value for field, value in self.fields if field == name]

    def header(self, name: str) -> str | None:
        """The one value of a field, or None; several fail the test."""
        values = self.values(name)
        assert len(values) <= 1, f"{name} occurs {len(values)} times: {values}"
        return values[0] if values else None

    def json(self) -> dict:
        """The body as JSON."""
        return json.loads(self.body)

    def challenge(self) -> challenge.Challenge | None:
        """The one challenge of the answer, or None; several fail the test."""
        value = self.header("www-authenticate")
        if value is None:
            return None
        challenges = challenge.parse(value)
        assert len(challenges) == 1, f"several challenges: {value}"
        return challenges[0]


def http1(
    port: int,
    method: str = "GET",
    path: str = "/mcp",
    fields: Fields = (),
    body: bytes = b"",
    host: str = "gateway.test",
    timeout: float = 15,
    chunks: Sequence[bytes] = (),
) -> Reply:
    """One request on a connection of its own; its body whole, or in `chunks` sent one by one."""
    lines = [f"{method} {path} HTTP/1.1", f"host: {host}", "connection: close"]
    lines += [f"{name}: {value}" for name, value in fields]
    if body:
        lines.append(f"content-length: {len(body)}")
    if chunks:
        lines.append("transfer-encoding: chunked")
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        connection.settimeout(timeout)
        connection.sendall(head + body)
        for chunk in chunks:
            connection.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        if chunks:
            connection.sendall(b"0\r\n\r\n")
        answer = http.client.HTTPResponse(connection, method=method)
        answer.begin()
        fields = [(name.lower(), value) for name, value in answer.getheaders()]
        return Reply(answer.status, fields, answer.read())


def http2(
    port: int,
    method: str = "GET",
    path: str = "/mcp",
    fields: Fields = (),
    body: bytes = b"",
    host: str = "gateway.test",
    timeout: float = 15,
) -> Reply:
    """One request over HTTP/2."""
    with httpx.Client(http1=False, http2=True, timeout=timeout, trust_env=False) as client:
        request = httpx.Request(
            method,
            f"http://127.0.0.1:{port}/",
            headers=[("host", host), *fields],
            content=body,
            extensions={"target": path.encode("latin-1")},
        )
        answer = client.send(request)
    found = [(name.decode().lower(), value.decode("latin-1")) for name, value in answer.headers.raw]
    return Reply(answer.status_code, found, answer.content)
