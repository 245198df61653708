"""Let the worker connect again where Celery would end, wait, or keep what it does not need any more.

When Redis dies while a message is being worked off, kombu closes its connection, wants to put the message back, and
looks for the address of the connection that it has just forgotten (celery/kombu#582). That AttributeError ends Celery's
main process. And when a full Redis refuses the first command of a new connection, Celery tries the next one without
closing it, until there are no more files. No message is worth a worker: wakes may be lost, the journal is the truth.

A process of the pool that leaves waits until its parent has read all of its results. After a lost connection the parent
has counted fewer than there were, so it would wait for 30 s, each time, for nothing.
"""

from typing import Any

from billiard import pool
from kombu.transport import TRANSPORT_ALIASES, redis

LEAVING_TENTHS = 20
"""Tenths of a second in which results can be read."""

# An untyped class of theirs.
_Transport: Any = redis.Transport


class Transport(_Transport):  # type: ignore[misc]
    """kombu's way to Redis."""

    connection_errors = (*_Transport.connection_errors, AttributeError)

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Begin to listen; a connection that refuses it is closed."""
        try:
            super().register_with_event_loop(connection, loop)
        except Exception:
            self.client.close()
            raise


def install() -> None:
    """Let every connection of this process be like that, and its children leave in time."""
    pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = LEAVING_TENTHS
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:{Transport.__name__}"
