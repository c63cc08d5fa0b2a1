"""Counts the instructions that a decision of the core takes, under valgrind, and holds them against
those in instructions.json: a guard against slow creep that no noisy machine can blur.

    make bench-instructions                       fails if a count has grown by more than 3 %
    make bench-instructions COUNT_ARGS=--write    writes the counts anew
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

BASE = Path(__file__).with_name("instructions.json")
TOLERANCE = 1.03
FEW, MANY = 200, 1200  # what is the same in both, such as the start, falls out of the difference


def main(program: str, *options: str) -> int:
    """Prints the counts; 0 unless one has grown."""
    names = subprocess.run([program], check=True, capture_output=True, text=True).stdout.split()
    base = json.loads(BASE.read_text()) if BASE.exists() else {}
    counts, grown = {}, False
    print(f"{'decision':<28} {'instructions':>12} {'before':>12}")
    for name in names:
        counts[name] = round(
            (count(program, name, MANY) - count(program, name, FEW)) / (MANY - FEW)
        )
        before = base.get(name)
        worse = before is not None and counts[name] > before * TOLERANCE
        grown = grown or worse
        shown = "new" if before is None else f"{before:,}"
        print(f"{name:<28} {counts[name]:>12,} {shown:>12}{'  grown' if worse else ''}", flush=True)
    if "--write" in options:
        BASE.write_text(json.dumps(counts, indent=2) + "\n")
        return 0
    if grown:
        print(
            "make bench-instructions: a decision takes more instructions; if it has to be so, "
            "write the counts anew with COUNT_ARGS=--write",
            file=sys.stderr,
        )
    return int(grown)


def count(program: str, name: str, requests: int) -> int:
    """The instructions of a whole run."""
    with tempfile.TemporaryDirectory() as folder:
        tool = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out"]
        command = [*tool, program, name, str(requests)]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    found = re.search(r"Collected : (\d+)", told)
    assert found, told
    return int(found[1])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
