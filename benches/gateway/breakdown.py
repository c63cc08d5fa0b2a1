"""Measures where the filter's time goes for a token that it knows: beside modules that are made of
the shipped one and leave something out.

    make bench-breakdown
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.built import ROOT, built
from harness.tokens import token

from .__main__ import measure
from .loads import one
from .modes import Mode, native, ours
from .report import machine, say, write_page
from .stand import Cost, Refused

WITHOUT = ROOT / "tools" / "wasm" / "without.mjs"

SETTING = "proxy_replace_header_map_value"
EDITING = [SETTING, "proxy_remove_header_map_value"]
STATE = ["proxy_set_property"]
COUNTING = ["proxy_increment_metric"]
CLOCK = ["proxy_get_current_time_nanoseconds"]
# What each module leaves out, as tools/wasm/without.mjs takes it.
LEFT_OUT = {
    "idle": ["decision"],
    "reading": ["judging"],
    "deciding": [*EDITING, *STATE, *COUNTING, *CLOCK],
    "answer": ["proxy_on_response_headers"],
    "editing": EDITING,
    "setting": [SETTING],
    "state": STATE,
    "counting": COUNTING,
    "clock": CLOCK,
}
# A row: what it tells, and the modes whose difference it is. Those of a part are indented.
ROWS = [
    ("the filter, all in all", "whole", "none"),
    ("being called: contexts made and dropped, two callbacks", "idle", "none"),
    ("&emsp;of it, the callback for the head of the answer", "whole", "answer"),
    ("being handed the head of the request", "reading", "idle"),
    ("SDK and core: reading, deciding, forgetting", "deciding", "reading"),
    ("removing a header, setting five", "whole", "editing"),
    ("&emsp;of it, setting five", "whole", "setting"),
    ("filter state, for access logs", "whole", "state"),
    ("two counters", "whole", "counting"),
    ("the clock", "whole", "clock"),
    ("`jwt_authn` with its cache, beside", "native", "none"),
]


def main() -> int:
    """Runs the benchmark; 0 if it could be run."""
    asked = arguments()
    with tempfile.TemporaryDirectory() as folder:
        try:
            modes = made(Path(folder))
            costs = measure(Path(folder), modes, asked.rounds, seconds=1)
        except Refused as why:
            say(f"error: {why}")
            return 1
    text = table(costs)
    print(text)
    if asked.write:
        heading = f"{machine()}; medians of {asked.rounds} rounds of 1 s a mode."
        write_page("breakdown.md", INTRODUCTION, f"{heading}\n", text, NOTES)
    return 0


def made(folder: Path) -> dict[str, Mode]:
    """The modes, their modules made."""
    load = one(folder, "token", token())
    whole = ours("RS256")
    listeners = {"none": dataclasses.replace(whole, config=None), "whole": whole}
    for name, what in LEFT_OUT.items():
        module = folder / f"{name}.wasm"
        command = ["node", str(WITHOUT), str(built("MCP_AUTH_WASM")), str(module), *what]
        subprocess.run(command, check=True)
        listeners[name] = dataclasses.replace(whole, module=module)
    listeners["native"] = native("RS256", cache=True)
    return {name: Mode(name, listener, load) for name, listener in listeners.items()}


def table(costs: dict[str, list[Cost]]) -> str:
    """Markdown: medians of the differences within each round, and where half of them lie."""
    lines = ["| what | µs of CPU a request | half of the rounds |", "|---|---:|---:|"]
    for what, more, less in ROWS:
        pairs = zip(costs[more], costs[less], strict=True)
        found = [one.micros - other.micros for one, other in pairs]
        low, middle, high = statistics.quantiles(found, n=4)
        lines.append(f"| {what} | {middle:.2f} | {low:.2f} to {high:.2f} |")
    return "\n".join(lines)


INTRODUCTION = """# Where the filter's time goes

For a token that it knows, five identity headers, all checks on. `make bench-breakdown
BENCH_ARGS=--write` measures and writes this file; [gateway.md](gateway.md) has the whole beside
Envoy's own filter.
"""

NOTES = """
Each row is the difference of two modes, which have their goes by turns in one Envoy. The modules
are made of the shipped one by `tools/wasm/without.mjs`: a call of the host answers at once, a
callback is not exported, or the decision is *go on* before or after the head was fetched. *SDK and
core* is what is left if nothing but the head comes from the host and nothing goes to it. Rows that
are not indented add up to about the whole; what two of them share, such as the route that Envoy
looks for again after the first edit, is in one of them or in none. What costs a tenth of a
microsecond is lost in the noise.

What is left to win:

- *Being called* is between Envoy, V8 and the SDK, which keeps a table of contexts; all callbacks
  that are not needed are gone from the module already. The head of the answer is looked at for
  `Mcp-Session-Id`, which a host cannot be told to show only sometimes.
- *Being handed the head* is one call for all fields. It has to be all: what imitates an identity
  header is found by looking at every name, and a host has no call for the names alone.
- *SDK and core*: the SDK makes two allocations of every field. The keyed digest of the token, by
  which it is known, is the largest part of the rest. `make bench-wasm` shows what a change of
  either is worth; the allocators dlmalloc (in Rust), talc and rlsf are a tenth slower there than
  the one of wasi-libc, and to inline more or to copy without bulk memory gains nothing.
- *Editing* is a call a header, and the first makes Envoy look for the route anew, as `jwt_authn`
  does not. Fewer identity headers in the configuration are fewer calls.
- *Filter state* and *counters* are what operators see, at once and for each request. To count once
  a second instead would save most of that, and every reader of a counter would be late.
"""


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        prog="make bench-breakdown", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--rounds", type=int, default=15, help="goes of each mode that count")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks/breakdown.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
