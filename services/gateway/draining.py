"""A process that drains one shard and ends: what kills it kills no request.

Usage: python -m services.gateway.draining SHARD. A gateway starts it with its own environment.
"""

import os
import sys
import time
from collections.abc import Sequence
from functools import partial

from sqlalchemy import Engine

from services.directory import announcing, database, hanging, tenancy
from services.directory.announcing import Announcer
from services.directory.counters import CounterWriter
from services.directory.drain import Drainer
from services.directory.keys import SharedKey
from services.gateway.reach import Reach
from shared import logs, metrics, queue
from shared import settings as settings_module
from shared.outcomes import Reply
from shared.settings import Settings

LONGEST_SECONDS = 10.0
"""After this it begins no other batch. Whoever started it looks whether there is more."""


def main() -> None:
    """Drain the shard that the command line names."""
    settings = settings_module.load_complete(os.environ)
    logs.configure(settings.log_level, "gateway")
    counters = CounterWriter(_engine(settings, pool_size=1), metrics.BOOK)
    try:
        drain(_drainer(settings), int(sys.argv[1]))
    finally:
        counters.flush()


def drain(drainer: Drainer, shard: int) -> None:
    """Drain until nothing is due, or the time is over. Raises DBAPIError when the database cannot be reached."""
    end = time.monotonic() + LONGEST_SECONDS
    while not drainer.advance(shard).is_done and time.monotonic() < end:
        pass


def _drainer(settings: Settings) -> Drainer:
    """Return a drainer like a worker's. A Redis that does not answer is left alone: who waits looks by himself."""
    engine, redis, celery = _engine(settings, pool_size=4), queue.redis_client(settings), queue.create(settings)
    announcer, reach = Announcer(redis=redis, key=SharedKey(engine, announcing.SEAL)), Reach()

    def announce(replies: Sequence[Reply]) -> None:
        if replies:
            reach.attempt(partial(announcer.publish, replies))

    def ring(shard: int) -> bool:
        return reach.attempt(partial(queue.wake, celery, redis, shard))

    return Drainer(engine=engine, announce=announce, max_starts=settings.max_starts, ring=ring, watch=hanging.watched)


def _engine(settings: Settings, pool_size: int) -> Engine:
    return database.connect(settings.database_url, process="gateway", pool_size=pool_size, role=tenancy.WORK)


if __name__ == "__main__":
    main()
