"""A real Redis that can be killed, stalled and started again, and that forgets nothing by it."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any

import redis

from .gateway import eventually
from .serving import free_port


class Redis:
    """A Redis of its own, with each write on disk before it is acknowledged; a context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()

    def __enter__(self) -> Redis:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def open(self) -> None:
        """Starts it with what it knew before, and waits until it answers."""
        arguments = [
            *("redis-server", "--port", str(self.port), "--bind", "127.0.0.1"),
            *("--save", "", "--appendonly", "yes", "--appendfsync", "always"),
        ]
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(arguments, cwd=self._folder, stdout=log, stderr=log)
        self.client = redis.Redis(port=self.port)
        eventually(self._answers)

    def kill(self) -> None:
        """Ends it by SIGKILL."""
        self.client.close()
        self._process.kill()
        self._process.wait()

    def stall(self) -> None:
        """Takes what is sent and answers nothing, as a network that has stopped."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Goes on after a stall."""
        self._process.send_signal(signal.SIGCONT)

    @property
    def pid(self) -> int:
        """The process that runs now."""
        return self._process.pid

    def is_running(self) -> bool:
        """Whether nobody ended it."""
        return self._process.poll() is None

    @property
    def url(self) -> str:
        """For `REDIS_URL`."""
        return f"redis://127.0.0.1:{self.port}"

    def dump(self) -> dict[bytes, Any]:
        """Everything in it, by key."""
        readers = {
            b"string": self.client.get,
            b"hash": self.client.hgetall,
            b"set": self.client.smembers,
            b"list": lambda name: self.client.lrange(name, 0, -1),
            b"zset": lambda name: self.client.zrange(name, 0, -1, withscores=True),
            b"stream": self.client.xrange,
        }
        found = {}
        for name in self.client.scan_iter(count=1000):
            kind = self.client.type(name)
            if kind != b"none":
                found[name] = readers[kind](name)
        return found

    def _answers(self) -> bool:
        try:
            return self.client.ping()
        except redis.ConnectionError:
            return False
