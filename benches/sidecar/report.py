"""The figures as a page, and the memory as a plot."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.report import machine

from .load import CONNECTIONS, Went


@dataclass(frozen=True)
class Row:
    """One figure of one store: what came of a load, or words."""

    store: str
    name: str
    went: Went | None = None
    note: str = ""


def page(rows: list[Row]) -> str:
    """Markdown."""
    lines = [
        "# What mcp-auth takes",
        "",
        "`make bench-sidecar BENCH_ARGS=--write` measures and writes this file: "
        f"{CONNECTIONS} connections, HTTP/1.1, the load generator (wrk) on the same machine. CPU "
        "is the kernel's account of each process. Redis and the embedded store put each write on "
        f"disk before it is acknowledged. {machine()}.",
        "",
        "| store | what | a second | p50, ms | p99, ms | CPU of mcp-auth, µs | a second and core "
        "| CPU of Redis, µs |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        if (it := row.went) is None:
            continue
        own = f"{it.micros:.1f} | {1e6 / it.micros:,.0f}" if it.cpu else " | "
        redis = f"{it.store_micros:.1f}" if it.store_cpu else ""
        lines.append(
            f"| {row.store} | {row.name} | {it.a_second:,.0f} | {it.p50:.2f} | {it.p99:.2f} "
            f"| {own} | {redis} |"
        )
    lines += ["", "| store | what | |", "|---|---|---|"]
    lines += [f"| {row.store} | {row.name} | {row.note} |" for row in rows if row.note]
    found = {(row.store, row.name): row.went for row in rows if row.went}
    lookups, gets = found[("redis", "lookups")], found[("redis", "`redis-benchmark` GET")]
    lines += [
        "",
        f"A lookup costs Redis {lookups.store_micros / gets.store_micros:.1f} times a GET of "
        "`redis-benchmark`, and there are "
        f"{lookups.a_second / gets.a_second:.2f} times as many a second, with wrk, mcp-auth and "
        "Redis on the same cores.",
        "",
    ]
    return "\n".join(lines)


def plot(samples: list) -> str:
    """SVG: memory over time."""
    width, height, left, low = 760, 240, 60, 30
    most = max(it.rss for it in samples) * 1.2
    last = samples[-1].at
    points = " ".join(
        f"{left + (width - left - 10) * it.at / last:.1f},"
        f"{(height - low) * (1 - it.rss / most) + 5:.1f}"
        for it in samples
    )
    text = [
        f'<text x="{left - 8}" y="{(height - low) * (1 - share) + 9:.0f}" text-anchor="end">'
        f"{most * share / 2**20:.0f} MiB</text>"
        for share in (0, 0.5, 1)
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            'font-family="sans-serif" font-size="12" role="img">',
            "<title>Memory of mcp-auth over time</title>",
            f'<rect width="{width}" height="{height}" fill="#fff"/>',
            *text,
            f'<text x="{width - 10}" y="{height - 8}" text-anchor="end">{last / 60:.0f} min</text>',
            f'<polyline fill="none" stroke="#2463c4" stroke-width="1.5" points="{points}"/>',
            "</svg>",
            "",
        ]
    )
