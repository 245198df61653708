"""Wait for outcomes: one listener for the process hands each to the request that waits for it.

A waiter is registered before its write is accepted, so no outcome can come too early. The messages are a fast path
only; who waits too long looks into the journal, which has every outcome. So a message that is not understood, or whose
seal is not ours, is counted and dropped.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from uuid import UUID

from redis import Redis, RedisError
from sqlalchemy.exc import SQLAlchemyError

from services.directory.keys import SharedKey
from shared import metrics, outcomes
from shared.outcomes import MessageError, Outcome

logger = logging.getLogger(__name__)

PING_SECONDS = 5.0
"""So long after the last message the connection is asked whether it lives."""

PONG_SECONDS = 2.0
"""It answers within this, or is given up: a server that froze or went away without a word never would."""

TICK_SECONDS = 1.0
RECONNECT_SECONDS = 0.2
NO_KEY = "no key"
BURST = 100
"""After so many messages without a pause the requests of this process get a turn."""

COMPLAINT_SECONDS = 10.0
"""What is refused is logged at most this often; the counters have the rest."""


class Rung(StrEnum):
    """The rung of the ladder that a waiting request was answered from."""

    MESSAGE = "message"
    LOOK = "look"
    DRAIN = "own drain"
    CANCELLED = "cancelled"
    LAST_WORD = "last word"
    UNKNOWN = "unknown"


class Waiter:
    """One request that waits for one outcome."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.outcome: Outcome | None = None
        self.is_told = False
        self.rung = Rung.MESSAGE

    def tell(self, outcome: Outcome | None, rung: Rung) -> None:
        """Hand over the outcome; None says that it is in the journal, being too large for a message."""
        if not self.is_told:
            self.outcome, self.rung, self.is_told = outcome, rung, True
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

    def tell(self, operation_id: UUID, outcome: Outcome | None, rung: Rung) -> bool:
        """Hand an outcome over; False when nobody waits for it any more."""
        waiters = self._waiting.get(operation_id, ())
        for waiter in waiters:
            waiter.tell(outcome, rung)
        return bool(waiters)

    def __len__(self) -> int:
        return len(self._waiting)


class Listener(threading.Thread):
    """Listens on this process's channel, and connects again whenever the connection is lost."""

    def __init__(self, redis: Redis, channel: str, waiters: Waiters, key: SharedKey) -> None:
        super().__init__(name="outcome-listener", daemon=True)
        self._redis, self._channel, self._waiters, self._key = redis, channel, waiters, key
        self._stopped = threading.Event()
        self._complained = -COMPLAINT_SECONDS
        self.is_listening = threading.Event()

    def run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._listen()
            except (RedisError, OSError, ValueError) as error:
                logger.warning("outcome channel lost", extra={"error": type(error).__name__})
                metrics.count(metrics.CHANNEL_LOST)
            self.is_listening.clear()
            self._stopped.wait(RECONNECT_SECONDS)

    def stop(self) -> None:
        """Stop listening after the message at hand."""
        self._stopped.set()

    def _listen(self) -> None:
        with self._redis.pubsub() as channel:  # type: ignore[no-untyped-call]
            channel.subscribe(self._channel)
            heard, asked = time.monotonic(), time.monotonic()
            messages = 0
            while not self._stopped.is_set():
                message = channel.get_message(timeout=TICK_SECONDS)
                now = time.monotonic()
                if message is not None:
                    heard, messages = now, messages + 1
                    self._receive(message)
                    if messages % BURST == 0:
                        time.sleep(0)
                elif heard <= asked < now - PONG_SECONDS:
                    raise TimeoutError
                elif heard > asked and now - heard > PING_SECONDS:
                    channel.ping()
                    asked = now

    def _receive(self, message: dict[str, object]) -> None:
        if message["type"] == "subscribe":
            self.is_listening.set()
        if message["type"] != "message" or not isinstance(message["data"], bytes):
            return
        try:
            operation_id, outcome = outcomes.decode(self._key.value(), message["data"])
        except MessageError as error:
            self._refuse(error.fault)
        except SQLAlchemyError:
            self._refuse(NO_KEY)
        else:
            if not self._waiters.tell(operation_id, outcome, Rung.MESSAGE):
                metrics.count(metrics.LATE)
                logger.debug("outcome nobody waits for", extra={"operation_id": str(operation_id)})

    def _refuse(self, fault: str) -> None:
        metrics.count(metrics.FORGED, fault)
        if time.monotonic() - self._complained > COMPLAINT_SECONDS:
            self._complained = time.monotonic()
            logger.warning("outcome not understood", extra={"fault": fault})
