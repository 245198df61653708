"""Let the worker connect again where Celery would end, for one fault of kombu's.

When Redis dies while a message is being worked off, kombu closes its connection, wants to put the message back, and
looks for the address of the connection that it has just forgotten (celery/kombu#582). That AttributeError ends Celery's
main process. No message is worth a worker: wakes may be lost, the journal is the truth.
"""

from typing import Any

from kombu.transport import redis

# An untyped class of theirs.
_Transport: Any = redis.Transport


def install() -> None:
    """Let every connection of this process be opened again after such an error."""
    _Transport.connection_errors = (*_Transport.connection_errors, AttributeError)
