"""A threaded HTTP server on loopback that can be closed and opened again on the same port."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """Serves `handler` until closed; a context manager."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._handler = handler
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.open()

    def open(self) -> None:
        """Listens, on the same port as before if there was one."""
        assert self._server is None, "already open"
        self._server = _Listener(("127.0.0.1", self.port), self._handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """Stops listening: connections are refused from here on."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def is_closed(self) -> bool:
        """Whether it is; handlers look once more before they answer, and then hang up."""
        return self._server is None

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def free_port() -> int:
    """A port that nobody listens on, for a program that has to be told one."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a handler that hangs on purpose must not hold up the test
    request_queue_size = 128

    def get_request(self) -> tuple[socket.socket, object]:
        """Head and body of an answer are written one after the other, and neither waits: otherwise
        each answer that Envoy passes on takes 40 ms."""
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, address

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients of these tests hang up in the middle; that is no news."""
