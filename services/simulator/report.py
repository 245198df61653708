"""What happened during a run: counts and latencies by kind of request, failures, differences found at the end."""

import threading
import time
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FAILURES_KEPT = 100  # Failures that a report holds with their bodies; it counts all.
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A request that did not end as the identity provider needs; status 0 means that no answer came."""

    kind: str
    subject: str
    status: int
    body: str


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing in the directory that is not as in the company."""

    subject: str
    attribute: str
    expected: str
    found: str


@dataclass(frozen=True, kw_only=True)
class Kind:
    """All requests of one kind: how many ended in which status, and how long they took."""

    name: str
    statuses: Mapping[int, int]
    p50_ms: float
    p99_ms: float

    @property
    def count(self) -> int:
        return sum(self.statuses.values())


@dataclass(frozen=True, kw_only=True)
class Report:
    """The whole run; `seconds` spans the cycles, without connecting and checking."""

    kinds: Sequence[Kind]
    failures: Sequence[Failure]
    failure_count: int
    differences: Sequence[Difference]
    checked: Mapping[str, int]
    writes: int
    seconds: float

    @property
    def is_clean(self) -> bool:
        return not self.failure_count and not self.differences

    @property
    def writes_per_second(self) -> float:
        return self.writes / self.seconds if self.seconds else 0.0


class Recorder:
    """Collects what the threads of a run see."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._statuses: dict[str, Counter[int]] = {}
        self._times: dict[str, array[float]] = {}
        self._failures: list[Failure] = []
        self._failure_count = 0
        self._writes = 0
        self._started = self._ended = 0.0

    def start(self) -> None:
        """Begin the time in which writes are counted per second."""
        self._started = self._ended = time.perf_counter()

    def stop(self) -> None:
        """End that time."""
        self._ended = time.perf_counter()

    def request(self, kind: str, method: str, status: int, seconds: float) -> None:
        """Count one request, retries included; only answered writes that succeeded count as writes."""
        with self._lock:
            self._statuses.setdefault(kind, Counter())[status] += 1
            self._times.setdefault(kind, array("d")).append(seconds)
            self._writes += method in WRITES and 200 <= status < 300

    def failure(self, failure: Failure) -> None:
        """Count one failure, and keep it while there are few."""
        with self._lock:
            self._failure_count += 1
            if len(self._failures) < FAILURES_KEPT:
                self._failures.append(failure)

    def report(self, differences: Sequence[Difference], checked: Mapping[str, int]) -> Report:
        """Return everything seen so far, with the result of the check."""
        with self._lock:
            return Report(
                kinds=[self._kind(name) for name in self._statuses],
                failures=tuple(self._failures),
                failure_count=self._failure_count,
                differences=tuple(differences),
                checked=checked,
                writes=self._writes,
                seconds=self._ended - self._started,
            )

    def _kind(self, name: str) -> Kind:
        times = sorted(self._times[name])
        return Kind(
            name=name,
            statuses=dict(sorted(self._statuses[name].items())),
            p50_ms=percentile(times, 50) * 1000,
            p99_ms=percentile(times, 99) * 1000,
        )


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the nearest-rank percentile of values in ascending order, 0 for none."""
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(rank, 1) - 1] if ordered else 0.0


def as_json(report: Report) -> dict[str, Any]:
    """Return the report as JSON values, for benches."""
    return {
        "clean": report.is_clean,
        "seconds": round(report.seconds, 3),
        "writes": report.writes,
        "writes_per_second": round(report.writes_per_second, 1),
        "requests": {
            kind.name: {
                "count": kind.count,
                "statuses": {str(status): count for status, count in kind.statuses.items()},
                "p50_ms": round(kind.p50_ms, 2),
                "p99_ms": round(kind.p99_ms, 2),
            }
            for kind in report.kinds
        },
        "failure_count": report.failure_count,
        "failures": [vars(failure) for failure in report.failures],
        "checked": dict(report.checked),
        "difference_count": len(report.differences),
        "differences": [vars(difference) for difference in report.differences],
    }
