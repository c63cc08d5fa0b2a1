"""The real sidecar over either store."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx

from .envoy import ROOT
from .gateway import eventually
from .tokens import ISSUER


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


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
