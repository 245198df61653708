"""The tasks: drain a shard, sweep up what a lost wake left behind, and keep the partitions.

A task carries a shard and never a payload. It reads the present state, so it may run twice, late, or beside itself.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from celery import Celery
from redis import Redis
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from services.directory import backoff, database, idempotency, journal, partitions, unanswered
from services.directory.drain import Drainer
from shared import logs, queue
from shared.settings import Settings

logger = logging.getLogger(__name__)

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
        def drain(shard: object = None) -> None:
            self.drain(shard)

        def sweep() -> None:
            self.sweep()

        def maintain() -> None:
            self.maintain()

        for name, task in ((queue.DRAIN, drain), (queue.SWEEP, sweep), (queue.MAINTAIN, maintain)):
            self.celery.task(task, name=name)

    def drain(self, shard: object) -> None:
        """Apply what is due in a shard. The flag is cleared first: a write that comes later rings again."""
        if not isinstance(shard, int) or isinstance(shard, bool):
            logger.warning("wake not understood")
            return
        with logs.bind(shard=str(shard)):
            queue.clear(self.redis, shard)
            try:
                self.drainer.drain(shard)
            except SQLAlchemyError as error:
                logger.warning("drain failed", extra={"fault": backoff.classify(error).name})

    def sweep(self) -> None:
        """Wake every shard that has work which is due and waits."""
        with database.transaction(self.engine) as connection:
            shards = journal.waiting_shards(connection, LOST_SECONDS)
        for shard in shards:
            queue.wake(self.celery, self.redis, shard)
        if shards:
            logger.info("swept", extra={"shards": len(shards)})

    def maintain(self) -> None:
        """Make the partitions of the coming weeks, and drop what is too old."""
        with database.transaction(self.engine) as connection:
            partitions.maintain(
                connection,
                datetime.now(UTC),
                journal_days=self.settings.journal_days,
                history_days=self.settings.history_days,
            )
            unanswered.drop_old(connection)
            idempotency.drop_old(connection)
