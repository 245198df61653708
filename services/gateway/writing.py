"""Take one write through: accept it, ring the bell, and wait for its outcome down the ladder.

The message; after 0.3 s a look into the journal and another ring; after 1 s this process drains the shard itself, with
the worker's code and under the worker's lock; at the deadline the operation is cancelled if nobody has begun it. A 503
therefore means that the write was never applied and never will be. Whoever could not ring drains at once.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from services.directory import backoff, database, journal
from services.directory.journal import Write
from services.gateway.accepting import Accepter
from services.gateway.admission import Admission
from services.gateway.outside import GuardedDrainer
from services.gateway.reach import Hearing
from services.gateway.waiting import Rung, Waiter, Waiters
from shared import logs, metrics
from shared.outcomes import Outcome
from shared.scim.errors import NotFoundError, OutcomeUnknownError, UnavailableError

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.3
DRAIN_SECONDS = 1.0
AGAIN_SECONDS = 0.3
"""Between two of its own drains: another request may have had the shard's turn, and ended it before this write."""

PAUSE_SECONDS = 0.1


class Turns:
    """Gives out turns to drain: one to a shard, and few in all.

    A drain holds a connection while it waits for the shard's lock, and needs another one to note its run. Requests that
    drained the same shard at the same time would hold all connections, and wait for one of their own.
    """

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, threading.Lock()
        self._shards: set[int] = set()

    @contextmanager
    def take(self, shard: int) -> Iterator[bool]:
        """Take the shard's turn for the duration of the block; False when another request has it, or all are taken."""
        with self._lock:
            is_mine = shard not in self._shards and len(self._shards) < self._most
            if is_mine:
                self._shards.add(shard)
        try:
            yield is_mine
        finally:
            if is_mine:
                with self._lock:
                    self._shards.discard(shard)


@dataclass(frozen=True, kw_only=True)
class Writer:
    """What a write needs on its way: the journal's front, the bell, those who wait, and a way to help oneself."""

    engine: Engine
    accepter: Accepter
    waiters: Waiters
    drainer: GuardedDrainer
    turns: Turns
    admission: Admission
    hearing: Hearing
    wake: Callable[[int], bool]
    wake_patiently: Callable[[int], bool]
    """Rings where nobody waits for the answer; it is heard after all others."""
    deadline_seconds: float

    def write(self, write: Write, deadline: float | None = None) -> Outcome:
        """Return what a write ended in; it has until a deadline on the monotonic clock, or `deadline_seconds` from now.

        Raises UnavailableError when it was not and will not be applied, OutcomeUnknownError when the database cannot
        be asked, RepeatedError when it may be an earlier write.
        """
        if deadline is None:
            deadline = time.monotonic() + self.deadline_seconds
        with logs.bind(operation_id=str(write.id)):
            return self._take(write, self.wake, deadline, deadline) or self._last_word(
                write.id, write.tenant_id, partial(journal.prevent, write=write)
            )

    def submit(self, write: Write, seconds: float) -> Outcome | None:
        """Return what a write ended in within so many seconds, or None: it is in the journal then, and stays there.

        Raises as `write` does when it did not get into the journal.
        """
        begun = time.monotonic()
        with logs.bind(operation_id=str(write.id)):
            until = begun + min(seconds, self.deadline_seconds)
            return self._take(write, self.wake_patiently, begun + self.deadline_seconds, until)

    def submit_and_stay(self, write: Write, seconds: float) -> Outcome | None:
        """Take a write into the journal, and stay until it is applied, though no longer than so many seconds.

        Nobody is told what it ended in. Raises as `submit` does.
        """
        with logs.bind(operation_id=str(write.id)), self.waiters.register(write.id) as waiter:
            shard = self._accept(write, time.monotonic() + self.deadline_seconds)
            if shard is None:
                return self._last_word(write.id, write.tenant_id, partial(journal.prevent, write=write))
            self.wake_patiently(shard)
            waiter.wait(seconds)
        return None

    def join(self, operation_id: UUID, shard: int, *, tenant_id: UUID, deadline: float) -> Outcome:
        """Return what an operation in the journal ended in; raise as `write` does."""
        found = self.follow(operation_id, shard, deadline, tenant_id=tenant_id)
        return found or self._last_word(operation_id, tenant_id, partial(journal.cancel, operation_id=operation_id))

    def follow(self, operation_id: UUID, shard: int, until: float, *, tenant_id: UUID) -> Outcome | None:
        """Return what an operation in the journal has ended in by then, on the monotonic clock, or None."""
        with logs.bind(operation_id=str(operation_id)), self.waiters.register(operation_id) as waiter:
            look = partial(self._look, operation_id, tenant_id)
            return look() or self._wait(look, shard, waiter, until, is_rung=True)

    def drain(self, shard: int, is_enough: Callable[[], bool] = lambda: True, seconds: float | None = None) -> None:
        """Work off a shard here until it is enough, unless another request does so: at least a batch of it.

        Return after so many seconds in any case; the work goes on then.

        Whatever goes wrong, this request goes on waiting. A thread of its own does it: when the request is interrupted
        (`limits`), the work is not, for a run that does not end is held against its operations.
        """
        work = (self._drain, shard, is_enough)
        helper = threading.Thread(target=copy_context().run, args=work, name="drain", daemon=True)
        helper.start()
        helper.join(seconds)

    def _drain(self, shard: int, is_enough: Callable[[], bool]) -> None:
        try:
            with self.turns.take(shard) as is_mine:
                while is_mine and not self.drainer.advance(shard).is_done and not is_enough():
                    pass
        except SQLAlchemyError as error:
            logger.warning("drain failed", extra={"shard": shard, "fault": backoff.classify(error).name})
        except Exception:
            logger.exception("drain failed")

    def _take(
        self, write: Write, ring: Callable[[int], bool], accepted_by: float, answered_by: float
    ) -> Outcome | None:
        with self.waiters.register(write.id) as waiter:
            shard = self._accept(write, accepted_by)
            if shard is None:
                return self._last_word(write.id, write.tenant_id, partial(journal.prevent, write=write))
            look = partial(self._look, write.id, write.tenant_id)
            return self._wait(look, shard, waiter, answered_by, is_rung=ring(shard))

    def _accept(self, write: Write, deadline: float) -> int | None:
        """Accept a write, and after a fault that passes try again, for its commit may have happened all the same.

        Return its shard, or None when the time is over. Raises NotFoundError for a resource that never existed.
        """
        while time.monotonic() < deadline:
            try:
                shard = self.accepter.accept(write, max(0.0, deadline - time.monotonic()))
            except IntegrityError:
                # The id is there already: the commit had gone through, only its answer was lost.
                return self._find_shard(write)
            except TimeoutError:
                break
            except SQLAlchemyError as error:
                fault = backoff.classify(error)
                if not fault.is_passing:
                    raise
                logger.warning("accept is tried again", extra={"fault": fault.name})
                time.sleep(PAUSE_SECONDS)
            else:
                if shard is None:
                    raise NotFoundError(f"There is no {write.resource_type} with this id")
                return shard
        return None

    def _find_shard(self, write: Write) -> int | None:
        try:
            with database.transaction(self.engine, write.tenant_id) as connection:
                return journal.find_shard(connection, write.id)
        except SQLAlchemyError as error:
            logger.warning("journal not readable", extra={"fault": backoff.classify(error).name})
            return None

    def _wait(
        self, look: Callable[[], Outcome | None], shard: int, waiter: Waiter, deadline: float, *, is_rung: bool
    ) -> Outcome | None:
        """Walk down the ladder until the deadline; None when there is no outcome by then, or none to be read."""

        def drain() -> None:
            left = max(0.0, deadline - time.monotonic())
            self.drain(shard, lambda: waiter.is_told or time.monotonic() >= deadline, left)

        for seconds in self._ladder(shard, drain, is_rung=is_rung):
            left = deadline - time.monotonic()
            if left <= 0 or waiter.wait(min(seconds, left)):
                break
            found = look()
            if found is not None:
                metrics.count(metrics.ANSWERED, Rung.LOOK)
                return found
        told_shortly = waiter.outcome is None and waiter.is_told
        found = look() if told_shortly else waiter.outcome
        if found is not None:
            metrics.count(metrics.ANSWERED, waiter.rung)
            self.hearing.note(is_heard=waiter.rung is Rung.MESSAGE)
        return found

    def _ladder(self, shard: int, drain: Callable[[], None], *, is_rung: bool) -> Iterator[float]:
        """Step down whenever the next item is asked for, and yield how long to wait for a message then.

        When the bell could not be rung nobody is on his way, and there is nothing to wait for. When it was not heard a
        moment ago there is little.
        """
        yield LOOK_SECONDS if is_rung else 0.0
        if is_rung and self.wake(shard) and self.hearing.is_good():
            yield DRAIN_SECONDS - LOOK_SECONDS
        while True:
            drain()
            yield AGAIN_SECONDS

    def _look(self, operation_id: UUID, tenant_id: UUID) -> Outcome | None:
        try:
            with database.transaction(self.engine, tenant_id) as connection:
                return journal.find_outcome(connection, operation_id)
        except SQLAlchemyError as error:
            logger.warning("journal not readable", extra={"error": type(error).__name__})
            return None

    def _last_word(self, operation_id: UUID, tenant_id: UUID, prevent: Callable[[Connection], bool]) -> Outcome:
        """Prevent what nobody has begun, or return what it ended in after all."""
        try:
            with database.transaction(self.engine, tenant_id) as connection:
                if not prevent(connection):
                    found = journal.find_outcome(connection, operation_id)
                    assert found is not None, "what is settled has an outcome"
                    metrics.count(metrics.ANSWERED, Rung.LAST_WORD)
                    return found
        except SQLAlchemyError as error:
            metrics.count(metrics.ANSWERED, Rung.UNKNOWN)
            logger.warning("last word not had", extra={"fault": backoff.classify(error).name}, exc_info=error)
            raise unknown() from error
        logger.warning("operation cancelled at the deadline")
        metrics.count(metrics.ANSWERED, Rung.CANCELLED)
        raise unavailable(self.admission.retry_after(tenant_id))


def unavailable(retry_after: int | None = None) -> UnavailableError:
    """Return the error of a write that was never applied; `retry_after` is when the backlog will be worked off."""
    return UnavailableError(
        "This write was not applied, for the queue is not being worked off in time. Send it again", retry_after
    )


def unknown() -> OutcomeUnknownError:
    """Return the error of a write whose fate cannot be found out now."""
    return OutcomeUnknownError(
        "The directory cannot be reached, so nobody knows whether this was applied. Send it again"
    )
