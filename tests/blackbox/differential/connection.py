"""Many requests over one connection: what a listener makes of each token, as fast as it answers."""

from __future__ import annotations

import http.client
import socket


class Connection:
    """A connection to one listener, opened anew when the listener closes it; a context manager."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket = self._opened()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def accepts(self, token: str) -> bool:
        """Whether a request with this token reached the backend."""
        head = f"GET /mcp HTTP/1.1\r\nhost: gateway.test\r\nauthorization: Bearer {token}\r\n\r\n"
        try:
            return self._send(head.encode()) == 200
        except (OSError, http.client.HTTPException):
            self._open_anew()
            return self._send(head.encode()) == 200

    def _send(self, head: bytes) -> int:
        self._socket.sendall(head)
        with http.client.HTTPResponse(self._socket, method="GET") as answer:
            answer.begin()
            answer.read()
            if answer.getheader("connection") == "close":
                self._open_anew()
            return answer.status

    def _open_anew(self) -> None:
        self._socket.close()
        self._socket = self._opened()

    def _opened(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), timeout=15)
