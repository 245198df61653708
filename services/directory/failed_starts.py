"""See to starts that failed: count them, try their operations again later, or give these up, and tell of it.

What is decided is written down under the lock of the shard, and told after its commit.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, Engine

from services.directory import backoff, bulk_journal, database, failures, runs
from services.directory.apply import refusal
from services.directory.attempts import Attempt
from services.directory.backoff import Fault
from services.directory.bulk_journal import Ring
from services.directory.journal import Operation
from shared import metrics
from shared.outcomes import Outcome, Reply
from shared.scim.errors import InternalError

logger = logging.getLogger(__name__)

Announce = Callable[[Sequence[Reply]], None]


@dataclass(frozen=True, kw_only=True)
class FailedStart:
    """A start that failed, as it was written down, and who died of it."""

    operation: Operation
    fault: Fault
    error: Exception
    dead: Sequence[Operation]


@dataclass(frozen=True, kw_only=True)
class FailedStarts:
    """What seeing to them needs: the database, where outcomes go, and when an operation is given up."""

    engine: Engine
    announce: Announce
    max_starts: int
    ring: Ring

    def recover(self, shard: int) -> int:
        """Count the starts of a run that did not end, unless somebody else did; return how many operations died."""
        with database.across(self.engine) as connection:
            runs.lock(connection, shard)
            left = runs.unfinished(connection, shard)
            dead = self._count(connection, left, failures.UNFINISHED)
        if left:
            metrics.count(metrics.UNFINISHED)
            logger.warning("a run did not end", extra={"shard": shard, "operations": [str(i) for i in left]})
        for operation in dead:
            logger.error("operation dead", extra=_about_start(operation, operation.starts, failures.UNFINISHED))
        return self._tell_dead(dead)

    def write_down(self, shard: int, attempt: Attempt, operation: Operation, error: Exception) -> int:
        """Keep a failed start whose transaction could not do so; return how many operations died."""
        with database.across(self.engine) as connection:
            runs.lock(connection, shard)
            runs.take_back(connection, {shard: [operation.id]})
            failed = self.keep(connection, operation, error, attempt.seconds)
        return self.tell(failed)

    def keep(self, connection: Connection, operation: Operation, error: Exception, seconds: float) -> FailedStart:
        """Write down a failed start: the operation is tried again later, or is dead.

        It waits as long as it took at least, so that one which takes long leaves as much time to the others.
        """
        fault = backoff.classify(error)
        dead: Sequence[Operation] = ()
        if fault.counts:
            dead = self._count(connection, [operation.id], fault)
            failures.hold(connection, operation.id, max(seconds, backoff.delay(operation.starts)))
        else:
            failures.postpone(connection, operation.id, backoff.delay(operation.delays), fault)
        return FailedStart(operation=operation, fault=fault, error=error, dead=dead)

    def tell(self, failed: FailedStart) -> int:
        """Tell of a failed start after its commit; return how many operations died."""
        fault = failed.fault
        if not failed.dead:
            metrics.count(metrics.POSTPONED)
        logger.log(
            logging.ERROR if failed.dead else logging.WARNING,
            "operation dead" if failed.dead else "operation postponed",
            extra=_about_start(failed.operation, failed.operation.starts + fault.counts, fault),
            exc_info=None if fault.is_passing else failed.error,
        )
        return self._tell_dead(failed.dead)

    def _count(self, connection: Connection, operation_ids: Sequence[UUID], fault: Fault) -> list[Operation]:
        """Hold a failed start against operations, and bury those that have too many; return the dead."""
        counted = failures.count(connection, operation_ids, fault)
        dead = [operation for operation in counted if operation.starts >= self.max_starts]
        for operation in dead:
            failures.bury(connection, _given_up(operation))
        return dead

    def _tell_dead(self, dead: Sequence[Operation]) -> int:
        metrics.count(metrics.DEAD, times=len(dead))
        self.announce([Reply(channel=operation.reply_to, outcome=_given_up(operation)) for operation in dead])
        bulk_journal.ring(self.engine, dead, self.ring)
        return len(dead)


def about(operation: Operation) -> dict[str, object]:
    """Return what a log line says of an operation: ids, and no values."""
    return {
        "operation_id": str(operation.id),
        "request_id": operation.request_id,
        "method": operation.method,
        "resource_type": operation.resource_type,
        "resource_id": str(operation.lane),
        "seq": operation.seq,
    }


def _about_start(operation: Operation, starts: int, fault: Fault) -> dict[str, object]:
    return about(operation) | {"starts": starts, "fault": fault.name}


def _given_up(operation: Operation) -> Outcome:
    return refusal(operation.id, InternalError("This write failed again and again, and was given up"))
