"""An operator's commands: `mcp-auth` run to its end, with what is given as its environment."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .built import built


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

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

    @property
    def findings(self) -> dict[str, dict[str, Any]]:
        """What `--json` printed, by the names of the checks."""
        document = json.loads(self.out)
        found = {entry["check"]: entry for entry in document["checks"]}
        assert len(found) == len(document["checks"]), "a check is there twice"
        assert document["ok"] == (self.code == 0), document
        return found

    def results(self, prefix: str = "") -> dict[str, str]:
        """How each check ended, of those whose name begins so."""
        found = self.findings.items()
        return {name: it["result"] for name, it in found if name.startswith(prefix)}

    def failed(self) -> set[str]:
        """The checks that failed; each must say what to do."""
        failed = {name: it for name, it in self.findings.items() if it["result"] == "fail"}
        assert all(it["advice"] for it in failed.values()), failed
        return set(failed)


def mcp_auth(
    *arguments: str,
    environment: dict[str, str] | None = None,
    stdin: str = "",
    folder: Path | None = None,
    secrets: tuple[str, ...] = (),
) -> Ran:
    """Runs the command. None of `secrets` may be printed."""
    done = subprocess.run(
        [built("MCP_AUTH_BIN"), *arguments],
        env={"PATH": os.environ["PATH"], **(environment or {})},
        input=stdin,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=90,
    )
    for secret in secrets:
        assert secret not in done.stdout + done.stderr, "a secret was printed"
    return Ran(done.returncode, done.stdout, done.stderr)
