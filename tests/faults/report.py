"""Sum a run up: for each fault how often it struck, what clients were told, and how long they waited."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.faults import checker
from tests.faults.records import Attempt, Run, Verdict, Violation, Window

CALM = "none"
ALL = "all"
HEAD = ("fault", "injected", "acknowledged", "503", "unknown", "violations", "p99 (s)", "longest (s)")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table."""

    fault: str
    injected: int
    acknowledged: int
    unavailable: int
    unknown: int
    violations: int
    p99: float
    longest: float

    def cells(self) -> tuple[str, ...]:
        """Return the line as texts."""
        counts = (self.injected, self.acknowledged, self.unavailable, self.unknown, self.violations)
        return (self.fault, *(f"{count:,}" for count in counts), f"{self.p99:.2f}", f"{self.longest:.2f}")


def rows(run: Run, violations: Sequence[Violation]) -> list[Row]:
    """Return a row for each fault of a run, one for the time without any, and one for all of it.

    Whatever overlaps with a fault is the fault's, so an attempt that a fault held up counts there.
    """
    names = list(dict.fromkeys(window.fault for window in run.windows))
    by_fault = {name: [window for window in run.windows if window.fault == name] for name in sorted(names)}
    calm = [attempt for attempt in run.attempts if not _is_within(attempt.start, attempt.end, run.windows)]
    calm_violations = [one for one in violations if not _is_within(one.at, one.at, run.windows)]
    return [
        *(
            _row(
                name,
                len(windows),
                [attempt for attempt in run.attempts if _is_within(attempt.start, attempt.end, windows)],
                sum(_is_within(violation.at, violation.at, windows) for violation in violations),
            )
            for name, windows in by_fault.items()
        ),
        _row(CALM, 0, calm, len(calm_violations)),
        _row(ALL, len(run.windows), run.attempts, len(violations)),
    ]


def markdown(rows: Iterable[Row]) -> str:
    """Return the rows as a table for a document."""
    lines = [HEAD, ("---", *("---:",) * (len(HEAD) - 1)), *(row.cells() for row in rows)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def text(rows: Iterable[Row]) -> str:
    """Return the rows as a table for a terminal."""
    lines = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])
        for line in lines
    )


def other_tenant(run: Run, name: str) -> str:
    """Return how long the other tenant's requests took, and took without a fault (I8)."""
    theirs = [attempt for attempt in run.attempts if attempt.tenant == name]
    calm = [attempt for attempt in theirs if not _is_within(attempt.start, attempt.end, run.windows)]
    return f"{name}: p99 {checker.p99(theirs):.2f} s, without faults {checker.p99(calm):.2f} s"


def _row(name: str, injected: int, attempts: Sequence[Attempt], violations: int) -> Row:
    writes = [attempt for attempt in attempts if attempt.is_write]
    told = [attempt for attempt in attempts if attempt.status is not None]
    return Row(
        fault=name,
        injected=injected,
        acknowledged=sum(attempt.verdict is Verdict.OK for attempt in writes),
        unavailable=sum(attempt.verdict is Verdict.UNAVAILABLE for attempt in attempts),
        unknown=sum(attempt.verdict is Verdict.UNKNOWN for attempt in attempts),
        violations=violations,
        p99=checker.p99(told),
        longest=max((attempt.seconds for attempt in told), default=0.0),
    )


def _is_within(start: float, end: float, windows: Iterable[Window]) -> bool:
    return any(window.start <= end and start <= window.end for window in windows)
