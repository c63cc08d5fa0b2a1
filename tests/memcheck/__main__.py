"""Runs valgrind (memcheck) over what decides and over what holds secrets.

That is some of the core's tests, and `mcp-auth` from its start over logins, refreshes, refusals and
revocations to its end. Fails if a memory error or a definite leak was found.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from harness import authserver
from harness.authserver import AuthServer
from harness.built import built
from harness.oauth import direct
from harness.upstream import Upstream

VALGRIND = (
    "valgrind",
    "--leak-check=full",
    "--errors-for-leak-kinds=definite",
    "--trace-children=no",
)
# All of the core's tests would take an hour.
CORE_TESTS = ("requests::", "replies::", "sessions::", "mcp_sessions::", "smuggling::", "jwk::")
SLOW = 300  # seconds: everything takes some thirty times as long


@dataclass(frozen=True)
class Found:
    """What valgrind says at the end."""

    errors: int
    definitely_lost: int
    still_there: int

    @staticmethod
    def read(log: Path) -> Found:
        """From its log."""
        text = log.read_text(errors="replace")
        summary = re.search(r"ERROR SUMMARY: ([\d,]+) errors", text)
        assert summary, f"valgrind did not come to its end; its log ends:\n{text[-2000:]}"

        def lost(kind: str) -> int:
            found = re.search(rf"{kind}: ([\d,]+) bytes", text)
            return int(found[1].replace(",", "")) if found else 0

        errors = int(summary[1].replace(",", ""))
        return Found(errors, lost("definitely lost"), lost("still reachable"))


def core(binary: Path, folder: Path) -> tuple[str, Found]:
    """Some of the core's tests."""
    log = folder / "core.log"
    ran = subprocess.run(
        [*VALGRIND, f"--log-file={log}", str(binary), "--test-threads=1", *CORE_TESTS],
        capture_output=True,
        text=True,
    )
    passed = re.search(r"(\d+) passed; 0 failed", ran.stdout)
    assert passed, ran.stdout[-2000:] + ran.stderr[-2000:]
    return f"auth-core, {passed[1]} tests", Found.read(log)


def login(folder: Path, logins: int) -> tuple[str, Found]:
    """`mcp-auth`, from start to end."""
    log = folder / "mcp-auth-valgrind.log"
    wrapper = folder / "mcp-auth"
    command = shlex.join([*VALGRIND, f"--log-file={log}", str(built("MCP_AUTH_BIN"))])
    wrapper.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    wrapper.chmod(0o755)
    os.environ["MCP_AUTH_BIN"] = str(wrapper)
    authserver.START_TIMEOUT = SLOW
    with (
        Upstream(folder) as upstream,
        AuthServer(folder, upstream, "https://auth.example.com") as server,
    ):
        site = direct(server)
        site.http.timeout = SLOW
        for nth in range(logins):
            tokens = site.tokens(f"user-{nth}@example.com")
            newer = tokens.app.refreshed(tokens.refresh)
            assert tokens.app.refresh(newer.refresh + "x").status_code == 400
            assert tokens.app.revoke(newer.refresh).status_code == 200
        os.kill(server.pid, signal.SIGTERM)
        end = time.monotonic() + SLOW
        while "ERROR SUMMARY" not in log.read_text(errors="replace"):
            assert time.monotonic() < end, "mcp-auth did not end"
            time.sleep(0.5)
    return f"mcp-auth, {logins} logins", Found.read(log)


def main() -> int:
    """Both; exit code 1 if something was found."""
    parser = argparse.ArgumentParser(prog="make memcheck", description=__doc__)
    parser.add_argument("--core", type=Path, required=True, help="the core's built tests")
    parser.add_argument("--logins", type=int, default=10, help="how many (default: 10)")
    args = parser.parse_args()
    was_found = False
    with tempfile.TemporaryDirectory() as folder:
        for run in (lambda it: core(args.core, it), lambda it: login(it, args.logins)):
            began = time.monotonic()
            name, found = run(Path(folder))
            print(
                f"{name}: {found.errors} errors, {found.definitely_lost} bytes definitely lost, "
                f"{found.still_there} bytes still reachable at the end, "
                f"{time.monotonic() - began:.0f} s",
                flush=True,
            )
            was_found |= found.errors > 0 or found.definitely_lost > 0
    return int(was_found)


if __name__ == "__main__":
    sys.exit(main())
