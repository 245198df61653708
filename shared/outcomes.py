"""The reply channel: an operation's outcome travels from whoever applied it to the gateway process that waits.

One pub/sub channel for each gateway process. A lost message loses nothing: the journal has the outcome too.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from redis import Redis, RedisError

logger = logging.getLogger(__name__)

LARGEST_MESSAGE = 65_536
"""A larger outcome is announced by its id alone, and read from the journal (bytes)."""


NOBODY = ""
"""The channel of a write whose client does not wait: its outcome is kept in the journal and not announced."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an operation ended in: the resource as the directory then held it, or the error."""

    operation_id: UUID
    status: int
    resource: dict[str, Any] | None = None
    is_complete: bool = True
    """Whether `resource` has all members; a large group's are not echoed for one that was added."""
    scim_type: str | None = None
    detail: str | None = None
    tolerances: Sequence[str] | None = None
    """The names of those that it took to apply the operation; parsing it may have taken others."""

    def document(self) -> dict[str, Any]:
        """Return the outcome as JSON, for the journal."""
        return {name: value for name, value in vars(self).items() if value is not None and name != "operation_id"}


def from_document(operation_id: UUID, document: dict[str, Any]) -> Outcome:
    """Read an outcome from the journal."""
    return Outcome(operation_id=operation_id, **document)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An outcome with the channel of the gateway process that waits for it."""

    channel: str
    outcome: Outcome


def publish(redis: Redis, replies: Iterable[Reply]) -> None:
    """Publish outcomes after their commit; a failure is logged, and the waiters look into the journal."""
    try:
        pipeline = redis.pipeline(transaction=False)
        for reply in replies:
            if reply.channel == NOBODY:
                continue
            pipeline.publish(reply.channel, encode(reply.outcome))
        pipeline.execute()
    except RedisError as error:
        logger.warning("outcomes not published", extra={"error": type(error).__name__})


def encode(outcome: Outcome) -> bytes:
    """Encode an outcome for the channel; a large one becomes its bare id."""
    message = orjson.dumps({"id": str(outcome.operation_id), "outcome": outcome.document()})
    if len(message) > LARGEST_MESSAGE:
        return orjson.dumps({"id": str(outcome.operation_id)})
    return message


def decode(message: bytes) -> tuple[UUID, Outcome | None] | None:
    """Decode a message: the operation's id, with its outcome when it fitted. None for what is not ours."""
    try:
        fields = orjson.loads(message)
        operation_id = UUID(fields["id"])
        document = fields.get("outcome")
        return operation_id, None if document is None else from_document(operation_id, document)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
