"""The filter's metrics, as Envoy's admin page has them."""

from __future__ import annotations

import urllib.request

PREFIX = "mcp_auth."


def read(admin_port: int) -> dict[str, int]:
    """Every `mcp_auth.*` counter and gauge by its name without the prefix."""
    url = f"http://127.0.0.1:{admin_port}/stats?filter=mcp_auth"
    with urllib.request.urlopen(url, timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    found = {}
    for line in lines:
        name, _, value = line.partition(": ")
        # Envoy puts what a Wasm module defines into a name space of its own.
        name = name.removeprefix("wasmcustom.")
        if name.startswith(PREFIX) and value.isdigit():
            found[name.removeprefix(PREFIX)] = int(value)
    return found


def cluster_requests(admin_port: int, cluster: str) -> int:
    """How many requests Envoy has sent to a cluster, the filter's own calls included."""
    name = f"cluster.{cluster}.upstream_rq_total"
    url = f"http://127.0.0.1:{admin_port}/stats?filter=^{name}$"
    with urllib.request.urlopen(url, timeout=5) as answer:
        return int(answer.read().decode().partition(": ")[2])
