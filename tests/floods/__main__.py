"""`python -m floods`: all of them, one after the other. Exit code 0 if every bound held, else 1."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from .attacks import ATTACKS
from .ground import Figures

HEAD = (
    "| flood | sent | seconds | answers | honest users served | slowest of theirs | memory grew by "
    "at most | upstream calls |\n|---|---|---|---|---|---|---|---|"
)


def main() -> int:
    """Runs them and prints the figures as a table."""
    parser = argparse.ArgumentParser(prog="python -m floods", description=__doc__)
    parser.add_argument("--share", type=float, default=1, help="of the whole (default: 1)")
    parser.add_argument("only", nargs="*", help="names of floods (default: all)")
    arguments = parser.parse_args()
    names = {attack.__name__: attack for attack in ATTACKS}
    if unknown := set(arguments.only) - names.keys():
        parser.error(f"no such flood: {', '.join(unknown)}; there are {', '.join(names)}")
    print(HEAD, flush=True)
    breaches = []
    for name in arguments.only or names:
        print(f"{name} …", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="floods-") as folder:
            figures = names[name](Path(folder), arguments.share)
        print(row(figures), flush=True)
        breaches += [f"{figures.name}: {breach}" for breach in figures.breaches]
    print()
    print("\n".join(breaches) or "every bound held")
    return 1 if breaches else 0


def row(it: Figures) -> str:
    """A row of the table."""
    answers = ", ".join(f"{n} × {status}" for status, n in sorted(it.statuses.items(), key=str))
    grown = ", ".join(f"{name} {size:.0f} MiB" for name, size in it.grown.items())
    calls = ", ".join(f"{name} {n}" for name, n in it.calls.items())
    served = f"{it.honest_served} of {it.honest}"
    return (
        f"| {it.name} | {it.sent} | {it.seconds:.0f} | {answers} | {served} | "
        f"{it.honest_slowest:.2f} s | {grown} | {calls} |"
    )


if __name__ == "__main__":
    sys.exit(main())
