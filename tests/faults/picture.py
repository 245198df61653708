"""Draw a run: faults over time, above every request's latency and what was acknowledged; one HTML file with its SVG."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from string import Template

from tests.faults import report
from tests.faults.records import Attempt, Run, Verdict, Violation, Window

WIDTH, LEFT, RIGHT = 1200, 176, 16
ROW, GAP = 18, 26
LATENCY_HEIGHT, RATE_HEIGHT = 300, 80
CELL = 4
SHORTEST, LONGEST = 0.001, 60.0
TICKS = (0.001, 0.01, 0.1, 1.0, 10.0)
SHOWN_VIOLATIONS = 50
SHAPES = {
    Verdict.REFUSED: ("refused", "4xx"),
    Verdict.UNAVAILABLE: ("unavailable", "503"),
    Verdict.BUSY: ("busy", "429"),
    Verdict.UNKNOWN: ("unknown", "unknown outcome"),
    Verdict.UNREACHABLE: ("unreachable", "nobody listened"),
    Verdict.ERROR: ("error", "500"),
}

PAGE = Template("""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Faults, seed $seed</title>
<style>
:root { color-scheme: light dark; --paper: #fcfcfb; --ink: #1c1d1f; --faint: #6b6f76; --line: #e3e4e6; --panel: #ffffff;
  --ok: #2563a8; --unavailable: #d98a00; --unknown: #c2362b; --refused: #7a5cc4; --unreachable: #8d949e;
  --busy: #a8790a; --error: #b3138f; --fault: #d98a00; --good: #23834a; }
@media (prefers-color-scheme: dark) { :root { --paper: #15171a; --ink: #e7e8ea; --faint: #979da6; --line: #2b2f35;
  --panel: #1b1e22; --ok: #6ba6e8; --unavailable: #f0b23e; --unknown: #f0665b; --refused: #a98ef0;
  --unreachable: #767d87; --busy: #d8a93a; --error: #ea6cd0; --fault: #f0b23e; --good: #58c182; } }
body { margin: 0 auto; max-width: ${width}px; padding: 24px 20px 48px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 22px; margin: 0 0 2px; } p { margin: 0 0 18px; color: var(--faint); }
.verdict { font-weight: 600; color: var(--good); } .verdict.bad { color: var(--unknown); }
figure { margin: 0 0 24px; background: var(--panel); border: 1px solid var(--line); border-radius: 10px; padding: 12px;
  overflow-x: auto; }
svg { display: block; width: 100%; min-width: 720px; height: auto; } text { font: 11px system-ui, sans-serif;
  fill: var(--faint); } .name { fill: var(--ink); } .grid { stroke: var(--line); } .deadline { stroke: var(--unknown);
  stroke-dasharray: 5 4; } .band { fill: var(--fault); opacity: .09; } .fault { fill: var(--fault); opacity: .75; }
.after { fill: var(--fault); opacity: .25; } .ok { fill: var(--ok); } .rate { fill: var(--ok); opacity: .7; }
.unavailable { fill: var(--unavailable); } .unknown { fill: var(--unknown); } .refused { fill: var(--refused); }
.unreachable { fill: var(--unreachable); } .busy { fill: var(--busy); } .error { fill: var(--error); }
.violation { fill: none; stroke: var(--unknown); stroke-width: 2; }
.legend span { display: inline-block; margin: 0 18px 4px 0; color: var(--faint); font-size: 13px; }
.legend i { display: inline-block; width: 10px; height: 10px; border-radius: 5px; margin-right: 6px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
td, th { padding: 5px 10px; text-align: right; border-bottom: 1px solid var(--line); }
td:first-child, th:first-child { text-align: left; } th { color: var(--faint); font-weight: 500; }
li { margin-bottom: 4px; }
</style>
<h1>Faults, seed $seed</h1>
<p>$summary <span class="verdict$bad">$verdict</span></p>
<figure><svg viewBox="0 0 $width $height" role="img" aria-label="Faults and latencies over time">$drawing</svg></figure>
<p class="legend">$legend</p>
<figure><table>$table</table></figure>
$violations
</html>
""")


@dataclass(frozen=True)
class Frame:
    """Where things are in the picture."""

    seconds: float
    names: Sequence[str]

    @property
    def top(self) -> int:
        """Where the latencies begin."""
        return len(self.names) * ROW + GAP

    @property
    def height(self) -> int:
        """Return the height of all of it."""
        return self.top + LATENCY_HEIGHT + GAP + RATE_HEIGHT + GAP

    def x(self, at: float) -> float:
        """Return where a moment is."""
        return LEFT + (WIDTH - LEFT - RIGHT) * at / self.seconds

    def y(self, seconds: float) -> float:
        """Return where a latency is: its logarithm counts."""
        share = math.log(min(max(seconds, SHORTEST), LONGEST) / SHORTEST) / math.log(LONGEST / SHORTEST)
        return self.top + LATENCY_HEIGHT * (1 - share)


def draw(seed: int, run: Run, violations: Sequence[Violation]) -> str:
    """Return the page."""
    ends = [1.0, *(attempt.end for attempt in run.attempts), *(window.end for window in run.windows)]
    frame = Frame(seconds=max(ends), names=sorted({window.fault for window in run.windows}))
    acknowledged = sum(attempt.is_write and attempt.verdict is Verdict.OK for attempt in run.attempts)
    parts = (
        _bands(frame, run.windows),
        _grid(frame, run.limits.deadline_seconds),
        _cells(frame, run.attempts),
        _others(frame, run.attempts),
        _violations(frame, violations),
        _rates(frame, run.attempts),
    )
    return PAGE.substitute(
        seed=seed,
        width=WIDTH,
        height=frame.height,
        summary=f"{len(run.windows)} faults in {frame.seconds:.0f} s, {acknowledged:,} writes acknowledged.",
        verdict=f"{len(violations)} violations" if violations else "No violation.",
        bad=" bad" if violations else "",
        drawing="".join(piece for part in parts for piece in part),
        legend=_legend(),
        table=_table(report.rows(run, violations)),
        violations=_list(violations),
    )


def _bands(frame: Frame, windows: Iterable[Window]) -> Iterator[str]:
    bottom = frame.top + LATENCY_HEIGHT
    for row, name in enumerate(frame.names):
        y = row * ROW + 9
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
        yield f'<text class="name" x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{escape(name)}</text>'
    for window in windows:
        begin, healed, end = frame.x(window.start), frame.x(window.healed), frame.x(window.end)
        y = frame.names.index(window.fault) * ROW
        yield f'<rect class="band" x="{begin:.1f}" y="0" width="{end - begin:.1f}" height="{bottom}"/>'
        width = max(2.0, healed - begin)
        yield f'<rect class="fault" x="{begin:.1f}" y="{y + 4}" width="{width:.1f}" height="10" rx="2">'
        yield f"<title>{escape(window.fault)}: {window.start:.1f} to {window.healed:.1f} s</title></rect>"
        yield f'<rect class="after" x="{healed:.1f}" y="{y + 4}" width="{end - healed:.1f}" height="10" rx="2"/>'


def _grid(frame: Frame, deadline: float) -> Iterator[str]:
    for seconds in TICKS:
        y = frame.y(seconds)
        label = f"{seconds:.0f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
    y = frame.y(deadline)
    yield f'<line class="deadline" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    yield f'<text x="{WIDTH - RIGHT}" y="{y - 6:.1f}" text-anchor="end">deadline</text>'
    step = next((step for step in (5, 10, 30, 60, 300, 600) if frame.seconds / step <= 14), 1800)
    for at in range(0, int(frame.seconds) + 1, step):
        x = frame.x(at)
        yield f'<text x="{x:.1f}" y="{frame.height - 6}" text-anchor="middle">{at} s</text>'


def _cells(frame: Frame, attempts: Iterable[Attempt]) -> Iterator[str]:
    """Draw what was acknowledged as a grid of cells, the darker the more: there may be a hundred thousand of them."""
    cells = Counter(
        (int(frame.x(one.start) / CELL), int(frame.y(one.seconds) / CELL))
        for one in attempts
        if one.verdict is Verdict.OK
    )
    most = max(cells.values(), default=1)
    for (column, row), count in cells.items():
        opacity = 0.25 + 0.75 * math.log(1 + count) / math.log(1 + most)
        yield (
            f'<rect class="ok" x="{column * CELL}" y="{row * CELL}" width="{CELL}" height="{CELL}" '
            f'fill-opacity="{opacity:.2f}"/>'
        )


def _others(frame: Frame, attempts: Iterable[Attempt]) -> Iterator[str]:
    seen = Counter(
        (one.verdict, round(frame.x(one.start)), round(frame.y(one.seconds)))
        for one in attempts
        if one.verdict is not Verdict.OK
    )
    for (verdict, x, y), count in seen.items():
        shape, label = SHAPES[verdict]
        radius = 2.5 + math.log10(count)
        yield f'<circle class="{shape}" cx="{x}" cy="{y}" r="{radius:.1f}"><title>{count} x {label}</title></circle>'


def _violations(frame: Frame, violations: Iterable[Violation]) -> Iterator[str]:
    for violation in violations:
        x, y = frame.x(violation.at), frame.top - 10
        yield f'<path class="violation" d="M{x - 5:.1f},{y - 5} l10,10 m0,-10 l-10,10">'
        yield f"<title>{escape(violation.invariant)}: {escape(violation.text)}</title></path>"


def _rates(frame: Frame, attempts: Iterable[Attempt]) -> Iterator[str]:
    """Draw the acknowledged writes of each second."""
    step = max(1, math.ceil(frame.seconds / 400))
    counts = Counter(int(one.end / step) for one in attempts if one.is_write and one.verdict is Verdict.OK)
    most = max(counts.values(), default=1)
    bottom = frame.top + LATENCY_HEIGHT + GAP + RATE_HEIGHT
    width = max(1.0, frame.x(step) - frame.x(0) - 0.5)
    for second, count in counts.items():
        height = RATE_HEIGHT * count / most
        yield (
            f'<rect class="rate" x="{frame.x(second * step):.1f}" y="{bottom - height:.1f}" width="{width:.1f}" '
            f'height="{height:.1f}"/>'
        )
    yield f'<text x="{LEFT - 8}" y="{bottom - RATE_HEIGHT + 8}" text-anchor="end">{most / step:.0f} / s</text>'
    yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}"/>'


def _legend() -> str:
    entries = [("ok", "2xx (darker: more of them)"), *SHAPES.values(), ("fault", "a fault, until it was healed")]
    return "".join(f'<span><i style="background: var(--{name})"></i>{label}</span>' for name, label in entries)


def _table(rows: Iterable[report.Row]) -> str:
    lines = [_line("th", report.HEAD), *(_line("td", row.cells()) for row in rows)]
    return "".join(lines)


def _line(tag: str, cells: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"


def _list(violations: Sequence[Violation]) -> str:
    shown = "".join(
        f"<li>{escape(violation.invariant)} at {violation.at:.1f} s: {escape(violation.text)}</li>"
        for violation in violations[:SHOWN_VIOLATIONS]
    )
    more = f"<li>and {len(violations) - SHOWN_VIOLATIONS} more</li>" if len(violations) > SHOWN_VIOLATIONS else ""
    return f"<h2>Violations</h2><ul>{shown}{more}</ul>" if violations else ""
