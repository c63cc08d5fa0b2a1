"""An Envoy that answers by itself and logs nothing, and what it has cost so far."""

from __future__ import annotations

import os
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.envoy import Envoy

ANSWER = '{"jsonrpc":"2.0","id":1,"result":{}}'


class BenchEnvoy(Envoy):
    """Envoy alone: no backend and no access log, whose cost would hide what is looked for."""

    def _listener(self, name: str, listener: Any) -> dict[str, Any]:
        made = super()._listener(name, listener)
        manager = made["filter_chains"][0]["filters"][0]["typed_config"]
        del manager["access_log"]
        answer = {"status": 200, "body": {"inline_string": ANSWER}}
        for host in manager["route_config"]["virtual_hosts"]:
            host["routes"] = [{"match": {"prefix": "/"}, "direct_response": answer}]
        return made

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def rss(self) -> int:
        """The memory that is in use, in bytes."""
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def cpu(self) -> float:
        """The seconds that the kernel has counted for all threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def worker_cpu(self) -> int:
        """The nanoseconds that the kernel has counted for the worker threads."""
        total = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            if (task / "comm").read_text().startswith("wrk:worker"):
                total += int((task / "schedstat").read_text().split()[0])
        return total

    def answered(self, listener: str) -> tuple[int, int]:
        """How many requests were answered on a listener, and how many of them with 2xx."""
        prefix = f"http.{listener}.downstream_rq_"
        url = f"http://127.0.0.1:{self.admin_port}/stats?filter=^http\\.{listener}\\.downstream_rq_"
        with urllib.request.urlopen(url, timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        counts = dict(line.removeprefix(prefix).split(": ") for line in lines if ": " in line)
        return int(counts["completed"]), int(counts["2xx"])


@dataclass(frozen=True)
class Cost:
    """What the requests of one go cost."""

    requests: int
    micros: float  # CPU of the workers for each
    a_second: float


class Refused(Exception):
    """Not every request was let through: what was measured is something else."""


def cost(envoy: BenchEnvoy, listener: str, run: Any) -> Cost:
    """Runs a load against a listener."""
    requests, good = envoy.answered(listener)
    cpu, began = envoy.worker_cpu(), time.monotonic()
    run(envoy.ports[listener])
    cpu, seconds = envoy.worker_cpu() - cpu, time.monotonic() - began
    after, good_after = envoy.answered(listener)
    requests, good = after - requests, good_after - good
    if requests == 0 or good != requests:
        raise Refused(f"{listener}: only {good} of {requests} requests were let through")
    return Cost(requests, cpu / requests / 1000, requests / seconds)
