"""How much memory the parts use over time, and a picture of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from html import escape
from pathlib import Path

COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd")
WIDTH, HEIGHT, EDGE = 900, 360, 56


class Memory:
    """Looks once in a while at the resident memory of processes by name; a context manager."""

    def __init__(self, pids: dict[str, Callable[[], int]], every: float = 1.0) -> None:
        self.samples: dict[str, list[tuple[float, float]]] = {name: [] for name in pids}
        self._pids = pids
        self._every = every
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Memory:
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def most(self, name: str) -> float:
        """The highest seen, in MiB."""
        return max(size for _, size in self.samples[name])

    def first(self, name: str) -> float:
        """What it was at first, in MiB."""
        return self.samples[name][0][1]

    def settled(self, name: str) -> tuple[float, float]:
        """The medians of the second and of the last quarter of the time, in MiB."""
        sizes = [size for _, size in self.samples[name]]
        quarter = max(1, len(sizes) // 4)
        return _median(sizes[quarter : 2 * quarter] or sizes), _median(sizes[-quarter:])

    def plot(self, path: Path, title: str, marks: list[tuple[float, float]] = ()) -> None:
        """Writes it as SVG; `marks` are spans of the monotonic clock to be shaded."""
        end = max(at for line in self.samples.values() for at, _ in line) or 1
        top = max(self.most(name) for name in self.samples) * 1.15

        def x(at: float) -> float:
            return EDGE + at / end * (WIDTH - 2 * EDGE)

        def y(size: float) -> float:
            return HEIGHT - EDGE - size / top * (HEIGHT - 2 * EDGE)

        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            'font-family="sans-serif" font-size="12">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
            f'<text x="{EDGE}" y="24" font-size="15">{escape(title)}</text>',
        ]
        for began, ended in marks:
            left, right = x(began - self._began), x(ended - self._began)
            parts.append(
                f'<rect x="{left:.1f}" y="{EDGE}" width="{max(0.5, right - left):.1f}" '
                f'height="{HEIGHT - 2 * EDGE}" fill="#f3e3d3"/>'
            )
        for nth in range(5):
            size, at = top * nth / 4, end * nth / 4
            parts.append(
                f'<line x1="{EDGE}" x2="{WIDTH - EDGE}" y1="{y(size):.1f}" y2="{y(size):.1f}" '
                f'stroke="#ccc"/><text x="{EDGE - 6}" y="{y(size) + 4:.1f}" '
                f'text-anchor="end">{size:.0f} MiB</text>'
                f'<text x="{x(at):.1f}" y="{HEIGHT - EDGE + 18}" '
                f'text-anchor="middle">{at / 60:.1f} min</text>'
            )
        for nth, (name, line) in enumerate(self.samples.items()):
            points = " ".join(f"{x(at):.1f},{y(size):.1f}" for at, size in line)
            colour = COLOURS[nth % len(COLOURS)]
            parts.append(
                f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
                f'<text x="{EDGE + 130 * nth}" y="{HEIGHT - 10}" fill="{colour}">'
                f"{escape(name)}</text>"
            )
        path.write_text("\n".join([*parts, "</svg>\n"]))

    def _watch(self) -> None:
        while not self._done.wait(self._every):
            for name, pid in self._pids.items():
                if (size := resident(pid())) is not None:
                    self.samples[name].append((time.monotonic() - self._began, size))


def resident(pid: int) -> float | None:
    """Resident memory of a process in MiB; None if there is none."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    sizes = [line.split()[1] for line in lines if line.startswith("VmRSS:")]
    return int(sizes[0]) / 1024 if sizes else None


def _median(numbers: list[float]) -> float:
    return sorted(numbers)[len(numbers) // 2]
