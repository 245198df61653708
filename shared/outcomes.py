"""The reply channel: an operation's outcome travels from whoever applied it to the gateway process that waits.

One pub/sub channel for each gateway process. A lost message loses nothing: the journal has the outcome too. Whoever can
write to Redis could say that a write was applied, so each message is sealed with a key that Redis does not have.
"""

import hmac
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson
from redis import Redis, RedisError

from shared import metrics

logger = logging.getLogger(__name__)

LARGEST_MESSAGE = 65_536
"""A larger outcome is announced by its id alone, and read from the journal (bytes)."""

SEAL_BYTES = 32

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
    """Read an outcome from the journal; what a newer version of this code says besides is left out."""
    return Outcome(operation_id=operation_id, **{name: document[name] for name in document if name in _KNOWN})


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An outcome with the channel of the gateway process that waits for it."""

    channel: str
    outcome: Outcome


class Fault(StrEnum):
    """What is wrong with a message."""

    SIZE = "size"
    SEAL = "seal"
    FORM = "form"


class MessageError(ValueError):
    """A message is none of ours."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


def publish(redis: Redis, key: bytes, replies: Iterable[Reply]) -> bool:
    """Publish outcomes after their commit; a failure is logged, and the waiters look into the journal.

    False when nobody could be told.
    """
    try:
        pipeline = redis.pipeline(transaction=False)
        for reply in replies:
            if reply.channel == NOBODY:
                continue
            pipeline.publish(reply.channel, encode(key, reply.outcome))
        pipeline.execute()
    except RedisError as error:
        logger.warning("outcomes not published", extra={"error": type(error).__name__})
        metrics.count(metrics.UNPUBLISHED)
        return False
    return True


def encode(key: bytes, outcome: Outcome) -> bytes:
    """Encode an outcome for the channel, behind its seal; a large one becomes its bare id."""
    content = orjson.dumps({"id": str(outcome.operation_id), "outcome": outcome.document()})
    if len(content) > LARGEST_MESSAGE:
        content = orjson.dumps({"id": str(outcome.operation_id)})
    return _seal(key, content) + content


def decode(key: bytes, message: bytes) -> tuple[UUID, Outcome | None]:
    """Decode a message: the operation's id, with its outcome when it fitted.

    Raises MessageError for what is not ours; nothing of it is looked at before its seal.
    """
    if len(message) > LARGEST_MESSAGE + SEAL_BYTES:
        raise MessageError(Fault.SIZE)
    seal, content = message[:SEAL_BYTES], message[SEAL_BYTES:]
    if not hmac.compare_digest(seal, _seal(key, content)):
        raise MessageError(Fault.SEAL)
    try:
        said = orjson.loads(content)
        operation_id = UUID(said["id"])
        document = said.get("outcome")
        return operation_id, None if document is None else from_document(operation_id, document)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise MessageError(Fault.FORM) from error


def _seal(key: bytes, content: bytes) -> bytes:
    return hmac.digest(key, content, "sha256")


_KNOWN = frozenset(f.name for f in fields(Outcome)) - {"operation_id"}
