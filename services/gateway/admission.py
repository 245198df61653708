"""Admit writes, or refuse them when they could not be worked off in time: 429, before anything is journaled.

About once a second, and only while there are writes, this process looks at the journal; requests only compare figures.
Without figures (before the first look, or without a database) every write is admitted. Writes that take somebody's
access away are never refused.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from services.directory import backlog, batches, database
from services.directory.backlog import Backlog
from services.directory.journal import Write
from shared import metrics
from shared.scim.errors import TooManyRequestsError

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
STALE_SECONDS = 5.0
"""A look that is older says nothing any more."""

ALWAYS_ADMITTED = batches.BATCH
"""A tenant with less than this pending is never refused: clients who wait for their answers never have more."""


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """The last look, and the rate of work that the looks tell."""

    backlog: Backlog
    rate: float | None
    at: float


class Admission(threading.Thread):
    """Knows the backlog about as it was a second ago, and what this process added since."""

    def __init__(self, engine: Engine, most_seconds: float) -> None:
        super().__init__(name="admission", daemon=True)
        self._engine, self._most_seconds = engine, most_seconds
        self._seen: _Seen | None = None
        self._own: Counter[UUID] = Counter()
        self._refused: Counter[UUID] = Counter()
        self._asked, self._stopped = threading.Event(), threading.Event()

    def admit(self, writes: Iterable[Write]) -> bool:
        """Whether writes of one tenant are admitted; what is urgent does not count. Those that are, are counted."""
        ordinary = [write.tenant_id for write in writes if not write.is_urgent]
        self._asked.set()
        if not ordinary:
            return True
        tenant_id = ordinary[0]
        if self._is_too_much(tenant_id):
            self._refused[tenant_id] += len(ordinary)
            metrics.count(metrics.REFUSED, times=len(ordinary))
            return False
        self._own[tenant_id] += len(ordinary)
        return True

    def refusal(self, tenant_id: UUID) -> TooManyRequestsError:
        """Return the error of a write that is not admitted."""
        wait = self.expected_wait(tenant_id) or 0.0
        return TooManyRequestsError(
            f"This tenant has more writes pending than can be worked off in {self._most_seconds:g} seconds. "
            "This one was not applied: send it again later",
            retry_after=backlog.whole_seconds(wait - self._most_seconds),
        )

    def retry_after(self, tenant_id: UUID) -> int | None:
        """Return in how many seconds what a tenant has pending is expected to be worked off; None when unknown."""
        wait = self.expected_wait(tenant_id)
        return None if wait is None else backlog.whole_seconds(wait)

    def expected_wait(self, tenant_id: UUID) -> float | None:
        """Return how long a write that is accepted now would wait, in seconds; None when nobody knows."""
        seen = self._fresh()
        return (
            None if seen is None or seen.rate is None else backlog.expected_wait(self._due(seen), tenant_id, seen.rate)
        )

    def run(self) -> None:
        while not self._stopped.is_set():
            self._asked.wait()
            self._asked.clear()
            self.look()
            self._stopped.wait(LOOK_SECONDS)

    def stop(self) -> None:
        """Stop after the look at hand."""
        self._stopped.set()
        self._asked.set()

    def look(self) -> None:
        """Look at the backlog, and tell the log how many writes were refused since the last look."""
        own, self._own = self._own, Counter()
        try:
            with database.across(self._engine) as connection:
                found = backlog.look(connection)
        except SQLAlchemyError as error:
            self._own.update(own)
            logger.warning("backlog not looked at", extra={"error": type(error).__name__})
            return
        before = self._fresh()
        known = None if self._seen is None else self._seen.rate
        rate = known if before is None else backlog.rate(before.backlog, found, known)
        self._seen = _Seen(backlog=found, rate=rate, at=time.monotonic())
        self._tell()

    def _fresh(self) -> _Seen | None:
        seen = self._seen
        return seen if seen is not None and time.monotonic() - seen.at < STALE_SECONDS else None

    def _due(self, seen: _Seen) -> Counter[UUID]:
        due = Counter({tenant_id: waiting.due for tenant_id, waiting in seen.backlog.waiting.items()})
        due.update(self._own)
        return due

    def _is_too_much(self, tenant_id: UUID) -> bool:
        seen = self._fresh()
        if seen is None or seen.rate is None:
            return False
        due = self._due(seen)
        is_much = due[tenant_id] >= ALWAYS_ADMITTED
        return is_much and backlog.expected_wait(due, tenant_id, seen.rate) > self._most_seconds

    def _tell(self) -> None:
        refused, self._refused = self._refused, Counter()
        for tenant_id, writes in refused.items():
            logger.warning("writes refused", extra={"tenant_id": str(tenant_id), "operations": writes})
