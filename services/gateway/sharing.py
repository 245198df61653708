"""Share the counts of limits with the other gateway processes, through Redis and off the path of requests.

Requests decide by what this process knows. A few times a second it tells what it counted, and hears the totals. While
Redis is away, or frozen, nobody waits for it: each process has its share of every limit then. A process that is alone
has nothing to share, and only tells that it is there.
"""

import logging
import threading
import time
from collections.abc import Sequence
from uuid import uuid4

from limits.storage import RedisStorage
from redis import Redis, RedisError

from services.gateway.windows import Unshared, Windows
from shared import metrics

logger = logging.getLogger(__name__)

SHARE_SECONDS = 0.2
TELL_SECONDS = 1.0
GONE_SECONDS = 5.0
"""A process that told nothing for so long is gone; counts that were last shared so long ago are not shared."""

PAUSE_SECONDS = 2.0
"""After a failure Redis is left alone for so long."""

MOST = 200
"""Counts that are told at a time, for each limit."""

PROCESSES = "gateways"


class Sharing(threading.Thread):
    """Knows how many gateway processes there are, and adds up what they count."""

    def __init__(self, redis: Redis, processes: int) -> None:
        super().__init__(name="sharing", daemon=True)
        self._redis, self._name = redis, str(uuid4())
        self._storage = RedisStorage("redis://", connection_pool=redis.connection_pool, key_prefix="limit")
        self._windows: Sequence[Windows] = ()
        self._known, self._heard_at, self._told_at = processes, -GONE_SECONDS, -GONE_SECONDS
        self._again_at = 0.0
        self._stopped = threading.Event()

    def share(self, windows: Sequence[Windows]) -> None:
        """Share these from now on."""
        self._windows = windows

    def processes(self) -> int:
        """Return by how many a limit is to be divided: 1 as long as the counts are shared."""
        return 1 if time.monotonic() - self._heard_at < GONE_SECONDS else self._known

    def run(self) -> None:
        while not self._stopped.wait(SHARE_SECONDS):
            if time.monotonic() >= self._again_at:
                self.exchange()

    def stop(self) -> None:
        """Stop after the exchange at hand."""
        self._stopped.set()

    def exchange(self) -> None:
        """Tell what was counted, and hear the totals; after a failure that waits until the next time."""
        try:
            if time.monotonic() - self._told_at >= TELL_SECONDS:
                self._tell()
            if self._known > 1:
                for windows in self._windows:
                    for each in windows.unshared(MOST):
                        windows.note(each, self._add(windows, each))
        except RedisError as error:
            self._again_at = time.monotonic() + PAUSE_SECONDS
            metrics.count(metrics.UNSHARED)
            logger.warning("limits not shared", extra={"error": type(error).__name__})
            return
        self._heard_at = time.monotonic()

    def _tell(self) -> None:
        """Tell that this process is there, and hear who else is."""
        now = time.time()
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.zadd(PROCESSES, {self._name: now})
            pipeline.zremrangebyscore(PROCESSES, 0, now - GONE_SECONDS)
            pipeline.zcard(PROCESSES)
            *_, count = pipeline.execute()
        self._known, self._told_at = max(1, int(count)), time.monotonic()

    def _add(self, windows: Windows, told: Unshared) -> int:
        key = windows.item.key_for(told.key, str(told.number))
        return self._storage.incr(key, 2 * windows.item.get_expiry(), told.more)
