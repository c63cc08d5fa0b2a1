"""The identity provider: `dev-idp` as a process of its own, whose keys are new at each start."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from harness import client
from harness.built import built
from harness.serving import free_port


class Provider:
    """It; a context manager. Its public address is that of the wire in front of it."""

    def __init__(self, folder: Path, issuer: str) -> None:
        self.issuer = issuer
        self.port = free_port()
        self._log = folder / "dev-idp.log"

    def __enter__(self) -> Provider:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """The process that runs now."""
        return self._process.pid

    def open(self) -> None:
        """Starts it and waits until it is ready."""
        listen = ["--listen", f"127.0.0.1:{self.port}", "--issuer", self.issuer]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [built("DEV_IDP_BIN"), *listen],
                env={"PATH": os.environ["PATH"], "RUST_LOG": "info"},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        ready = self._process.stdout.readline()
        assert ready.startswith("ready"), f"dev-idp did not start:\n{self._log.read_text()}"

    def kill(self) -> None:
        """Ends it by SIGKILL: its keys are gone."""
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def stall(self) -> None:
        """Takes what is sent and answers nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Goes on after a stall."""
        self._process.send_signal(signal.SIGCONT)

    def is_running(self) -> bool:
        """Whether nobody ended it."""
        return self._process.poll() is None

    def token(self, **order: Any) -> str:
        """A token to order; see `/dev/token` in its README."""
        return self._call("POST", "/dev/token", order)["access_token"]

    def rotate(self, keep_old: bool) -> None:
        """New keys at once."""
        self._call("POST", f"/dev/rotate?keep_old={'true' if keep_old else 'false'}")

    def kids(self) -> set[str]:
        """The ids of the keys that are published now."""
        return {key["kid"] for key in self._call("GET", "/.well-known/jwks.json")["keys"]}

    def log(self) -> str:
        """All that it logged."""
        return self._log.read_text(errors="replace")

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        sent = b"" if body is None else json.dumps(body).encode()
        fields = [("content-type", "application/json")] if sent else []
        reply = client.http1(self.port, method, path, fields, sent, host="localhost", timeout=5)
        assert reply.status == 200, f"dev-idp: {path}: {reply.status} {reply.body!r}"
        return reply.json()
