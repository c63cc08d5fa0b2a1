"""Measures the CPU that authentication adds to a request in a real Envoy: this filter beside
Envoy's own, in one process and one run, the modes by turns.

    make bench
    make bench BENCH_ARGS="--runs 3 --rounds 5 --write"

The kernel's account of Envoy's worker thread is what counts, so the load generator costs nothing.
A go is a few seconds of one mode; each mode has its go in each round. Modes are held against `none`
of the same round.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.envoy import program
from harness.fake_sidecar import FakeSidecar
from harness.stand import session_id

from . import modes as all_modes
from .report import Figures, machine, say, write_page
from .stand import BenchEnvoy, Cost, Refused, cost


def main() -> int:
    """Runs the benchmark; 0 if it could be run, whatever came of it."""
    asked = arguments()
    runs = []
    for nth in range(1, asked.runs + 1):
        with tempfile.TemporaryDirectory() as folder:
            say(f"run {nth} of {asked.runs}: making keys and tokens")
            try:
                modes = all_modes.modes(Path(folder), asked.rounds + 1, asked.seconds, asked.only)
                runs.append(measure(Path(folder), modes, asked.rounds, asked.seconds))
            except (Refused, all_modes.UnknownMode) as why:
                say(f"error: {why}")
                return 1
    figures = Figures(modes, *runs)
    print(figures.table())
    if asked.write:
        write(figures, asked)
    return 0


def measure(
    folder: Path, modes: dict[str, all_modes.Mode], rounds: int, seconds: int
) -> dict[str, list[Cost]]:
    """The goes of each mode. The first round warms up and does not count."""
    costs: dict[str, list[Cost]] = {name: [] for name in modes}
    listeners = {name: mode.listener for name, mode in modes.items()}
    with FakeSidecar() as sidecar:
        sidecar.record(session_id("bench"), all_modes.USER_ID)
        upstreams = {all_modes.SIDECAR: sidecar.port}
        with BenchEnvoy(folder / "envoy", listeners, upstreams) as envoy:
            keep_apart(envoy.pid)
            for nth in range(rounds + 1):
                say(f"round {nth} of {rounds}")
                for name, mode in modes.items():
                    found = cost(envoy, name, mode.load.go(seconds, nth))
                    if nth > 0:
                        costs[name].append(found)
    return costs


def keep_apart(envoy: int) -> None:
    """Envoy and the load generator each get a core of their own, where there are two."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        for task in Path(f"/proc/{envoy}/task").iterdir():
            os.sched_setaffinity(int(task.name), cores[:1])
        os.sched_setaffinity(0, cores[1:])


def write(figures: Figures, asked: argparse.Namespace) -> None:
    """Leaves the report for the documentation."""
    version = subprocess.run([program(), "--version"], check=True, capture_output=True, text=True)
    envoy = re.search(r"version: \w+/([\d.]+)/", version.stdout)[1]
    heading = (
        f"{machine()}, Envoy {envoy}; {asked.runs} runs of {asked.rounds} rounds of "
        f"{asked.seconds} s a mode."
    )
    write_page("gateway.md", INTRODUCTION, f"{heading}\n", figures.table(), NOTES)
    write_page("gateway.svg", figures.plot())


INTRODUCTION = """# What a request costs

The CPU that authentication adds to a request in Envoy. `make bench` measures and writes this file.

![CPU that a filter adds to a request](gateway.svg)
"""

NOTES = """
One Envoy with one worker answers by itself, so that there is no backend; the modes have their
goes by turns. CPU is the kernel's account of the worker thread (`/proc/PID/task/*/schedstat`), so
the load generator (wrk, 16 connections) costs nothing. *Added* is what a mode cost more than no
filter in the same round, the median of the rounds; *spread* is their least and most. *× native*
holds a mode against Envoy's own `jwt_authn` in the same round, with the same algorithm, load and
number of headers (five); each run has an Envoy, keys and tokens of its own. All checks of the
filter are on; audit lines are off, since `jwt_authn` writes none. *Mixed* is 10,000 users by Zipf's
law and 5 % tokens that were never seen, with RS256.
"""


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1, help="how often Envoy is started anew")
    parser.add_argument("--rounds", type=int, default=7, help="goes of each mode that count")
    parser.add_argument("--seconds", type=int, default=1, help="how long a go takes")
    parser.add_argument("--only", nargs="+", metavar="MODE", help="these modes, beside `none`")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks/gateway.*")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
