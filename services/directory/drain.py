"""Drain a shard: apply its pending operations in the order of their lanes, each with exactly one effect.

The worker calls it when the bell rings, the gateway when nobody answers. An advisory lock lets one in at a time. The
effects of a batch, their history and their outcomes are one transaction; outcomes are announced after its commit. When
a batch fails it is rolled back as a whole, and its operations are run one by one to find the one that is to blame.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from uuid import UUID

from sqlalchemy import Connection, Engine

from services.directory import (
    attempts,
    backoff,
    batches,
    bulk_journal,
    failed_starts,
    failures,
    runs,
)
from services.directory.apply import Applied
from services.directory.applying import Applier
from services.directory.attempts import Attempt, Watch
from services.directory.batches import Batch, Several
from services.directory.bulk_journal import Ring
from services.directory.catalogues import Catalogues
from services.directory.failed_starts import Announce, FailedStart, FailedStarts
from services.directory.journal import Operation
from services.directory.pace import Pace
from services.directory.recent_tenants import RecentTenants
from services.directory.region_placing import Placer
from shared import metrics
from shared.outcomes import Reply

logger = logging.getLogger(__name__)

Choose = Callable[[Connection, int], Batch]
SECONDS = 0.05
"""A transaction takes several shards together as long as their operations take no longer than this."""

SHARED_SECONDS = 0.01
"""The same while several tenants have writes."""


class _UnfinishedRunError(Exception):
    """A run of this shard was begun and never ended: its process died, or its transaction was ended for it."""


class _FailedStartError(Exception):
    """An operation failed, which has been written down already, and is to be told."""

    def __init__(self, failed: FailedStart) -> None:
        super().__init__(failed.fault.name)
        self.failed = failed


class _SuspectError(Exception):
    """One of a batch failed before, or with others: alone it cannot hurt them, nor do its work for nothing."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What one step of a drain did."""

    settled: int
    is_done: bool
    """Whether nothing that is due was left."""


@dataclass(frozen=True, kw_only=True)
class Rest:
    """What a drain of several shards left: those to be advanced alone, and those to be rung for again."""

    alone: Sequence[int] = ()
    left: Sequence[int] = ()


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
    _pace: Pace = field(default_factory=Pace)
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
            died = self.failed_starts.recover(shard)
        except _SuspectError:
            pass
        except _FailedStartError as failed:
            died = self.failed_starts.tell(failed.failed)
        except Exception as error:
            if not attempt.is_begun:
                # Nobody got in, or nothing could be read: that would be so for a single operation, too.
                raise
            logger.warning("batch failed", extra={"shard": shard, "fault": backoff.classify(error).name})
        alone = self._one_by_one(shard)
        return replace(alone, settled=died + alone.settled)

    def advance_together(self, shards: Sequence[int]) -> Rest:
        """Apply what is due in several shards in as few transactions as possible, each of them short.

        A shard that others drain is waited for as `advance` does, and those that are free by then come along. Whatever
        fails, or does not fit, is left to be advanced alone. Raises nothing.
        """
        rest, alone, left, is_waiting = sorted(set(shards)), list[int](), list[int](), False
        while len(rest) > 1:
            try:
                several = self._several(rest, first=rest[0] if is_waiting else None)
            except Exception as error:
                logger.warning("batch failed", extra={"shards": rest, "fault": backoff.classify(error).name})
                break
            alone, left = [*alone, *several.alone], [*left, *several.left]
            rest, is_waiting = list(several.held), True
        return Rest(alone=[*alone, *rest], left=left)

    def _several(self, shards: Sequence[int], first: int | None) -> Several:
        """Apply what is due in those of the shards that are free, in one transaction."""
        is_shared = self._tenants.are_several()
        limit = batches.SHARED_BATCH if is_shared else batches.BATCH
        most = self._pace.within(SHARED_SECONDS if is_shared else SECONDS)
        attempt, results = Attempt(), list[Applied]()
        with self.watch() as attempt.go_on, runs.entered_several(self.engine, first) as connection:
            several = batches.of_several(connection, shards, limit, min(most, batches.BATCH))
            if several.batch.operations:
                results = self.applier.apply(connection, several.batch, attempt)
        if results:
            self._note(several.batch, attempt)
            self._tell(several.batch.operations, results)
        return several

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
                settled += self.failed_starts.recover(shard)
            except _FailedStartError as failed:
                settled += self.failed_starts.tell(failed.failed)
            except Exception as error:
                if attempt.at_work is None:
                    raise
                settled += self.failed_starts.write_down(shard, attempt, attempt.at_work, error)
            if batch is not None:
                settled += len(batch.operations)
                if batch.is_everything:
                    return Progress(settled=settled, is_done=True)
            after = batches.FROM_THE_START if attempt.at_work is None else attempt.at_work.tenant_id
        return Progress(settled=settled, is_done=False)

    def _batch(self, shard: int, choose: Choose, attempt: Attempt) -> Batch:
        """Apply what is chosen in one transaction."""
        wrong: Exception | None = None
        with self.watch() as attempt.go_on, runs.entered(self.engine, shard) as connection:
            batch = choose(connection, shard)
            attempt.is_begun = not batch.unfinished
            _refuse_suspects(batch)
            if not batch.operations:
                return batch
            if len(batch.operations) == 1:
                # Alone it is to blame for whatever fails.
                attempt.at_work = batch.operations[0]
            try:
                results = self.applier.apply(connection, batch, attempt)
            except Exception as error:
                wrong = self._kept(connection, batch, attempt, error)
        self._note(batch, attempt)
        if wrong is not None:
            raise wrong
        self._tell(batch.operations, results)
        return batch

    def _kept(self, connection: Connection, batch: Batch, attempt: Attempt, error: Exception) -> Exception:
        """Write a failure down while the lock is held: before anybody else can start the same again.

        Return what is to be raised after the commit. Raises the error itself where nobody is known to be to blame, and
        where the lock went with the connection, so that the failure is written down on another one.
        """
        fault = backoff.classify(error)
        is_known = attempt.at_work is not None or bool(attempt.together)
        if connection.invalidated or not is_known or not (fault.counts or len(batch.operations) == 1):
            raise error
        runs.go_back(connection)
        if attempt.at_work is None:
            failures.suspect(connection, [operation.id for operation in attempt.together])
            return _SuspectError()
        return _FailedStartError(self.failed_starts.keep(connection, attempt.at_work, error, attempt.seconds))

    def _note(self, batch: Batch, attempt: Attempt) -> None:
        """Remember who had writes, and how long they took."""
        self._tenants.note(batch.catalogue_versions)
        self._pace.note(attempt.seconds, len(batch.operations))

    def _tell(self, operations: Sequence[Operation], results: Sequence[Applied]) -> None:
        """Tell of outcomes after their commit."""
        ended = list(zip(operations, results, strict=True))
        self.announce([Reply(channel=operation.reply_to, outcome=result.outcome) for operation, result in ended])
        for operation, result in ended:
            metrics.count(metrics.SETTLED, f"{result.outcome.status // 100}xx")
            logger.info("operation settled", extra=failed_starts.about(operation) | {"status": result.outcome.status})
        bulk_journal.ring(self.engine, operations, self.ring)

    @property
    def applier(self) -> Applier:
        """What applies a batch."""
        return Applier(engine=self.engine, catalogues=self.catalogues, placer=self.placer)

    @property
    def failed_starts(self) -> FailedStarts:
        """What sees to starts that failed."""
        return FailedStarts(engine=self.engine, announce=self.announce, max_starts=self.max_starts, ring=self.ring)


def _refuse_suspects(batch: Batch) -> None:
    """Raise _UnfinishedRunError or _SuspectError where the operations must not run together."""
    if batch.unfinished:
        raise _UnfinishedRunError
    if len(batch.operations) > 1 and any(operation.starts or operation.delays for operation in batch.operations):
        raise _SuspectError
