"""Keep the operations whose outcome their clients have not heard, so that one that is sent again is recognised.

A row is written with the operation and removed when the answer is on its way. One whose client or gateway process was
gone by then stays: its reply is *lost*. The same write sent again takes it over (docs/decisions/0019-lost-replies.md).
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson
from sqlalchemy import ARRAY, Connection, Uuid, bindparam, text

from services.directory.journal import State, Write

KEPT_HOURS = 24
"""For so long after it was accepted a write that is sent again is recognised."""

LONGEST_ANSWER_SECONDS = 120
"""No request takes so long: who was to answer for longer than this will not."""

_FIND = text("""
SELECT u.operation_id, u.answering, u.since, o.shard, o.state, o.status,
       u.since < clock_timestamp() - make_interval(secs => :longest) AS is_overdue,
       EXISTS (SELECT FROM operation later
               WHERE later.lane = o.lane AND later.seq > o.seq AND later.id <> ALL(:but)
                 AND (later.state = 'pending' OR later.status < 300)) AS is_outdated
FROM unanswered u JOIN operation o ON o.id = u.operation_id
WHERE u.digest = :digest AND u.operation_id <> ALL(:but)
  AND o.accepted_at > clock_timestamp() - make_interval(hours => :hours)
ORDER BY o.status < 300 DESC NULLS LAST, u.operation_id
""").bindparams(bindparam("but", type_=ARRAY(Uuid)))
_TAKE_OVER = text("""
UPDATE unanswered SET answering = :answering, since = clock_timestamp() WHERE operation_id = :id AND since = :since
""")
# Committed without waiting for the disk: a row that comes back with a crash of the server is one reply told twice.
_REMOVE = text("""
WITH quick AS (SELECT set_config('synchronous_commit', 'off', true))
DELETE FROM unanswered USING quick WHERE operation_id = ANY(:ids)
""").bindparams(bindparam("ids", type_=ARRAY(Uuid)))
_ABANDON = text("""
WITH quick AS (SELECT set_config('synchronous_commit', 'off', true))
UPDATE unanswered SET answering = NULL FROM quick WHERE operation_id = ANY(:ids) AND answering = :answering
""").bindparams(bindparam("ids", type_=ARRAY(Uuid)))
_SWEEP = text("DELETE FROM unanswered WHERE since < clock_timestamp() - make_interval(hours => :hours)")


@dataclass(frozen=True, kw_only=True)
class Unanswered:
    """An operation whose client has not heard the outcome: who is to answer it, and since when."""

    operation_id: UUID
    shard: int
    answering: int | None
    since: datetime
    is_overdue: bool
    """Its process will not answer it any more, even if it lives."""
    can_be_told: bool
    """It succeeded, or is pending, and nothing came after it in its lane."""


def digest(write: Write, *, is_async: bool) -> bytes:
    """Return what a write has in common with itself sent again; a POST has a new lane each time.

    Passwords are hashed by now, slowly and the same each time, so this tells no more of one than its hash does.
    """
    lane = None if write.method == "POST" else write.lane
    parts = [write.token_id, write.method, write.resource_type, lane, write.if_match, is_async, write.request]
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).digest()


def find(connection: Connection, digest: bytes, but: Collection[UUID]) -> Sequence[Unanswered]:
    """Return the operations of this digest but for some; what succeeded comes first."""
    rows = connection.execute(
        _FIND, {"digest": digest, "but": list(but), "longest": LONGEST_ANSWER_SECONDS, "hours": KEPT_HOURS}
    )
    return [
        Unanswered(
            operation_id=row.operation_id,
            shard=row.shard,
            answering=row.answering,
            since=row.since,
            is_overdue=row.is_overdue,
            can_be_told=not row.is_outdated and (row.state == State.PENDING.value or _has_succeeded(row.status)),
        )
        for row in rows
    ]


def take_over(connection: Connection, found: Unanswered, answering: int) -> bool:
    """Let another process answer an operation; False when somebody else has taken it over or answered it."""
    values = {"id": found.operation_id, "since": found.since, "answering": answering}
    return connection.execute(_TAKE_OVER, values).rowcount == 1


def remove(connection: Connection, operation_ids: Collection[UUID]) -> None:
    """Note that clients have heard of these operations, or never need to."""
    connection.execute(_REMOVE, {"ids": list(operation_ids)})


def abandon(connection: Connection, operation_ids: Collection[UUID], answering: int) -> None:
    """Note that this process could not answer these operations, and will not."""
    connection.execute(_ABANDON, {"ids": list(operation_ids), "answering": answering})


def drop_old(connection: Connection) -> int:
    """Drop what nobody asked for in time; return how many they were."""
    return connection.execute(_SWEEP, {"hours": KEPT_HOURS}).rowcount


def _has_succeeded(status: int | None) -> bool:
    return status is not None and status < 300
