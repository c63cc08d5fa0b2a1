"""Packets that are lost: the kernel drops them, in a network namespace that only this run has."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

INSIDE = "FAULTS_NAMESPACE"  # set for a process in a namespace of its own


def why_not() -> str | None:
    """Why no packets can be dropped here; None if they can."""
    if INSIDE not in os.environ:
        return "not in a network namespace of its own"
    missing = [name for name in ("iptables", "ip") if shutil.which(name) is None]
    if missing:
        return f"no {' and no '.join(missing)} here: install iptables and iproute2"
    for verb in ("-A", "-D"):
        tried = subprocess.run(_rule(verb, 1, "--dport", 0.5), capture_output=True, text=True)
        if tried.returncode:
            return tried.stderr.strip()
    return None


def namespace(command: list[str]) -> list[str] | None:
    """The command in a namespace of its own, whose loopback is up; None where there can be none."""
    if shutil.which("unshare") is None:
        return None
    enter = ["unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"']
    tried = subprocess.run([*enter, "sh", "true"], capture_output=True)
    return None if tried.returncode else [*enter, "sh", *command]


@contextmanager
def lost(port: int, share: float) -> Iterator[None]:
    """Loses this share of the packets to and from a port of loopback while it lasts."""
    ways = ("--dport", "--sport")
    for way in ways:
        subprocess.run(_rule("-A", port, way, share), check=True)
    try:
        yield
    finally:
        for way in ways:
            subprocess.run(_rule("-D", port, way, share), check=True)


def _rule(verb: str, port: int, way: str, share: float) -> list[str]:
    return [
        *("iptables", "-w", verb, "INPUT", "-i", "lo", "-p", "tcp", way, str(port)),
        *("-m", "statistic", "--mode", "random", "--probability", str(share), "-j", "DROP"),
    ]
