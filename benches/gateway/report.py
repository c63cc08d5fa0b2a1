"""The figures as a table and as a plot."""

from __future__ import annotations

import datetime
import os
import platform
import statistics
import sys
from pathlib import Path
from xml.sax.saxutils import escape

from .modes import Mode
from .stand import Cost

DOCS = Path(__file__).resolve().parents[2] / "docs" / "benchmarks"
WIDTH, BAR, GAP, LEFT, RIGHT = 760, 18, 8, 250, 110


Costs = dict[str, list[Cost]]  # the goes of each mode


class Figures:
    """The goes of all modes, in one run or several."""

    def __init__(self, modes: dict[str, Mode], *runs: Costs) -> None:
        self.modes = modes
        self.runs = runs
        self.costs = {name: [cost for run in runs for cost in run[name]] for name in modes}

    def added(self, name: str) -> list[float]:
        """The microseconds that a mode adds, in each go: what it cost less what `none` did."""
        pairs = zip(self.costs[name], self.costs["none"], strict=True)
        return [cost.micros - none.micros for cost, none in pairs]

    def ratio(self, name: str) -> float | None:
        """How much a mode adds for each microsecond of its native counterpart; the median."""
        if not (native := self.modes[name].native):
            return None
        pairs = zip(self.added(name), self.added(native), strict=True)
        return statistics.median(own / other for own, other in pairs)

    def ratios(self, name: str) -> str:
        """The same of each run."""
        found = [Figures(self.modes, run).ratio(name) for run in self.runs]
        return ", ".join(f"{ratio:.2f}" for ratio in found if ratio is not None)

    def a_second(self, name: str) -> float:
        """Requests a second on one worker; the median."""
        return statistics.median(cost.a_second for cost in self.costs[name])

    def pace(self, name: str) -> str:
        """How many of its native counterpart's requests a second a mode lets through."""
        native = self.modes[name].native
        return f"{self.a_second(name) / self.a_second(native):.2f}" if native else ""

    def table(self) -> str:
        """Markdown."""
        lines = [
            "| mode | CPU a request, µs | added, µs | spread | × native | each run | goal "
            "| requests/s | × native |",
            "|---|---:|---:|---|---:|---|---:|---:|---:|",
        ]
        for name, mode in self.modes.items():
            whole = statistics.median(cost.micros for cost in self.costs[name])
            added = self.added(name)
            shown = "" if name == "none" else f"{statistics.median(added):.2f}"
            spread = "" if name == "none" else f"{min(added):.2f} to {max(added):.2f}"
            ratio = self.ratio(name)
            times = "" if ratio is None else f"{ratio:.2f}"
            goal = "" if mode.most is None else f"≤ {mode.most}: {verdict(ratio, mode.most)}"
            lines.append(
                f"| {mode.label} | {whole:.2f} | {shown} | {spread} | {times} "
                f"| {self.ratios(name)} | {goal} | {self.a_second(name):,.0f} | {self.pace(name)} |"
            )
        return "\n".join(lines)

    def plot(self) -> str:
        """SVG: a bar a mode, as long as the CPU that it adds, and the median beside it."""
        names = [name for name in self.modes if name != "none"]
        most = max(statistics.median(self.added(name)) for name in names)
        height = len(names) * (BAR + GAP) + GAP
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            'font-family="sans-serif" font-size="13" role="img">',
            "<title>CPU that a filter adds to a request, in microseconds</title>",
            f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        ]
        for nth, name in enumerate(names):
            value = statistics.median(self.added(name))
            length = (WIDTH - LEFT - RIGHT) * max(value, 0) / most
            top = GAP + nth * (BAR + GAP)
            colour = "#8a8f98" if name.startswith("native") else "#2463c4"
            parts += [
                f'<text x="{LEFT - 8}" y="{top + 14}" text-anchor="end">'
                f"{escape(self.modes[name].label)}</text>",
                f'<rect x="{LEFT}" y="{top}" width="{length:.1f}" height="{BAR}" fill="{colour}"/>',
                f'<text x="{LEFT + length + 6:.1f}" y="{top + 14}">{value:.1f} µs</text>',
            ]
        return "\n".join([*parts, "</svg>", ""])


def verdict(ratio: float, most: float) -> str:
    """Whether a goal is reached."""
    return "reached" if ratio <= most else "missed"


def machine() -> str:
    """What it was measured on, and when."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in info if line.startswith("model name")), "?")
    return (
        f"{datetime.date.today().isoformat()}, {model}, {os.cpu_count()} cores, "
        f"Linux {platform.release()}"
    )


def write_page(name: str, *parts: str) -> None:
    """Leaves a page of figures for the documentation."""
    DOCS.mkdir(parents=True, exist_ok=True)
    (DOCS / name).write_text("\n".join(parts))
    say(f"written: {DOCS / name}")


def say(text: str) -> None:
    """Tells how far it has come, beside what it prints."""
    print(f"bench: {text}", file=sys.stderr, flush=True)
