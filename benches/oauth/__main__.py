"""Measures logins, redemptions and refreshes of `mcp-auth` beside FastMCP's `OIDCProxy`, by turns,
at one provider: how long each takes, and how much CPU of the server's process.

    make bench-oauth
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from gateway.report import machine
from harness.agent import Agent, Landing, Page
from sidecar.load import cpu_of

from .servers import FastMcp, Ours, Provider, Server

DOCS = Path(__file__).resolve().parents[2] / "docs" / "benchmarks"


@dataclass
class Took:
    """How long each call took, in seconds, and what they all cost the server."""

    seconds: list[float] = field(default_factory=list)
    cpu: float = 0.0

    def micros(self) -> float:
        """CPU for each."""
        return self.cpu / len(self.seconds) * 1e6


Figures = dict[str, dict[str, Took]]  # by what is done, and by whom


def main() -> int:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(prog="make bench-oauth", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--logins", type=int, default=20, help="in each round")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks/oauth.md")
    asked = parser.parse_args()
    figures: Figures = defaultdict(lambda: defaultdict(Took))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            Provider(folder) as provider,
            Ours(folder, provider) as ours,
            FastMcp(folder, provider) as theirs,
        ):
            servers = {"mcp-auth": ours.server(), "FastMCP": theirs.server()}
            for nth in range(asked.rounds + 1):
                print(f"bench: round {nth} of {asked.rounds}", file=sys.stderr, flush=True)
                for who, server in servers.items():
                    # The first round warms up and does not count.
                    into = figures if nth else defaultdict(lambda: defaultdict(Took))
                    goes(server, who, asked.logins, into)
    text = page(figures, asked.rounds * asked.logins)
    print(text)
    if asked.write:
        (DOCS / "oauth.md").write_text(text)
    return 0


def goes(server: Server, who: str, logins: int, into: Figures) -> None:
    """One round: each login is of a new browser, so that consent is asked for."""

    def timed(what: str, calls: list[Callable[[], Any]]) -> list[Any]:
        took, came = into[what][who], []
        cpu = cpu_of(server.pid)
        for call in calls:
            began = time.perf_counter()
            came.append(call())
            took.seconds.append(time.perf_counter() - began)
        took.cpu += cpu_of(server.pid) - cpu
        return came

    app = server.site.app()
    timed("registration", [server.site.app for _ in range(logins)])
    agents = [Person(server.site.reach) for _ in range(logins)]
    url = app.authorize_url
    timed("`/authorize`, first page", [lambda it=it: first(it, url()) for it in agents])
    agents = [Person(server.site.reach) for _ in range(logins)]
    grants = timed("whole login, to the code", [lambda it=it: app.log_in(it) for it in agents])
    answers = timed("code for tokens", [lambda it=it: app.redeem(it) for it in grants])
    tokens = [app.accepted(answer) for answer in answers]
    timed("refresh", [lambda it=it: app.refreshed(it.refresh) for it in tokens])


class Person(Agent):
    """A browser whose person types a name into the page of the development provider."""

    def say_yes(self, page: Page) -> Page | Landing:
        """What a person does who wants in."""
        if page.url.path == "/u/login":
            return self.submit(page, username=self.user)
        return super().say_yes(page)


def first(agent: Agent, url: str) -> None:
    """The page that a browser sees first, redirects of the server's own followed."""
    page = agent.open(url)
    assert page.response.status_code == 200, page.response.text


def page(figures: Figures, count: int) -> str:
    """Markdown."""
    lines = [
        "# What a login takes",
        "",
        "`make bench-oauth BENCH_ARGS=--write` measures and writes this file: `mcp-auth` over its "
        f"embedded store beside FastMCP {version('fastmcp-slim')}'s `OIDCProxy` over its memory "
        "store, in one run and by turns, both in front of the development provider. Each figure "
        f"is of {count} calls, one after the other; CPU is the kernel's account of the server's "
        f"process. {machine()}.",
        "",
        "| | mcp-auth p50, ms | p99, ms | CPU, ms | FastMCP p50, ms | p99, ms | CPU, ms "
        "| CPU: FastMCP / mcp-auth | mcp-auth, a second and core |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for what, took in figures.items():
        ours, theirs = took["mcp-auth"], took["FastMCP"]
        cells = [what]
        for it in (ours, theirs):
            p99 = quantiles(it.seconds, n=100)[98]
            cells += [f"{median(it.seconds) * 1e3:.1f}", f"{p99 * 1e3:.1f}"]
            cells += [f"{it.micros() / 1e3:.2f}"]
        cells += [f"{theirs.micros() / ours.micros():.1f}", f"{1e6 / ours.micros():,.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "Latency is that of the Python client too, which opens a connection a request."]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
