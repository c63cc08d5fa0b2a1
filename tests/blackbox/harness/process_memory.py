"""What lies in a process's memory, as a debugger or a core dump would show it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def found(pid: int, wanted: Mapping[str, bytes]) -> dict[str, list[str]]:
    """Which of these lie in memory that can be written, and in which mappings."""
    places: dict[str, list[str]] = {}
    memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    try:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights, _, _, _, *name = line.split(maxsplit=5)
            if not rights.startswith("rw"):
                continue
            start, end = (int(part, 16) for part in span.split("-"))
            content = os.pread(memory, end - start, start)
            for secret, value in wanted.items():
                if value in content:
                    places.setdefault(secret, []).append(" ".join(name) or span)
    finally:
        os.close(memory)
    return places
