"""Decide about dead operations: replay one, as a new operation at the end of its lane, or discard it for good."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Connection, Row, Uuid, bindparam, text

from services.directory import ids
from services.directory.journal import State
from shared.outcomes import NOBODY


class DecisionError(ValueError):
    """An operation cannot be replayed or discarded; the text says why, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """What must be known before an operation is replayed or discarded."""

    id: UUID
    tenant: str
    method: str
    resource_type: str
    lane: UUID
    error: str | None
    later: int
    """Writes of the same resource that were accepted after it and applied."""
    refusal: str | None
    """Why nothing can be decided about it."""


@dataclass(frozen=True, kw_only=True)
class Replay:
    """The new operation that stands for a dead one, and the shard to wake for it."""

    id: UUID
    of: UUID
    shard: int


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where an operation stands: its state, and what it ended in."""

    id: UUID
    state: State
    status: int | None
    detail: str | None
    last_error: str | None

    @property
    def is_applied(self) -> bool:
        """Whether the write has taken effect."""
        return self.state is State.SETTLED and (self.status or 0) < 400


_LOOK = text("""
SELECT o.id, t.slug AS tenant, o.method, o.resource_type, o.lane, o.seq, o.state, o.status, o.last_error,
       (SELECT count(*) FROM operation l
        WHERE l.lane = o.lane AND l.seq > o.seq AND l.state = 'settled' AND l.status < 400) AS later,
       r.id AS replay, r.state AS replay_state, r.status AS replay_status
FROM operation o
JOIN tenant t ON t.id = o.tenant_id
LEFT JOIN LATERAL (SELECT id, state, status FROM operation r
                   WHERE r.lane = o.lane AND r.replay_of = o.id AND r.state NOT IN ('dead', 'discarded')
                   ORDER BY r.seq DESC LIMIT 1) r ON true
WHERE o.id = ANY(:ids)
ORDER BY o.position
""").bindparams(bindparam("ids", type_=ARRAY(Uuid)))
_LOCK = text("SELECT FROM operation WHERE id = :id FOR UPDATE")

# As an accept does it: the lane's row is locked before its number and the position are drawn, until the commit. The
# lane is there, even if what made it is the operation that died.
_REPLAY = text("""
WITH grown AS (
  UPDATE lane SET seq = seq + 1 WHERE id = (SELECT lane FROM operation WHERE id = :of) RETURNING id, shard, seq
)
INSERT INTO operation (id, tenant_id, token_id, request_id, resource_type, lane, seq, shard, position, method, request,
                       if_match, reply_to, accepted_at, replay_of, is_urgent)
SELECT :id, o.tenant_id, o.token_id, o.request_id, o.resource_type, o.lane, g.seq, g.shard,
       nextval('operation_position'), o.method, o.request, o.if_match, :reply_to, clock_timestamp(), o.id,
       o.is_urgent
FROM operation o JOIN grown g ON g.id = o.lane
WHERE o.id = :of
RETURNING shard
""")
_DISCARD = text("""
UPDATE operation
SET state = 'discarded', discarded_at = clock_timestamp(), discarded_by = :by, discarded_why = :why
WHERE id = :id
""")
_STANDINGS = text("""
SELECT id, state, status, outcome ->> 'detail' AS detail, last_error FROM operation WHERE id = ANY(:ids)
""").bindparams(bindparam("ids", type_=ARRAY(Uuid)))


def cases(connection: Connection, operation_ids: Sequence[UUID]) -> list[Case]:
    """Return what is to know about operations, in the order of their lanes; what does not exist is left out."""
    return [_case(row) for row in connection.execute(_LOOK, {"ids": list(operation_ids)})]


def replay(connection: Connection, operation_id: UUID, known_later: int) -> Replay:
    """Accept a dead operation anew; its token and its request stay its own, and nobody waits for it.

    Raises DecisionError, also when more later writes were applied than whoever decided knew of.
    """
    found = _lock(connection, operation_id)
    if found.later > known_later:
        raise DecisionError("later writes of this resource were applied in the meantime: look at it again")
    new_id = ids.new()
    accepted = connection.scalars(_REPLAY, {"id": new_id, "of": operation_id, "reply_to": NOBODY})
    return Replay(id=new_id, of=operation_id, shard=accepted.one())


def discard(connection: Connection, operation_id: UUID, *, by: str, why: str) -> None:
    """Give up a dead operation for good. Raises DecisionError."""
    _lock(connection, operation_id)
    connection.execute(_DISCARD, {"id": operation_id, "by": by, "why": why})


def standings(connection: Connection, operation_ids: Sequence[UUID]) -> list[Standing]:
    """Return where operations stand, in no order."""
    rows = connection.execute(_STANDINGS, {"ids": list(operation_ids)}).mappings()
    return [Standing(**{**row, "state": State(row["state"])}) for row in rows]


def _lock(connection: Connection, operation_id: UUID) -> Case:
    """Return an operation that nobody else decides about until the end of the transaction. Raises DecisionError."""
    connection.execute(_LOCK, {"id": operation_id})
    found = cases(connection, [operation_id])
    if not found:
        raise DecisionError("there is no such operation any more")
    if found[0].refusal is not None:
        raise DecisionError(found[0].refusal)
    return found[0]


def _case(row: Row[Any]) -> Case:
    return Case(
        id=row.id,
        tenant=row.tenant,
        method=row.method,
        resource_type=row.resource_type,
        lane=row.lane,
        error=row.last_error,
        later=row.later,
        refusal=_refusal(row),
    )


_NOT_DEAD = {
    State.PENDING: "it is pending, and still tried by itself",
    State.SETTLED: "it is settled: it was applied or refused, and its client was told",
    State.CANCELLED: "it is cancelled: its client was told 503, and sends it again",
    State.DISCARDED: "it is discarded already",
}


def _refusal(row: Row[Any]) -> str | None:
    if row.state != State.DEAD:
        return f"{_NOT_DEAD[State(row.state)]}; only dead operations can be retried or discarded"
    if row.replay is not None:
        ended = f"{row.replay_state}, with status {row.replay_status}" if row.replay_status else row.replay_state
        return f"it was replayed already, as {row.replay}, which is {ended}"
    return None
