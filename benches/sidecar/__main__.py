"""Measures `mcp-auth serve` over Redis and over the embedded store: lookups, writes, the revocation
feed, memory.

    make bench-sidecar
    make bench-sidecar BENCH_ARGS="--minutes 30"    half an hour of lookups: is its memory flat?
"""

from __future__ import annotations

import argparse
import csv
import http.client
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness.redis_server import Redis
from harness.sidecar import RealSidecar

from . import soak
from .load import CONNECTIONS, Target, Went, cpu_of, rss_of
from .report import Row, page, plot

DOCS = Path(__file__).resolve().parents[2] / "docs" / "benchmarks"
SESSIONS = 100_000
REVOCATIONS = (1_000, 10_000, 100_000)


def main() -> int:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(prog="make bench-sidecar", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, help="look at its memory for so long instead")
    parser.add_argument("--rate", type=int, default=300, help="lookups a second meanwhile")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks/sidecar.*")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if asked.minutes:
            samples = soak.run(Path(folder), asked.minutes, asked.rate, say)
            text, name = soak.told(samples, asked.minutes, asked.rate), "sidecar-memory"
            drawing = plot(samples)
        else:
            rows = [*measured(Path(folder), "redis"), *measured(Path(folder), "embedded")]
            text, name, drawing = page(rows), "sidecar", None
    print(text)
    if asked.write:
        DOCS.mkdir(parents=True, exist_ok=True)
        (DOCS / f"{name}.md").write_text(text)
        if drawing:
            (DOCS / f"{name}.svg").write_text(drawing)
        say(f"written: {DOCS / name}.md")
    return 0


def measured(folder: Path, store: str) -> list[Row]:
    """All that is measured over one store."""
    folder = folder / store
    folder.mkdir()
    sidecar = RealSidecar(folder, store)
    try:
        return list(rows(sidecar, store, folder))
    finally:
        sidecar.close()


def rows(sidecar: RealSidecar, store: str, folder: Path):
    """One after the other; each says what it is doing."""
    redis = sidecar.redis
    target = Target(sidecar.port, sidecar.TOKEN, sidecar.pid, redis.pid if redis else None)
    before, kept_before = rss_of(target.pid), kept(redis, folder)
    say(f"{store}: recording {SESSIONS:,} sessions")
    goes = target.until("sessions", 0, SESSIONS)
    count = sum(it.requests for it in goes)
    yield Row(store, "sessions recorded", merged(goes))
    say(f"{store}: looking them up")
    known = count - 2 * CONNECTIONS  # the last ones were on their way when wrk stopped
    target.calls("lookups", 1, count=known)
    lookups = target.calls("lookups", 5, count=known)
    yield Row(store, "lookups", lookups)
    if redis:
        yield Row(store, "`redis-benchmark` GET", redis_gets(redis))
    more = (kept(redis, folder) - kept_before) / count * 100_000
    grown = (rss_of(target.pid) - before) / count * 100_000
    place = "Redis" if redis else "the file"
    yield Row(store, f"100,000 sessions: {place}", note=f"{more / 2**20:.0f} MiB")
    yield Row(store, "100,000 sessions: `mcp-auth` itself", note=f"{grown / 2**20:+.0f} MiB")
    revoked = 0
    for goal in REVOCATIONS:
        say(f"{store}: revoking {goal:,} sessions")
        goes = target.until("revocations", revoked, goal - revoked)
        revoked += sum(it.requests for it in goes)
        if goal == REVOCATIONS[-1]:
            yield Row(store, "revocations", merged(goes))
        yield Row(store, f"feed of {revoked:,}, read whole", note=feed(target))


def merged(goes: list[Went]) -> Went:
    """Several goes as one; of the latencies the worst."""
    total = [sum(getattr(it, name) for it in goes) for name in ("requests", "seconds")]
    worst = [max(getattr(it, name) for it in goes) for name in ("p50", "p99")]
    cpu = [sum(getattr(it, name) for it in goes) for name in ("cpu", "store_cpu")]
    return Went(*total, *worst, *cpu)


def feed(target: Target) -> str:
    """What a worker pays that reads the feed from its start, and then asks what is new."""
    link = http.client.HTTPConnection("127.0.0.1", target.port)

    def page(after: str | None) -> bytes:
        query = f"?after={after}" if after else ""
        authorization = {"authorization": f"Bearer {target.token}"}
        link.request("GET", f"/v1/revocations{query}", headers=authorization)
        return link.getresponse().read()

    cpu, store_cpu = cpu_of(target.pid), cpu_of(target.store_pid)
    began, size, pages = time.monotonic(), 0, 0
    after, more = None, True
    while more:
        answer = page(after)
        document = json.loads(answer)
        after, more = document["cursor"], document["more"]
        size, pages = size + len(answer), pages + 1
    took, spent = time.monotonic() - began, cpu_of(target.pid) - cpu
    store_spent = cpu_of(target.store_pid) - store_cpu
    cpu, store_cpu = cpu_of(target.pid), cpu_of(target.store_pid)
    polls = 200
    for _ in range(polls):
        page(after)
    poll = (cpu_of(target.pid) - cpu) / polls * 1e6
    store_poll = (cpu_of(target.store_pid) - store_cpu) / polls * 1e6
    of_redis = f", of Redis {store_spent * 1000:,.0f} ms" if target.store_pid else ""
    of_redis_then = f", of Redis {store_poll:,.0f} µs," if target.store_pid else ""
    return (
        f"{pages} pages, {size / 1024:,.0f} KiB, {took * 1000:,.0f} ms, {spent * 1000:,.0f} ms of "
        f"CPU{of_redis}; then {poll:,.0f} µs of CPU{of_redis_then} each time that nothing is new"
    )


def redis_gets(redis: Redis) -> Went:
    """GETs of the same Redis with as many connections, of values as long as a session."""
    cpu, began, gets = cpu_of(redis.pid), time.monotonic(), 200_000
    options = ["-t", "get", "-n", str(gets), "-c", str(CONNECTIONS), "-r", "100000", "-d", "400"]
    command = ["redis-benchmark", "-p", str(redis.port), *options, "--csv"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    took, spent = time.monotonic() - began, cpu_of(redis.pid) - cpu
    (row,) = list(csv.DictReader(done.stdout.splitlines()))
    p50, p99 = float(row["p50_latency_ms"]), float(row["p99_latency_ms"])
    return Went(gets, took, p50, p99, 0, spent)


def kept(redis: Redis | None, folder: Path) -> int:
    """The bytes of the store."""
    if redis:
        return redis.client.info("memory")["used_memory"]
    return sum(it.stat().st_size for it in (folder / "data").rglob("*") if it.is_file())


def say(text: str) -> None:
    """Progress goes to standard error."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
