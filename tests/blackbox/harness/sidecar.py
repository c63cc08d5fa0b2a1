"""The real sidecar over either store."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from .built import built
from .gateway import eventually
from .redis_server import Redis
from .tokens import ISSUER


class RealSidecar:
    """`mcp-auth serve` over the embedded store, or over a Redis of its own."""

    TOKEN = "a-token-for-tests"

    def __init__(
        self, folder: Path, store: str, over: Callable[[int], int] = lambda port: port
    ) -> None:
        """`over` is told Redis's port, and tells the one by which Redis is to be reached."""
        self._program = built("MCP_AUTH_BIN")
        self._log = folder / "mcp-auth.log"
        self.redis: Redis | None = None
        environment = {"MCP_AUTH_TOKEN": self.TOKEN, "PATH": os.environ["PATH"]}
        if store == "redis":
            self.redis = Redis(folder)
            self.redis.open()
            environment["REDIS_URL"] = f"redis://127.0.0.1:{over(self.redis.port)}"
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
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "serve"], env=self._environment | listen, stdout=log, stderr=log
            )
        pattern = re.compile(r"internal listener is open address=127\.0\.0\.1:(\d+)")
        self.port = int(eventually(lambda: pattern.search(self._log.read_text()))[1])
        eventually(self._is_ready)

    @property
    def pid(self) -> int:
        """The process that runs now."""
        return self._process.pid

    def is_running(self) -> bool:
        """Whether nobody ended it."""
        return self._process.poll() is None

    def log(self) -> str:
        """All that it logged."""
        return self._log.read_text(errors="replace")

    def _is_ready(self) -> bool:
        try:
            return self.call("GET", "/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """Ends it by SIGKILL."""
        self._process.kill()
        self._process.wait()

    def stall(self) -> None:
        """Takes what is sent and answers nothing, as a network that has stopped."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Goes on after a stall."""
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Ends it and its Redis."""
        self.kill()
        if self.redis is not None:
            self.redis.kill()

    def call(self, method: str, path: str, body: Any = None, timeout: float = 5) -> httpx.Response:
        """A call of the internal API."""
        return httpx.request(
            method,
            f"http://127.0.0.1:{self.port}{path}",
            json=body,
            headers={"authorization": f"Bearer {self.TOKEN}"},
            timeout=timeout,
            trust_env=False,
        )

    def record(self, session_id: str, user_id: str, **changes: Any) -> None:
        """Records a session as the token endpoint would."""
        expires_at = int(time.time()) + 3600
        session = {"user_id": user_id, "issuer": ISSUER, "expires_at": expires_at} | changes
        answer = self.call("PUT", f"/v1/sessions/{session_id}", session)
        assert answer.status_code in (200, 201), answer.text
