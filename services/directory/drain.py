"""Drain a shard: apply its pending operations in the order of their lanes, each with exactly one effect.

The worker calls it when the bell rings, the gateway when nobody answers. An advisory lock lets one in at a time. The
effects of a batch, their history and their outcomes are one transaction; outcomes are announced after its commit. When
a batch fails it is rolled back as a whole, and its operations are run one by one to find the one that is to blame.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Connection, Engine, Uuid, bindparam, text

from services.directory import backoff, bulk_journal, database, history, journal
from services.directory.apply import Applied, apply, refusal
from services.directory.bulk_journal import Ring
from services.directory.catalogues import Catalogues
from services.directory.journal import Operation, State
from shared.outcomes import Reply
from shared.scim.errors import InternalError

logger = logging.getLogger(__name__)

Announce = Callable[[Sequence[Reply]], None]
LOCK_SPACE = 0x6D757374

_LOCK = text("SELECT pg_advisory_xact_lock(:space, :shard)")
_LOOK = text("SELECT clock_timestamp() AS now, coalesce((SELECT running FROM shard WHERE id = :shard), '{}') AS left")
# Committed by itself and without waiting for the disk: it must outlive this process, not the server.
_NOTE = text("""
WITH quick AS (SELECT set_config('synchronous_commit', 'off', true))
INSERT INTO shard (id, running) SELECT :shard, :running FROM quick
ON CONFLICT (id) DO UPDATE SET running = excluded.running
""").bindparams(bindparam("running", type_=ARRAY(Uuid)))
_CLEAR = text("UPDATE shard SET running = '{}' WHERE id = :shard AND running <> '{}'")


class _UnfinishedRunError(Exception):
    """A run of this shard was begun and never ended: its process died, or its transaction was ended for it."""

    def __init__(self, operation_ids: Sequence[UUID]) -> None:
        super().__init__(f"{len(operation_ids)} operations")
        self.operation_ids = operation_ids


@dataclass(frozen=True, kw_only=True)
class Drainer:
    """What draining needs: the database, where outcomes go, and when an operation is given up."""

    engine: Engine
    announce: Announce
    max_starts: int
    ring: Ring
    """Rings another shard, when its operations need wait no longer for what was applied here."""
    catalogues: Catalogues = field(default_factory=Catalogues)

    def drain(self, shard: int) -> int:
        """Apply all that is due in a shard; return how many operations were settled.

        Raises DBAPIError when the database cannot be reached; nothing is lost then.
        """
        settled = 0
        while True:
            try:
                replies = self._batch(shard, journal.BATCH)
            except _UnfinishedRunError as error:
                return settled + self._recover(shard, error.operation_ids) + self._one_by_one(shard)
            except Exception as error:
                logger.warning("batch failed", extra={"shard": shard, "fault": backoff.classify(error).name})
                return settled + self._one_by_one(shard)
            settled += len(replies)
            if len(replies) < journal.BATCH:
                return settled

    def _one_by_one(self, shard: int) -> int:
        """Run what is due alone, each operation in a transaction of its own."""
        settled = 0
        for _ in range(journal.BATCH):
            begun: list[Operation] = []
            try:
                replies = self._batch(shard, 1, begun)
            except _UnfinishedRunError as error:
                settled += self._recover(shard, error.operation_ids)
                continue
            except Exception as error:
                if not begun:
                    raise
                replies = self._failed(shard, begun[0], error)
            else:
                if not replies:
                    break
            settled += len(replies)
        return settled

    def _batch(self, shard: int, limit: int, begun: list[Operation] | None = None) -> list[Reply]:
        """Apply up to `limit` operations in one transaction; tell in `begun` which."""
        with database.transaction(self.engine) as connection:
            now = self._enter(connection, shard)
            operations = journal.batch(connection, shard, limit)
            if not operations:
                return []
            if begun is not None:
                begun.extend(operations)
            results = self._run(connection, shard, operations, now)
        replies = [
            Reply(channel=operation.reply_to, outcome=result.outcome)
            for operation, result in zip(operations, results, strict=True)
        ]
        self.announce(replies)
        for operation, result in zip(operations, results, strict=True):
            logger.info("operation settled", extra=_about(operation) | {"status": result.outcome.status})
        bulk_journal.ring(self.engine, operations, self.ring)
        return replies

    def _enter(self, connection: Connection, shard: int) -> datetime:
        """Wait until nobody else drains the shard. Raises _UnfinishedRunError when the last one did not end."""
        connection.execute(_LOCK, {"space": LOCK_SPACE, "shard": shard})
        found = connection.execute(_LOOK, {"shard": shard}).one()
        if found.left:
            raise _UnfinishedRunError(found.left)
        now: datetime = found.now
        return now

    def _run(self, connection: Connection, shard: int, operations: Sequence[Operation], now: datetime) -> list[Applied]:
        """Apply operations between a note that they are begun and its end; a failure in our hands is no crash."""
        self._note(shard, [operation.id for operation in operations])
        try:
            catalogues = self.catalogues.of_tenants(connection, {operation.tenant_id for operation in operations})
            refused = bulk_journal.refused(connection, operations)
            results = [
                Applied(outcome=refusal(each.id, refused[each.id]))
                if each.id in refused
                else apply(connection, each, catalogues[each.tenant_id], now)
                for each in operations
            ]
            history.record(connection, [entry for result in results for entry in result.entries])
            journal.settle(connection, [result.outcome for result in results])
        except Exception:
            # Still under the lock, so that nobody takes this run for one that did not end.
            self._note(shard, [])
            raise
        connection.execute(_CLEAR, {"shard": shard})
        return results

    def _note(self, shard: int, operation_ids: list[UUID]) -> None:
        """Write down what is begun, on a connection of its own, so that a crash is seen afterwards."""
        with database.autocommit(self.engine) as connection:
            connection.execute(_NOTE, {"shard": shard, "running": operation_ids})

    def _recover(self, shard: int, operation_ids: Sequence[UUID]) -> int:
        """Count the starts of a run that did not end; an operation with too many of them is dead."""
        logger.warning("a run did not end", extra={"shard": shard, "operations": [str(i) for i in operation_ids]})
        with database.transaction(self.engine) as connection:
            connection.execute(_LOCK, {"space": LOCK_SPACE, "shard": shard})
            counted = journal.count_starts(connection, operation_ids, "the run did not end")
            dead = [operation for operation in counted if operation.starts >= self.max_starts]
            replies = [self._bury(connection, operation) for operation in dead]
            connection.execute(_CLEAR, {"shard": shard})
        self.announce(replies)
        bulk_journal.ring(self.engine, dead, self.ring)
        return len(replies)

    def _failed(self, shard: int, operation: Operation, error: Exception) -> list[Reply]:
        """Count a failed start: the operation is tried again later, or is dead."""
        fault = backoff.classify(error)
        extra = _about(operation) | {"starts": operation.starts + 1, "fault": fault.name}
        with database.transaction(self.engine) as connection:
            connection.execute(_LOCK, {"space": LOCK_SPACE, "shard": shard})
            connection.execute(_CLEAR, {"shard": shard})
            replies = []
            if fault.is_passing:
                journal.postpone(connection, operation.id, backoff.delay(operation.delays), fault.name)
            elif operation.starts + 1 < self.max_starts:
                journal.retry(connection, operation.id, backoff.delay(operation.starts), fault.name)
            else:
                replies = [self._bury(connection, operation)]
        logger.log(
            logging.ERROR if replies else logging.WARNING,
            "operation dead" if replies else "operation postponed",
            extra=extra,
            exc_info=None if fault.is_passing else error,
        )
        self.announce(replies)
        bulk_journal.ring(self.engine, [operation] if replies else [], self.ring)
        return replies

    def _bury(self, connection: Connection, operation: Operation) -> Reply:
        outcome = refusal(operation.id, InternalError("This write failed again and again, and was given up"))
        journal.settle(connection, [outcome], State.DEAD)
        return Reply(channel=operation.reply_to, outcome=outcome)


def _about(operation: Operation) -> dict[str, object]:
    """Return what a log line says of an operation: ids, and no values."""
    return {
        "operation_id": str(operation.id),
        "request_id": operation.request_id,
        "method": operation.method,
        "resource_type": operation.resource_type,
        "resource_id": str(operation.lane),
        "seq": operation.seq,
    }
