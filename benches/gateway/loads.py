"""What is sent: one token again and again, or the tokens of many users and ever new ones."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.tokens import token

SCRIPT = Path(__file__).with_name("wrk.lua")
CONNECTIONS = 16
USERS = 10_000
DRAWN = 50_000  # the order of the users repeats after so many requests
# How often new tokens are needed is not known before; more than this many in one go are not there.
NEW_A_SECOND = 3000


@dataclass(frozen=True)
class Load:
    """Files of tokens, as wrk.lua takes them: users' tokens, and new ones for each go."""

    known: Path
    new: tuple[Path, ...] = ()

    def go(self, seconds: int, nth: int) -> Callable[[int], None]:
        """The `nth` go: sends to a port as much as is answered."""
        files = [self.known, *self.new[nth : nth + 1]]
        options = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(SCRIPT)]

        def run(port: int) -> None:
            url = f"http://127.0.0.1:{port}/mcp"
            command = ["wrk", *options, url, "--", *map(str, files)]
            subprocess.run(command, check=True, capture_output=True)

        return run


def one(folder: Path, name: str, text: str) -> Load:
    """One token again and again."""
    path = folder / f"{name}.token"
    path.write_text(f"{text}\n")
    return Load(path)


def many(folder: Path, goes: int, seconds: int) -> Load:
    """Users of whom few come often and many seldom (Zipf's law), and 5 % tokens never seen."""
    shown = [token(sub=f"user-{nth}", preferred_username=f"user-{nth}") for nth in range(USERS)]
    weights = [1 / (rank + 1) for rank in range(USERS)]
    drawn = random.Random(1).choices(shown, weights, k=DRAWN)
    known = folder / "users.tokens"
    known.write_text("".join(f"{text}\n" for text in drawn))
    new = []
    for go in range(goes):
        path = folder / f"new-{go}.tokens"
        count = NEW_A_SECOND * seconds
        path.write_text("".join(f"{token(sub=f'new-{go}-{nth}')}\n" for nth in range(count)))
        new.append(path)
    return Load(known, tuple(new))
