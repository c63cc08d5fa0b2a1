"""Loads on the internal API, and what they cost the processes that answer."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("wrk.lua")
CONNECTIONS = 16


@dataclass(frozen=True)
class Went:
    """What came of a load; CPU in seconds."""

    requests: int
    seconds: float
    p50: float  # milliseconds
    p99: float
    cpu: float
    store_cpu: float

    @property
    def a_second(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def micros(self) -> float:
        """CPU of `mcp-auth` for each, in microseconds."""
        return self.cpu / self.requests * 1e6

    @property
    def store_micros(self) -> float:
        """CPU of Redis for each."""
        return self.store_cpu / self.requests * 1e6


class Failed(Exception):
    """Not every call was answered with 2xx."""


@dataclass(frozen=True)
class Target:
    """The sidecar under load, and its Redis if it has one."""

    port: int
    token: str
    pid: int
    store_pid: int | None

    def calls(self, what: str, seconds: int, first: int = 0, count: int = 1) -> Went:
        """As many calls as are answered."""
        url = f"http://127.0.0.1:{self.port}"
        options = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(SCRIPT), url]
        command = ["wrk", *options, "--", what, str(first), str(count), self.token]
        cpu, store_cpu, began = cpu_of(self.pid), cpu_of(self.store_pid), time.monotonic()
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        took = time.monotonic() - began
        requests, bad, p50, p99 = map(int, done.stdout.strip().splitlines()[-1].split())
        if bad or not requests:
            raise Failed(f"{what}: {bad} of {requests} calls failed")
        cpu, store_cpu = cpu_of(self.pid) - cpu, cpu_of(self.store_pid) - store_cpu
        return Went(requests, took, p50 / 1000, p99 / 1000, cpu, store_cpu)

    def until(self, what: str, first: int, count: int) -> list[Went]:
        """Calls about `count` sessions, and some more, from `first` on."""
        goes = []
        while (done := sum(it.requests for it in goes)) < count:
            goes.append(self.calls(what, 2, first + done))
        return goes


def cpu_of(pid: int | None) -> float:
    """The seconds of CPU that a process has used."""
    if pid is None:
        return 0.0
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def rss_of(pid: int) -> int:
    """The bytes of memory that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
