"""Lookups at a steady rate for a long time, and how much memory `mcp-auth` holds meanwhile."""

from __future__ import annotations

import http.client
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.report import machine
from harness.sidecar import RealSidecar

from .load import Target, rss_of

SESSIONS = 20_000
EVERY = 10  # seconds between samples


@dataclass(frozen=True)
class Sample:
    """The memory in use after so many seconds, in bytes, and how many lookups there were."""

    at: float
    rss: int
    lookups: int


def run(folder: Path, minutes: int, rate: int, say: Callable[[str], None]) -> list[Sample]:
    """Looks sessions up, of which every tenth is unknown, and takes samples."""
    sidecar = RealSidecar(folder, "redis")
    try:
        target = Target(sidecar.port, sidecar.TOKEN, sidecar.pid, sidecar.redis.pid)
        target.until("sessions", 0, SESSIONS)
        return list(samples(target, minutes * 60, rate, say))
    finally:
        sidecar.close()


def samples(target: Target, seconds: float, rate: int, say: Callable[[str], None]):
    """One every few seconds."""
    link = http.client.HTTPConnection("127.0.0.1", target.port)
    began, made, due = time.monotonic(), 0, 0.0
    while (now := time.monotonic() - began) < seconds:
        if now >= due:
            due += EVERY
            yield Sample(now, rss_of(target.pid), made)
            if int(now) % 60 < EVERY:
                say(f"{now / 60:.0f} min, {rss_of(target.pid) / 2**20:.1f} MiB")
        known = random.random() < 0.9
        session = f"s{random.randrange(SESSIONS):021d}" if known else f"u{made:021d}"
        link.request(
            "GET", f"/v1/sessions/{session}", headers={"authorization": f"Bearer {target.token}"}
        )
        answer = link.getresponse()
        answer.read()
        assert answer.status == (200 if known else 404), answer.status
        made += 1
        time.sleep(max(0.0, made / rate - (time.monotonic() - began)))
    yield Sample(seconds, rss_of(target.pid), made)


def told(samples: list[Sample], minutes: int, rate: int) -> str:
    """The page."""
    rest = [it.rss / 2**20 for it in samples if it.at >= 60]
    first, last = rest[0], rest[-1]
    return f"""# The memory of mcp-auth

`make bench-sidecar BENCH_ARGS="--minutes {minutes} --write"`: {rate} lookups a second over Redis,
every tenth of an unknown session, {samples[-1].lookups:,} in all. {machine()}.

![Memory in use](sidecar-memory.svg)

After the first minute it held {first:.1f} MiB, at the end {last:.1f} MiB; between {min(rest):.1f}
and {max(rest):.1f} MiB meanwhile.
"""
