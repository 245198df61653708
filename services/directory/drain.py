"""Drain a shard: apply its pending operations in the order of their lanes, each with exactly one effect.

The worker calls it when the bell rings, the gateway when nobody answers. An advisory lock lets one in at a time. The
effects of a batch, their history and their outcomes are one transaction; outcomes are announced after its commit. When
a batch fails it is rolled back as a whole, and its operations are run one by one to find the one that is to blame.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from uuid import UUID

from sqlalchemy import ARRAY, Connection, Engine, Uuid, bindparam, text

from services.directory import attempts, backoff, batches, bulk_journal, database, failures, journal, tenancy
from services.directory.apply import Applied, apply, create_all, is_plain_create, refusal
from services.directory.attempts import Attempt, Watch
from services.directory.backoff import Fault
from services.directory.batches import Batch
from services.directory.bulk_journal import Ring
from services.directory.catalogues import Catalogues
from services.directory.journal import Operation
from services.directory.recent_tenants import RecentTenants
from services.directory.region_placing import Placer
from shared import metrics
from shared.outcomes import Outcome, Reply
from shared.scim.errors import InternalError

logger = logging.getLogger(__name__)

Announce = Callable[[Sequence[Reply]], None]
Choose = Callable[[Connection, int], Batch]
LOCK_SPACE = 0x6D757374

_LOCK = text("SELECT pg_advisory_xact_lock(:space, :shard)")
_LOOK = text("SELECT coalesce((SELECT running FROM shard WHERE id = :shard), '{}') AS left")
# Committed by itself and without waiting for the disk: it must outlive this process, not the server.
_NOTE = """
WITH quick AS (SELECT set_config('synchronous_commit', 'off', true))
INSERT INTO shard (id, running) SELECT %(shard)s, cast(%(running)s AS uuid[]) FROM quick
ON CONFLICT (id) DO UPDATE SET running = excluded.running WHERE shard.running = '{}'
"""
_CLEAR = text("UPDATE shard SET running = '{}' WHERE id = :shard AND running <> '{}'")
# Here and above, only what one noted oneself: who was frozen and lost the lock must not spoil what the next one noted.
_TAKE_BACK = text("UPDATE shard SET running = '{}' WHERE id = :shard AND running = :running").bindparams(
    bindparam("running", type_=ARRAY(Uuid))
)


class _UnfinishedRunError(Exception):
    """A run of this shard was begun and never ended: its process died, or its transaction was ended for it."""


class _FailedStartError(Exception):
    """An operation failed, which has been written down already."""

    def __init__(self, dead: int) -> None:
        super().__init__(f"{dead} dead")
        self.dead = dead


class _SuspectError(Exception):
    """One of a batch failed before, or with others: alone it cannot hurt them, nor do its work for nothing."""


@dataclass(frozen=True, kw_only=True)
class _Failure:
    """A start that failed, as it was written down, and who died of it."""

    operation: Operation
    fault: Fault
    error: Exception
    dead: Sequence[Operation]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What one step of a drain did."""

    settled: int
    is_done: bool
    """Whether nothing that is due was left."""


@dataclass(frozen=True, kw_only=True)
class Drainer:
    """What draining needs: the database, where outcomes go, when an operation is given up, and who watches a run.

    `watch` is entered for each run, and gives a call that tells of progress.
    """

    engine: Engine
    announce: Announce
    max_starts: int
    ring: Ring
    """Rings another shard, when its operations need wait no longer for what was applied here."""
    watch: Watch = attempts.unwatched
    catalogues: Catalogues = field(default_factory=Catalogues)
    placer: Placer = field(default_factory=Placer)
    _rounds: dict[int, UUID] = field(default_factory=dict)
    """The shards with a backlog, and after which tenant the next round of turns begins."""
    _tenants: RecentTenants = field(default_factory=RecentTenants)

    def drain(self, shard: int) -> int:
        """Apply all that is due in a shard; return how many operations were settled.

        Raises DBAPIError when the database cannot be reached; nothing is lost then.
        """
        settled, is_done = 0, False
        while not is_done:
            progress = self.advance(shard)
            settled, is_done = settled + progress.settled, progress.is_done
        return settled

    def advance(self, shard: int) -> Progress:
        """Apply a batch of what is due; when one of its operations failed, now or before, run them one by one.

        Raises DBAPIError as `drain` does.
        """
        died, attempt = 0, Attempt()
        try:
            batch = self._batch(shard, self._choose, attempt)
            return Progress(settled=len(batch.operations), is_done=batch.is_everything)
        except _UnfinishedRunError:
            died = self._recover(shard)
        except _SuspectError:
            pass
        except _FailedStartError as failed:
            died = failed.dead
        except Exception as error:
            if not attempt.is_begun:
                # Nobody got in, or nothing could be read: that would be so for a single operation, too.
                raise
            logger.warning("batch failed", extra={"shard": shard, "fault": backoff.classify(error).name})
        alone = self._one_by_one(shard)
        return replace(alone, settled=died + alone.settled)

    def _choose(self, connection: Connection, shard: int) -> Batch:
        """Take everything, or when that is too much let the tenants have their turns until it is not."""
        limit = batches.SHARED_BATCH if self._tenants.are_several() else batches.BATCH
        after = self._rounds.get(shard)
        everything = batches.everything(connection, shard, limit) if after is None else None
        if everything is not None:
            return everything
        after = after or batches.FROM_THE_START
        batch = batches.in_turn(connection, shard, after, limit)
        is_whole_round = after == batch.next_after == batches.FROM_THE_START
        if is_whole_round and len(batch.operations) < limit:
            self._rounds.pop(shard, None)
        else:
            self._rounds[shard] = batch.next_after
        return batch

    def _one_by_one(self, shard: int) -> Progress:
        """Run what is due alone, each operation in a transaction of its own, a batch of them at most."""
        settled, after = 0, batches.FROM_THE_START
        for _ in range(batches.BATCH):
            attempt, batch = Attempt(), None
            try:
                batch = self._batch(shard, partial(batches.in_turn, after=after, limit=1), attempt)
            except _UnfinishedRunError:
                settled += self._recover(shard)
            except _FailedStartError as failed:
                settled += failed.dead
            except Exception as error:
                if attempt.at_work is None:
                    raise
                settled += self._failed(shard, attempt, attempt.at_work, error)
            if batch is not None:
                settled += len(batch.operations)
                if batch.is_everything:
                    return Progress(settled=settled, is_done=True)
            after = batches.FROM_THE_START if attempt.at_work is None else attempt.at_work.tenant_id
        return Progress(settled=settled, is_done=False)

    def _batch(self, shard: int, choose: Choose, attempt: Attempt) -> Batch:
        """Apply what is chosen in one transaction."""
        with self.watch() as attempt.go_on, self._entered(shard) as connection:
            batch = choose(connection, shard)
            if batch.unfinished:
                raise _UnfinishedRunError
            operations, attempt.is_begun = batch.operations, True
            if not operations:
                return batch
            if len(operations) > 1 and any(operation.starts or operation.delays for operation in operations):
                raise _SuspectError
            if len(operations) == 1:
                # Alone it is to blame for whatever fails.
                attempt.at_work = operations[0]
            failure, suspicion = None, None
            try:
                results = self._run(connection, shard, batch, attempt)
            except Exception as error:
                fault = backoff.classify(error)
                is_known = attempt.at_work is not None or bool(attempt.together)
                if connection.invalidated or not is_known or not (fault.counts or len(operations) == 1):
                    # The lock went with the connection, so a failure is written down on another one.
                    raise
                # The lock is still held: the failure is written down before anybody else can start the same again.
                connection.exec_driver_sql("ROLLBACK TO SAVEPOINT entered")
                if attempt.at_work is None:
                    failures.suspect(connection, [operation.id for operation in attempt.together])
                    suspicion = error
                else:
                    failure = self._keep(connection, attempt.at_work, error, attempt.seconds)
        self._tenants.note(batch.catalogue_versions)
        if suspicion is not None:
            raise _SuspectError from suspicion
        if failure is not None:
            raise _FailedStartError(self._tell_failed(failure)) from failure.error
        self._tell(operations, results)
        return batch

    def _tell(self, operations: Sequence[Operation], results: Sequence[Applied]) -> None:
        """Tell of outcomes after their commit."""
        ended = list(zip(operations, results, strict=True))
        self.announce([Reply(channel=operation.reply_to, outcome=result.outcome) for operation, result in ended])
        for operation, result in ended:
            metrics.count(metrics.SETTLED, f"{result.outcome.status // 100}xx")
            logger.info("operation settled", extra=_about(operation) | {"status": result.outcome.status})
        bulk_journal.ring(self.engine, operations, self.ring)

    def _entered(self, shard: int) -> AbstractContextManager[Connection]:
        """Begin a transaction, and wait until nobody else drains the shard.

        PostgreSQL gives up the locks of a transaction as soon as one of its statements fails, but only those that were
        taken since its last savepoint. All is sent at once. What a statement sees was there when it began, so nothing
        is chosen by the one that waits.
        """
        lock = f"SELECT pg_advisory_xact_lock({LOCK_SPACE}, {shard:d})"
        return database.transaction_from(self.engine, f"{tenancy.TO_SEVERAL}; {lock}; SAVEPOINT entered")

    def _run(self, connection: Connection, shard: int, batch: Batch, attempt: Attempt) -> list[Applied]:
        """Apply operations between a note that they are begun and its end; a failure in our hands is no crash."""
        operations, begun = batch.operations, [operation.id for operation in batch.operations]
        self._note(shard, begun)
        try:
            catalogues = self.catalogues.of_versions(connection, batch.catalogue_versions)
            refused = bulk_journal.refused(connection, operations)
            results: list[Applied] = []
            for some in tenancy.each(connection, attempt.each(_runs(operations, refused))):
                if some[0].id in refused:
                    results.append(Applied(outcome=refusal(some[0].id, refused[some[0].id])))
                elif len(some) > 1:
                    results += create_all(connection, some, catalogues, batch.now)
                else:
                    results.append(apply(connection, some[0], catalogues[some[0].tenant_id], batch.now))
            results = self.placer.place(
                connection, operations, results, batch.catalogue_versions, catalogues, batch.now
            )
            entries = [vars(entry) for result in results for entry in result.entries]
            journal.settle(connection, [result.outcome for result in results], entries, run_of=shard)
        except Exception:
            # Still under the lock, so that nobody takes this run for one that did not end.
            with database.autocommit(self.engine) as own:
                own.execute(_TAKE_BACK, {"shard": shard, "running": begun})
            raise
        return results

    def _note(self, shard: int, operation_ids: list[UUID]) -> None:
        """Write down what is begun, on a connection of its own, so that a crash is seen afterwards."""
        with database.autocommit(self.engine) as connection:
            connection.exec_driver_sql(_NOTE, {"shard": shard, "running": operation_ids})

    def _recover(self, shard: int) -> int:
        """Count the starts of a run that did not end, unless somebody else did; return how many operations died."""
        with database.across(self.engine) as connection:
            connection.execute(_LOCK, {"space": LOCK_SPACE, "shard": shard})
            left = connection.execute(_LOOK, {"shard": shard}).one().left
            dead = self._count(connection, left, failures.UNFINISHED)
            connection.execute(_CLEAR, {"shard": shard})
        if left:
            metrics.count(metrics.UNFINISHED)
            logger.warning("a run did not end", extra={"shard": shard, "operations": [str(i) for i in left]})
        for operation in dead:
            logger.error("operation dead", extra=_failure(operation, operation.starts, failures.UNFINISHED))
        return self._tell_dead(dead)

    def _failed(self, shard: int, attempt: Attempt, operation: Operation, error: Exception) -> int:
        """Write down a failed start whose transaction could not do so; return how many operations died."""
        with database.across(self.engine) as connection:
            connection.execute(_LOCK, {"space": LOCK_SPACE, "shard": shard})
            connection.execute(_TAKE_BACK, {"shard": shard, "running": [operation.id]})
            failure = self._keep(connection, operation, error, attempt.seconds)
        return self._tell_failed(failure)

    def _keep(self, connection: Connection, operation: Operation, error: Exception, seconds: float) -> _Failure:
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
        return _Failure(operation=operation, fault=fault, error=error, dead=dead)

    def _tell_failed(self, failure: _Failure) -> int:
        """Tell of a failed start after its commit; return how many operations died."""
        fault = failure.fault
        if not failure.dead:
            metrics.count(metrics.POSTPONED)
        logger.log(
            logging.ERROR if failure.dead else logging.WARNING,
            "operation dead" if failure.dead else "operation postponed",
            extra=_failure(failure.operation, failure.operation.starts + fault.counts, fault),
            exc_info=None if fault.is_passing else failure.error,
        )
        return self._tell_dead(failure.dead)

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


def _runs(operations: Sequence[Operation], refused: Collection[UUID]) -> list[list[Operation]]:
    """Split operations, in their order, into those that are applied together: plain creates of one tenant and type."""
    runs: list[list[Operation]] = []
    kinds: list[tuple[UUID, str] | None] = []
    for each in operations:
        is_plain = each.id not in refused and is_plain_create(each)
        kind = (each.tenant_id, each.resource_type) if is_plain else None
        if kind is not None and kinds and kinds[-1] == kind:
            runs[-1].append(each)
        else:
            runs.append([each])
            kinds.append(kind)
    return runs


def _given_up(operation: Operation) -> Outcome:
    return refusal(operation.id, InternalError("This write failed again and again, and was given up"))


def _failure(operation: Operation, starts: int, fault: Fault) -> dict[str, object]:
    return _about(operation) | {"starts": starts, "fault": fault.name}


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
