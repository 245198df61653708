"""Read the queue without trusting it: what is no message of ours is counted and dropped, and stops nobody.

Bytes that are no JSON, JSON that is no message, or a task's name that is no text end Celery's main process, and a time
to begin keeps a message in its memory. So whoever can write to Redis could stop all workers, again and again. What is
handed to Celery here has the form that `shared.queue` gives it, and what it says besides is read by nobody.
"""

import logging
from collections.abc import Callable
from queue import Empty
from typing import Any

from kombu.transport import redis

from shared import metrics, queue

logger = logging.getLogger(__name__)

TASKS = frozenset({queue.DRAIN, queue.SWEEP, queue.MAINTAIN, queue.MOVE})
OURS = queue.QUEUE
CONTENT_TYPE = "application/json"
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What reading a message raises that is none."""

EMPTY_HEADERS = ("eta", "group", "chord", "stamps")
"""Headers that would make Celery do more than run the task at once."""

# Untyped classes of theirs.
_QoS: Any = redis.QoS
_Channel: Any = redis.Channel


class QoS(_QoS):  # type: ignore[misc]
    """Keeps the messages that were taken and not worked off yet."""

    def restore_by_tag(self, tag: Any, *others: Any, **named: Any) -> None:
        """Put a message back into its queue; one that cannot be read is dropped."""
        try:
            super().restore_by_tag(tag, *others, **named)
        except UNREADABLE:
            refuse("no message")
            self._remove_from_indices(tag).execute()


class Channel(_Channel):  # type: ignore[misc]
    """Reads the queue."""

    QoS = QoS
    _client: Any = None

    def basic_consume(self, queue: str, *others: Any, callback: Callable[[Any], None], **named: Any) -> Any:
        """Consume from a queue; of ours only what has our form."""

        def careful(message: Any) -> None:
            fault = find_fault(message)
            if fault is None:
                callback(message)
            else:
                refuse(fault)
                message.reject()

        return super().basic_consume(queue, *others, callback=careful if queue == OURS else callback, **named)

    def _create_client(self, asynchronous: bool = False) -> Any:
        """Return a client for single commands: always the same, where they would make one for each."""
        if asynchronous:
            return super()._create_client(asynchronous)
        if self._client is None or self._client.connection_pool is not self.pool:
            self._client = super()._create_client()
        return self._client

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)
        except UNREADABLE as error:
            refuse("no message")
            raise Empty from error


def find_fault(message: Any) -> str | None:
    """Return what is wrong with a message, or None when it is a task of ours."""
    headers = message.headers
    if message.content_type != CONTENT_TYPE:
        return "content type"
    if not isinstance(headers, dict) or not isinstance(headers.get("id"), str):
        return "form"
    if not isinstance(headers.get("task"), str) or headers["task"] not in TASKS:
        return "unknown task"
    if any(headers.get(name) for name in EMPTY_HEADERS) or any(headers.get("timelimit") or ()):
        return "form"
    return None if _has_arguments(message) else "form"


def refuse(fault: str) -> None:
    """Count a message that is none of ours; what it says is told to nobody."""
    metrics.count(metrics.MESSAGE_UNKNOWN, fault)
    logger.warning("message refused", extra={"fault": fault})


def _has_arguments(message: Any) -> bool:
    try:
        arguments, named, embedded = message.decode()
        return isinstance(arguments, list) and isinstance(named, dict) and not any(embedded.values())
    except Exception:
        return False


def install() -> None:
    """Let every connection of this process read like that."""
    redis.Transport.Channel = Channel
