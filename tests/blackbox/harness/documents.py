"""What documents have fenced: configurations, and commands with what they print."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .built import ROOT

FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
ISSUER = {"issuer": "https://a.example/", "jwks": {"uri": "https://a.example/k", "cluster": "a"}}
RESOURCE = {"path": "/mcp", "resource": "https://mcp.example.com/mcp"}
ELSEWHERE = {"target", "node_modules", "release"}  # and whatever is hidden


def _documents() -> Iterator[Path]:
    for folder, below, files in os.walk(ROOT):
        below[:] = [it for it in below if it not in ELSEWHERE and not it.startswith(".")]
        yield from (Path(folder) / it for it in files if it.endswith(".md"))


DOCUMENTS = sorted(_documents())


def name(path: Path) -> str:
    """Its place in the repository."""
    return str(path.relative_to(ROOT))


@dataclass(frozen=True)
class Command:
    """What is typed behind a prompt, and what the document shows below."""

    text: str
    shown: str


@dataclass(frozen=True)
class Block:
    """What is fenced in a document."""

    document: Path
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{name(self.document)}:{self.line}"

    @property
    def commands(self) -> list[Command]:
        """What is typed: behind prompts in a session (`console`), else (`sh`) everything."""
        prompt = "$ " if self.kind == "console" else ""
        typed: list[tuple[str, list[str]]] = []
        for line in self.text.splitlines():
            if typed and not typed[-1][1] and is_unfinished(typed[-1][0]):
                typed[-1] = (f"{typed[-1][0]}\n{line}", [])
            elif line.startswith(prompt):
                typed.append((line.removeprefix(prompt), []))
            else:
                typed[-1][1].append(line)
        return [Command(text, "\n".join(shown)) for text, shown in typed]

    @property
    def script(self) -> str:
        """All that is typed, as the shell reads it."""
        return "".join(f"{command.text}\n" for command in self.commands)


def is_unfinished(text: str) -> bool:
    """Whether the shell would wait for more."""
    if text.endswith("\\"):
        return True
    read = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True)
    return read.returncode != 0


def blocks(document: Path, *kinds: str) -> list[Block]:
    """The blocks of a document in order; of these kinds (`""`: of none) if any are given."""
    text = document.read_text()
    found = []
    for match in FENCE.finditer(text):
        indent, kind, inside = match.groups()
        inside = re.sub(rf"^{indent}", "", inside, flags=re.MULTILINE)
        found.append(Block(document, text.count("\n", 0, match.start()) + 1, kind, inside))
    return [block for block in found if not kinds or block.kind in kinds]


def in_filter(part: dict[str, Any]) -> dict[str, Any]:
    """The filter's configuration with this part: some of its fields, an issuer or a resource."""
    whole = {"issuers": [ISSUER], "resources": [RESOURCE]}
    if "issuer" in part:
        whole["issuers"] = [part]
    elif "path" in part:
        whole["resources"] = [part]
    else:
        whole |= part
    if any(it.get("session", "off") != "off" for it in whole["issuers"]):
        whole.setdefault("sessions", {"cluster": "mcp-auth"})
    return whole
