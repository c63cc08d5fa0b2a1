"""An MCP client that speaks through its standard input and output, as `mcp-remote` does."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Sequence
from typing import Any

from .upstream import NODE_FOLDER

MCP_REMOTE = NODE_FOLDER / "node_modules/mcp-remote/dist/proxy.js"
INITIALIZE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


class StdioClient:
    """The running client; a context manager. It is ended once `patience` seconds are over."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], patience: int) -> None:
        self._log: list[str] = []
        self._number = 0
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(
            target=lambda: self._log.extend(self._process.stderr), daemon=True
        )
        self._watchdog = threading.Timer(patience, self._process.kill)

    def __enter__(self) -> StdioClient:
        self._reader.start()
        self._watchdog.start()
        self.call("initialize", INITIALIZE)
        self.tell({"method": "notifications/initialized"})
        return self

    def __exit__(self, *_: object) -> None:
        self._watchdog.cancel()
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            pipe.close()

    def call(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request."""
        self._number += 1
        self.tell({"id": self._number, "method": method, "params": params})
        for line in self._process.stdout:
            answer = json.loads(line)
            if answer.get("id") == self._number:
                return answer["result"]
        raise AssertionError("the client has ended:\n" + "".join(self._log))

    def tell(self, message: dict[str, Any]) -> None:
        """Sends a JSON-RPC message."""
        self._process.stdin.write(json.dumps({"jsonrpc": "2.0"} | message) + "\n")
        self._process.stdin.flush()
