"""An operator's commands: `mcp-auth` as it is typed, or as a CronJob runs it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from .built import built


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    def done(self) -> str:
        """What it printed; it must have worked."""
        assert self.code == 0, self
        return self.out

    def refused(self, why: str, code: int = 1) -> None:
        """It must have failed for this reason."""
        assert self.code == code, self
        assert why in self.err, self


def mcp_auth(
    *arguments: str, environment: Mapping[str, str] = {}, given: str | None = None
) -> Outcome:
    """Runs `mcp-auth` with these arguments, this environment and this standard input."""
    ended = subprocess.run(
        [built("MCP_AUTH_BIN"), *arguments],
        env={"PATH": os.environ["PATH"], **environment},
        input=given,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Outcome(ended.returncode, ended.stdout, ended.stderr)
