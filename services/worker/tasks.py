"""The tasks: drain a shard, sweep up what a lost wake left behind, move people, and keep the partitions.

A task carries a shard and never a payload. It reads the present state, so it may run twice, late, or beside itself.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from celery import Celery
from redis import Redis
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from services.directory import (
    assertions,
    backoff,
    database,
    idempotency,
    journal,
    partitions,
    sealing,
    signing_keys,
    tokens,
    unanswered,
)
from services.directory.drain import Drainer
from services.directory.region_moving import Mover
from shared import logs, metrics, queue
from shared.settings import Settings

logger = logging.getLogger(__name__)

LARGEST_SHARD = 2**31 - 1
"""A shard is an integer in the database; there need not be any work in it."""

LOST_SECONDS = 1.0
"""Work that waits longer than this without being held was not woken, or its wake was lost."""


@dataclass(frozen=True, kw_only=True)
class Tasks:
    """The tasks of a worker, with what they need."""

    settings: Settings
    engine: Engine
    redis: Redis
    drainer: Drainer
    celery: Celery

    def register(self) -> None:
        """Make the tasks known to Celery under the names that `shared.queue` gives them."""

        # Celery makes methods of what it is given, so it is given plain functions.
        # A newer version of this code may say more, which this one need not know.
        def drain(shard: object = None, *_: object, patient: object = None, also: object = None, **__: object) -> None:
            self.drain([shard, *(also if isinstance(also, list) else ())], is_patient=patient is True)

        def sweep(*_: object, **__: object) -> None:
            self.sweep()

        def maintain(*_: object, **__: object) -> None:
            self.maintain()

        def move(*_: object, **__: object) -> None:
            self.move()

        tasks = {queue.DRAIN: drain, queue.SWEEP: sweep, queue.MAINTAIN: maintain, queue.MOVE: move}
        for name, task in tasks.items():
            self.celery.task(task, name=name)

    def drain(self, shards: Sequence[object], *, is_patient: bool) -> None:
        """Drain the shards that a wake names, together as far as possible; what is none is left out.

        The flags of this wake are cleared first: a write that comes later rings again.
        """
        named = [_shard(said) for said in shards[: queue.TOGETHER]]
        known = [shard for shard in named if shard is not None]
        if None in named:
            logger.warning("wake not understood")
            metrics.count(metrics.WAKE_UNKNOWN)
        queue.clear(self.redis, known, is_patient=is_patient)
        rest = self.drainer.advance_together(known)
        if rest.left:
            queue.wake_all(self.celery, self.redis, rest.left)
        for shard in rest.alone:
            self._drain(shard)

    def _drain(self, shard: int) -> None:
        """Apply a batch of what is due in a shard, and ring again for the rest: so shards have their turns, too.

        The rest of a backlog is patient: a write that comes now is heard before it.
        """
        with logs.bind(shard=str(shard)):
            try:
                progress = self.drainer.advance(shard)
            except SQLAlchemyError as error:
                logger.warning("drain failed", extra={"fault": backoff.classify(error).name})
                return
            if not progress.is_done:
                queue.wake(self.celery, self.redis, shard, is_patient=True)

    def sweep(self) -> None:
        """Wake every shard that has work which is due and waits."""
        queue.tell_swept(self.redis, self.settings)
        try:
            with database.across(self.engine) as connection:
                released = journal.release_far_ones(connection)
                shards = journal.waiting_shards(connection, LOST_SECONDS)
        except SQLAlchemyError as error:
            logger.warning("sweep failed", extra={"fault": backoff.classify(error).name})
            return
        for shard in shards:
            queue.wake(self.celery, self.redis, shard)
        if released:
            logger.warning("clock was set back", extra={"operations": released})
        if shards:
            metrics.count(metrics.SWEPT, times=len(shards))
            logger.info("swept", extra={"shards": len(shards)})
        self._seal()
        self.move()

    def move(self) -> None:
        """Journal the next moves of those whom new rules put elsewhere, and go on behind everything else."""
        mover = Mover(engine=self.engine, shards=self.settings.shards, wake=self._wake_patiently)
        try:
            is_worth_while = mover.advance()
        except SQLAlchemyError as error:
            logger.warning("moving failed", extra={"fault": backoff.classify(error).name})
            return
        if is_worth_while:
            queue.go_on_moving(self.celery)

    def _wake_patiently(self, shard: int) -> None:
        queue.wake(self.celery, self.redis, shard, is_patient=True)

    def _seal(self) -> None:
        """Take what tokens changed into the audit; what fails is done the next time."""
        try:
            sealing.seal(self.engine)
        except SQLAlchemyError as error:
            logger.warning("sealing failed", extra={"fault": backoff.classify(error).name})

    def maintain(self) -> None:
        """Make the partitions of the coming weeks, drop what is too old, replace keys, warn of tokens that end soon."""
        try:
            with database.across(self.engine) as connection:
                partitions.maintain(connection, datetime.now(UTC), keep=partitions.kept(self.settings))
                unanswered.drop_old(connection)
                idempotency.drop_old(connection)
                assertions.drop_old(connection)
            with database.transaction(self.engine) as connection:
                made = signing_keys.maintain(connection, timedelta(days=self.settings.key_days))
            with database.across(self.engine) as connection:
                soon = tokens.ending(connection)
        except SQLAlchemyError as error:
            logger.warning("maintenance failed", extra={"fault": backoff.classify(error).name})
            return
        for kid in made:
            logger.info("signing key made", extra={"kid": kid})
        for each in soon:
            about = {"tenant": each.tenant, "token_id": str(each.id), "token": each.name, "days": each.days}
            logger.warning("token ends soon", extra=about)


def _shard(said: object) -> int | None:
    """Return the shard that a wake names, or None when it names nothing that can be one."""
    if not isinstance(said, int) or isinstance(said, bool) or not 0 <= said <= LARGEST_SHARD:
        return None
    return said
