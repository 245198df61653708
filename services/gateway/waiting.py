"""Wait for outcomes: one listener for the process hands each to the request that waits for it.

A waiter is registered before its write is accepted, so no outcome can come too early. The messages are a fast path
only; who waits too long looks into the journal, which has every outcome.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from redis import Redis, RedisError

from shared import outcomes
from shared.outcomes import Outcome

logger = logging.getLogger(__name__)

PING_SECONDS = 5.0
RECONNECT_SECONDS = 0.2


class Waiter:
    """One request that waits for one outcome."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.outcome: Outcome | None = None
        self.is_told = False

    def tell(self, outcome: Outcome | None) -> None:
        """Hand over the outcome; None says that it is in the journal, being too large for a message."""
        self.outcome, self.is_told = outcome, True
        self._event.set()

    def wait(self, seconds: float) -> bool:
        """Wait to be told; False when the time is over."""
        return self._event.wait(seconds)


class Waiters:
    """All requests of this process that wait, by the id of their operation."""

    def __init__(self) -> None:
        self._waiting: dict[UUID, list[Waiter]] = {}

    @contextmanager
    def register(self, operation_id: UUID) -> Iterator[Waiter]:
        """Register a waiter for the duration of the block; an operation may have several."""
        waiter = Waiter()
        self._waiting[operation_id] = [*self._waiting.get(operation_id, ()), waiter]
        try:
            yield waiter
        finally:
            left = [other for other in self._waiting.pop(operation_id) if other is not waiter]
            if left:
                self._waiting[operation_id] = left

    def tell(self, operation_id: UUID, outcome: Outcome | None) -> bool:
        """Hand an outcome over; False when nobody waits for it any more."""
        waiters = self._waiting.get(operation_id, ())
        for waiter in waiters:
            waiter.tell(outcome)
        return bool(waiters)

    def __len__(self) -> int:
        return len(self._waiting)


class Listener(threading.Thread):
    """Listens on this process's channel, and connects again whenever the connection is lost."""

    def __init__(self, redis: Redis, channel: str, waiters: Waiters) -> None:
        super().__init__(name="outcome-listener", daemon=True)
        self._redis, self._channel, self._waiters = redis, channel, waiters
        self._stopped = threading.Event()
        self.is_listening = threading.Event()

    def run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._listen()
            except (RedisError, OSError, ValueError) as error:
                logger.warning("outcome channel lost", extra={"error": type(error).__name__})
            self.is_listening.clear()
            self._stopped.wait(RECONNECT_SECONDS)

    def stop(self) -> None:
        """Stop listening after the message at hand."""
        self._stopped.set()

    def _listen(self) -> None:
        with self._redis.pubsub() as channel:  # type: ignore[no-untyped-call]
            channel.subscribe(self._channel)
            heard = time.monotonic()
            while not self._stopped.is_set():
                message = channel.get_message(timeout=PING_SECONDS / 5)
                if message is not None:
                    heard = time.monotonic()
                    self._receive(message)
                elif time.monotonic() - heard > PING_SECONDS:
                    channel.ping()
                    heard = time.monotonic()

    def _receive(self, message: dict[str, object]) -> None:
        if message["type"] == "subscribe":
            self.is_listening.set()
        if message["type"] != "message" or not isinstance(message["data"], bytes):
            return
        decoded = outcomes.decode(message["data"])
        if decoded is None:
            logger.warning("outcome not understood")
        elif not self._waiters.tell(*decoded):
            logger.debug("outcome nobody waits for", extra={"operation_id": str(decoded[0])})
