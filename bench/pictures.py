"""Draw what the bench found as SVG: lines over connections, percentiles and sizes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from bench.figures import Curve, Found, shown

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 40, 50
LETTER = 7
"""How wide a letter of a label is, about; a label that would be written over another is left out."""

COLORS = ("#0b5fff", "#c2410c", "#15803d", "#7e22ce", "#b91c1c", "#475569")


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What a picture says, and how its axes run."""

    row: str
    title: str
    across: str
    up: str
    is_log_across: bool = True
    is_log_up: bool = True


FRAMES: Mapping[str, Frame] = {
    "throughput": Frame(row="creates", title="Creates a second", across="connections", up="creates/s"),
    "workers": Frame(row="workers", title="Creates that take 20 ms each", across="worker processes", up="creates/s"),
    "latency": Frame(
        row="latency",
        title="Creates at 60 % of each one's top load",
        across="percentile",
        up="ms",
        is_log_across=False,
    ),
    "matching": Frame(row="sizes", title="The match query over the size of the directory", across="people", up="ms"),
    "members": Frame(row="members", title="Adding one member over the size of the group", across="members", up="ms"),
    "soak": Frame(
        row="soak", title="Memory during the soak", across="seconds", up="MB", is_log_across=False, is_log_up=False
    ),
}


def write(kept: Mapping[str, Found], folder: Path) -> dict[str, list[str]]:
    """Write the pictures of all rows, and return their names by row."""
    drawn: dict[str, list[str]] = {}
    for name, frame in FRAMES.items():
        curves = [curve for curve in (kept[frame.row].curves if frame.row in kept else ()) if curve.picture == name]
        if curves:
            folder.mkdir(exist_ok=True)
            (folder / f"{name}.svg").write_text(draw(frame, curves))
            drawn.setdefault(frame.row, []).append(name)
    return drawn


def draw(frame: Frame, curves: Sequence[Curve]) -> str:
    """Return a picture."""
    points = [point for curve in curves for point in curve.points]
    across = _Axis.over([x for x, _ in points], LEFT, WIDTH - RIGHT, is_log=frame.is_log_across)
    up = _Axis.over([y for _, y in points], HEIGHT - BOTTOM, TOP, is_log=frame.is_log_up)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="15">{escape(frame.title)}</text>',
        *_grid(frame, across, up, sorted({x for x, _ in points})),
    ]
    for number, curve in enumerate(curves):
        parts += _line(curve, across, up, COLORS[number % len(COLORS)], TOP + 18 * number + 10)
    return "\n".join([*parts, "</svg>"]) + "\n"


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float
    start: float
    end: float
    is_log: bool

    @classmethod
    def over(cls, values: Sequence[float], start: float, end: float, *, is_log: bool) -> "_Axis":
        low, high = min(values), max(values)
        if is_log:
            low, high = 10 ** math.floor(math.log10(max(low, 1e-3))), 10 ** math.ceil(math.log10(max(high, 1e-2)))
        elif low != high or low > 0:
            low, high = (0.0 if low < high / 2 else low), high * 1.02
        return cls(low, high if high > low else low + 1, start, end, is_log)

    def at(self, value: float) -> float:
        """Return where a value lies."""
        low, high, here = self.low, self.high, max(value, self.low)
        part = (
            (math.log10(here) - math.log10(low)) / (math.log10(high) - math.log10(low))
            if self.is_log
            else (here - low) / (high - low)
        )
        return self.start + part * (self.end - self.start)

    def marks(self) -> list[float]:
        """Return where the axis is labelled."""
        if self.is_log:
            first, last = round(math.log10(self.low)), round(math.log10(self.high))
            return [10.0**each for each in range(first, last + 1)]
        return [self.low + (self.high - self.low) * part / 4 for part in range(5)]


def _grid(frame: Frame, across: _Axis, up: _Axis, places: Sequence[float]) -> list[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = []
    for mark in up.marks():
        y = up.at(mark)
        parts.append(f'<line x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" font-size="12" text-anchor="end">{_label(mark)}</text>')
    free = float("-inf")
    for mark in places if len(places) <= 8 else across.marks():
        x, label = across.at(mark), _label(mark)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}" stroke="#eee"/>')
        half = len(label) * LETTER / 2
        if x - half >= free:
            parts.append(f'<text x="{x:.1f}" y="{bottom + 16}" font-size="12" text-anchor="middle">{label}</text>')
            free = x + half + LETTER
    middle = (LEFT + right) / 2
    parts.append(
        f'<text x="{middle}" y="{HEIGHT - 12}" font-size="12" text-anchor="middle">{escape(frame.across)}</text>'
    )
    parts.append(f'<text x="{LEFT - 6}" y="{TOP - 8}" font-size="12" text-anchor="end">{escape(frame.up)}</text>')
    return parts


def _line(curve: Curve, across: _Axis, up: _Axis, color: str, label_y: float) -> list[str]:
    places = [(across.at(x), up.at(y)) for x, y in curve.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in places]
    label = f'<text x="{WIDTH - RIGHT + 12}" y="{label_y:.1f}" font-size="12" fill="{color}">{escape(curve.who)}</text>'
    return [f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>', *dots, label]


def _label(value: float) -> str:
    if value >= 1_000_000:
        return f"{value / 1_000_000:g} M"
    return f"{value / 1_000:g} k" if value >= 1_000 else f"{value:g}" if value == round(value, 2) else shown(value)
