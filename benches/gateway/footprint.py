"""Measures what the filter takes of Envoy's start and memory: beside an Envoy without it, a worker
more at a time, and with a hundred thousand tokens remembered.

    make bench-footprint
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from harness.built import built
from harness.envoy import Listener
from harness.tokens import token

from .loads import Load, one
from .modes import ours
from .report import machine, say, write_page
from .stand import BenchEnvoy

MIB = 2**20
FEW, MORE = 1, 5  # workers
TOKENS = 100_000
ALGORITHM = "EdDSA"  # quick to sign with; what is remembered of a token does not depend on it
PATIENCE = 6  # goes over all tokens, at most


@dataclass(frozen=True)
class Start:
    """One start of Envoy."""

    seconds: float  # until it is ready
    cpu: float  # seconds of it that the process has taken until then
    rss: int  # after a second of requests


class Unfit(Exception):
    """What was measured is something else."""


def main() -> int:
    """Runs the benchmark; 0 if it could be run, whatever came of it."""
    asked = arguments()
    with tempfile.TemporaryDirectory() as folder:
        try:
            rows = [size(), *starts(Path(folder), asked.rounds), memory(Path(folder))]
        except Unfit as why:
            say(f"error: {why}")
            return 1
    text = table(rows)
    print(text)
    if asked.write:
        heading = f"{machine()}; medians of {asked.rounds} starts."
        write_page("footprint.md", INTRODUCTION, f"{heading}\n", text, NOTES)
    return 0


@dataclass(frozen=True)
class Row:
    """A figure and the most that it should be, in the same unit; None: no goal is set."""

    what: str
    value: float
    most: float | None
    unit: str
    spread: str = ""


def size() -> Row:
    """The module as a file."""
    return Row("module", built("MCP_AUTH_WASM").stat().st_size / 1024, 500, "KiB")


def starts(folder: Path, rounds: int) -> list[Row]:
    """How much later Envoy is ready with the filter, and what a further worker takes for it."""
    load = one(folder, "token", token(algorithm=ALGORITHM))
    later, cpu, each = [], [], []
    for nth in range(rounds):
        say(f"start {nth + 1} of {rounds}")
        few, many = (
            {
                name: start(folder / f"{name}-{workers}-{nth}", listener, workers, load)
                for name, listener in (("none", Listener(None)), ("ours", ours(ALGORITHM)))
            }
            for workers in (FEW, MORE)
        )
        later.append((few["ours"].seconds - few["none"].seconds) * 1000)
        cpu.append((few["ours"].cpu - few["none"].cpu) * 1000)
        grown = many["ours"].rss - few["ours"].rss - (many["none"].rss - few["none"].rss)
        each.append(grown / (MORE - FEW) / MIB)
    return [
        Row("Envoy is ready later by", statistics.median(later), 250, "ms", spread(later)),
        Row("CPU until it is ready, more", statistics.median(cpu), None, "ms", spread(cpu)),
        Row("each further worker", statistics.median(each), 3, "MiB", spread(each)),
    ]


def start(folder: Path, listener: Listener, workers: int, load: Load) -> Start:
    """Starts an Envoy, sends it requests for a second, and ends it."""
    envoy = BenchEnvoy(folder, {"it": listener}, {}, concurrency=workers)
    began = time.monotonic()
    with envoy:
        ready, cpu = time.monotonic() - began, envoy.cpu()
        load.go(1, 0)(envoy.ports["it"])
        return Start(ready, cpu, envoy.rss())


def memory(folder: Path) -> Row:
    """What so many remembered tokens take, of as many users.

    They go through a listener that remembers none first: what Envoy and the VM need for the
    requests themselves is there by then.
    """
    say(f"signing {TOKENS:,} tokens")
    users = folder / "all.tokens"
    with users.open("w") as out:
        for nth in range(TOKENS):
            name = f"user-{nth}@example.com"
            out.write(
                f"{token(algorithm=ALGORITHM, sub=f'auth0|{nth}', preferred_username=name)}\n"
            )
    load = Load(users)
    listeners = {
        "forgets": ours(ALGORITHM, token_cache=0),
        "remembers": ours(ALGORITHM, token_cache=TOKENS),
    }
    with BenchEnvoy(folder / "memory", listeners, {}) as envoy:
        say("sending them")
        everyone(envoy, "forgets", load)
        before = envoy.rss()
        everyone(envoy, "remembers", load)
        grown = envoy.rss() - before
        # If they are remembered indeed, another go finds nearly all of them.
        found = envoy.stats()["token_cache.hit"]
        requests, _ = envoy.answered("remembers")
        load.go(3, 0)(envoy.ports["remembers"])
        asked = envoy.answered("remembers")[0] - requests
        hits = envoy.stats()["token_cache.hit"] - found
        if hits < asked * 0.99:
            raise Unfit(f"of {asked} requests with tokens seen before, {hits} were remembered")
    return Row(f"{TOKENS:,} tokens remembered, a worker", grown / MIB, 64, "MiB")


def everyone(envoy: BenchEnvoy, listener: str, load: Load) -> None:
    """Sends until each token has been sent."""
    sent = good = 0
    for _ in range(PATIENCE):
        # Each go of wrk begins with the first token, so one go has to be long enough for all.
        before = envoy.answered(listener)
        load.go(20, 0)(envoy.ports[listener])
        after = envoy.answered(listener)
        sent, good = after[0] - before[0], after[1] - before[1]
        if good != sent:
            raise Unfit(f"{listener}: only {good} of {sent} requests were let through")
        if sent >= TOKENS:
            return
    raise Unfit(f"{listener}: only {sent} of {TOKENS} tokens were sent in a go; is it a busy time?")


def spread(values: list[float]) -> str:
    """The least and the most."""
    return f"{min(values):.1f} to {max(values):.1f}"


def table(rows: list[Row]) -> str:
    """Markdown."""
    lines = ["| what | | spread | goal | |", "|---|---:|---|---:|---|"]
    for row in rows:
        goal = verdict = ""
        if row.most is not None:
            goal = f"≤ {row.most:g} {row.unit}"
            verdict = "reached" if row.value <= row.most else "missed"
        lines.append(
            f"| {row.what} | {row.value:.1f} {row.unit} | {row.spread} | {goal} | {verdict} |"
        )
    return "\n".join(lines)


INTRODUCTION = """# What the filter takes of Envoy's start and memory

`make bench-footprint BENCH_ARGS=--write` measures and writes this file.
"""

NOTES = f"""
*Ready later* is from the start of the process until the admin page says `LIVE`, with the filter
less without it, one worker. V8's compilation, whose goal this is held against, is not told apart
from the filter's configuration in each VM, so it takes less than that. It is looked for every
20 ms, and whatever else the machine does lengthens it; the CPU that the process took until then,
on all its threads, is less blurred. *Each further worker* is
resident memory after a second of requests, {MORE} workers less {FEW}, less the same without the
filter. *Remembered* is what resident memory grew by when a worker saw as many tokens of as many
users, all of which it had been shown before on a listener that remembers none; afterwards all are
found. A worker remembers tokens for itself, `token_cache` of them.
"""


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        prog="make bench-footprint", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--rounds", type=int, default=5, help="starts that are measured")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks/footprint.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
