"""Group what came into the identity provider's cycles: when each began, what it did, and when the next one is due.

Entra ID comes about every 40 minutes, and sends everything of a cycle in one go; so a pause ends one. A provider that
sends each change as it happens, as Okta does, has no cycles: its pauses tell nothing, and nothing is expected of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from uuid import UUID

from sqlalchemy import Connection

from services.directory import traffic
from services.directory.traffic import BAD, WRITES, Kind, Minute, Result

PAUSE = timedelta(minutes=10)
"""Without a request for so long, a cycle is over."""

LOOKED_AT = timedelta(days=7)
FEWEST = 4
"""Cycles that it takes to tell how often they come."""

STEADY = 0.5
"""How far most intervals may be from the usual one, as a part of it."""

MISSED = 2
"""So many cycles that did not come are a warning."""


@dataclass(frozen=True, kw_only=True)
class Cycle:
    """One cycle: when it began and ended, by the minute, and how many requests of which kind it had."""

    began: datetime
    ended: datetime
    requests: int = 0
    created: int = 0
    changed: int = 0
    disabled: int = 0
    deleted: int = 0
    failed: int = 0
    """Requests that were refused, throttled, or went wrong."""
    references_failed: int = 0
    """Those of the failed ones that say who is whose member or manager."""
    writes: int = 0

    @property
    def length(self) -> timedelta:
        """How long it took, by the minute."""
        return self.ended - self.began + timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Rhythm:
    """The cycles of the last days, the newest first, and what is expected of the next."""

    cycles: Sequence[Cycle]
    interval: timedelta | None
    """From the beginning of one to that of the next; None when they come at no regular times."""
    expected_at: datetime | None
    missed: int
    """Cycles that should have begun since the last one."""

    @property
    def is_late(self) -> bool:
        """Whether so many were missed that somebody should look."""
        return self.missed >= MISSED

    @property
    def last(self) -> Cycle | None:
        """The newest cycle, which may be under way."""
        return self.cycles[0] if self.cycles else None


def of(connection: Connection, tenant_id: UUID, now: datetime, token_id: UUID | None = None) -> Rhythm:
    """Return the rhythm of a tenant, perhaps of one of its tokens alone."""
    return rhythm(traffic.minutes(connection, tenant_id, now - LOOKED_AT, token_id), now)


def rhythm(minutes: Iterable[Minute], now: datetime) -> Rhythm:
    """Return the cycles that minutes make, which are in their order, and what is expected of the next."""
    found = list(_grouped(minutes))
    interval = _interval(found)
    if interval is None or not found:
        return Rhythm(cycles=found[::-1], interval=None, expected_at=None, missed=0)
    last = found[-1]
    due = max(last.began + interval, last.ended)
    # Half an interval late is not missed yet.
    missed = max(0, int((now - due) / interval + 0.5))
    return Rhythm(cycles=found[::-1], interval=interval, expected_at=due, missed=missed)


def _grouped(minutes: Iterable[Minute]) -> Iterator[Cycle]:
    current: Cycle | None = None
    for each in minutes:
        if each.kind is Kind.NOT_KEPT:
            continue
        if current is None or each.minute - current.ended > PAUSE:
            if current is not None:
                yield current
            current = Cycle(began=each.minute, ended=each.minute)
        current = _with(current, each)
    if current is not None:
        yield current


_FIELDS = {
    Kind.CREATE: "created",
    Kind.CHANGE: "changed",
    Kind.REFERENCE: "changed",
    Kind.DISABLE: "disabled",
    Kind.DELETE: "deleted",
}


def _with(cycle: Cycle, minute: Minute) -> Cycle:
    more = {"requests": cycle.requests + minute.requests}
    if minute.kind in WRITES:
        more["writes"] = cycle.writes + minute.requests
    if minute.result in BAD:
        more["failed"] = cycle.failed + minute.requests
        if minute.kind is Kind.REFERENCE:
            more["references_failed"] = cycle.references_failed + minute.requests
    elif minute.result is Result.OK and minute.kind in _FIELDS:
        name = _FIELDS[minute.kind]
        more[name] = getattr(cycle, name) + minute.requests
    return replace(cycle, ended=minute.minute, **more)  # type: ignore[arg-type]


def _interval(cycles: Sequence[Cycle]) -> timedelta | None:
    """Return how often cycles come, if most of them come so often."""
    between = [later.began - earlier.began for earlier, later in pairwise(cycles)]
    if len(between) < FEWEST - 1:
        return None
    usual = timedelta(seconds=median(each.total_seconds() for each in between))
    steady = [each for each in between if abs(each - usual) <= STEADY * usual]
    return usual if len(steady) * 2 > len(between) else None
