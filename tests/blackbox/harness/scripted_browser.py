"""A program that stands in for the user's browser: it says yes to whatever it is sent to.

MCP clients start it as `BROWSER` or `xdg-open` with an address; MCP_TEST_USER is who logs in. It
also follows the last redirect, to the client itself, which may not listen yet.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path

import httpx

if __package__ in (None, ""):  # started as a program
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness.agent import Agent, Landing, Reach, origin_of

PATIENCE = 20  # seconds for a client to listen at its redirect URI


class Loopback(Reach):
    """Leads wherever an address says, as long as it is this machine."""

    def __init__(self) -> None:
        super().__init__({})

    def knows(self, url: httpx.URL) -> bool:
        """Whether this is an address of this machine."""
        known = url.scheme == "http" and url.host in ("127.0.0.1", "localhost", "::1")
        if known:
            self.places.setdefault(origin_of(url), [url.port or 80])
        return known

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Tries again while nobody listens."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return super().handle_request(request)
            except httpx.ConnectError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)


def install(folder: Path) -> dict[str, str]:
    """Writes the programs that clients start; the environment in which they find them."""
    folder.mkdir(parents=True, exist_ok=True)
    # -P: the modules of this folder must not stand in for the library's of the same name.
    script = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -P {shlex.quote(__file__)} "$@"\n'
    for name in ("xdg-open", "browser"):
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    return {
        "BROWSER": str(folder / "browser"),
        "PATH": f"{folder}:{os.environ['PATH']}",
    }


def main() -> int:
    """Goes through with the login at the address given."""
    user = os.environ.get("MCP_TEST_USER", "user@example.com")
    with Agent(Loopback, user) as agent:
        end = agent.wander(sys.argv[1])
    if isinstance(end, Landing) or end.response.status_code != 200:
        print(f"stranded at {end.url}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
