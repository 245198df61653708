"""Let the worker connect again where Celery would end, and leave where it would wait, after a lost connection.

When Redis dies while a message is being worked off, kombu closes its connection, wants to put the message back, and
looks for the address of the connection that it has just forgotten (celery/kombu#582). That AttributeError ends Celery's
main process. No message is worth a worker: wakes may be lost, the journal is the truth.

A process of the pool that leaves waits until its parent has read all of its results. After a lost connection the parent
has counted fewer than there were, so it would wait for 30 s, each time, for nothing.
"""

from typing import Any

from billiard import pool
from kombu.transport import redis

# An untyped class of theirs.
_Transport: Any = redis.Transport


LEAVING_TENTHS = 20
"""Tenths of a second in which results can be read."""


def install() -> None:
    """Let every connection of this process be opened again after such an error, and its children leave in time."""
    pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = LEAVING_TENTHS
    _Transport.connection_errors = (*_Transport.connection_errors, AttributeError)
