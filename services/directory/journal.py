"""The journal: every accepted write, its place in its resource's lane, and what it ended in.

A lane's row is locked from the moment it gives a `seq` until the accept commits, so that the order of `seq` in a lane
is the order of commits. `position` is drawn under the same lock: within a lane it rises with `seq`, and over all lanes
it says which operation waits longest.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID
from zlib import crc32

import orjson
from sqlalchemy import ColumnElement, Connection, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from services.directory import backoff, tables
from shared import outcomes
from shared.outcomes import Outcome


class State(StrEnum):
    """Where an operation stands; only a pending one is ever applied."""

    PENDING = "pending"
    SETTLED = "settled"
    CANCELLED = "cancelled"
    DEAD = "dead"
    DISCARDED = "discarded"


@dataclass(frozen=True, kw_only=True)
class Write:
    """A write that the gateway wants to be accepted."""

    id: UUID
    tenant_id: UUID
    token_id: UUID
    request_id: str
    resource_type: str
    lane: UUID
    method: str
    request: Any
    if_match: str | None
    reply_to: str
    is_urgent: bool = False
    """Whether it takes somebody's access away: such a write overtakes those of other resources of its tenant."""
    digest: bytes | None = None
    """What it shares with the same write sent again; None when nobody is to recognise it."""
    key: bytes | None = None
    """The digest of the key by which its client recognises it."""
    is_new: bool = False
    """It is known not to be an earlier one sent again."""
    wave: int | None = None
    """In a bulk request that nobody waits for: it is begun when all operations of earlier waves have ended."""
    needs: Sequence[UUID] | None = None
    """The operations of that request that must have succeeded."""
    bulk_id: str | None = None
    mentions: frozenset[str] = frozenset()
    """The attributes that it says something of; not kept in the journal."""


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """What became of writes that were to be accepted: the shards of those in the journal, by their ids.

    One that may be an earlier one sent again is among the `repeated` and not in the journal. One in neither names a
    resource that never existed.
    """

    shards: Mapping[UUID, int]
    repeated: Collection[UUID]


@dataclass(frozen=True, kw_only=True)
class Operation(Write):
    """A journaled write: its place in its lane, and how often it was started."""

    seq: int
    shard: int
    accepted_at: datetime
    starts: int
    delays: int
    not_before: datetime | None


def shard_of(lane: UUID, shards: int) -> int:
    """Return the shard that a new lane is born into; it keeps it when the number of shards changes."""
    return crc32(lane.bytes) % shards


# One statement accepts any number of writes. A POST makes its lane; every other method needs one of its tenant, and
# without it nothing is written and nothing returned. Lane rows are locked in the order of their ids, so that two of
# these statements cannot deadlock, and a lane that occurs twice gets two numbers. What may be an earlier write sent
# again is left out, and what is accepted is noted as unanswered (docs/decisions/0019-lost-replies.md). What is sent is
# one JSON document: to make arrays of it would cost this process more than all the rest of an accept.
_ACCEPT = """
WITH sent AS (
  SELECT * FROM json_to_recordset(cast(%(writes)s AS json)) AS i(
    ordinal integer, id uuid, tenant_id uuid, token_id uuid, request_id text, resource_type text, lane uuid,
    shard integer, method text, request jsonb, if_match text, reply_to text, digest bytea, is_new boolean,
    wave integer, needs uuid[], bulk_id text, is_urgent boolean)
), repeated AS (
  SELECT s.id FROM sent s
  WHERE NOT s.is_new AND EXISTS (SELECT FROM unanswered u WHERE u.digest = s.digest AND u.operation_id <> s.id)
), incoming AS (
  SELECT * FROM sent WHERE id NOT IN (SELECT id FROM repeated)
), born AS (
  INSERT INTO lane (id, tenant_id, shard, seq)
  SELECT lane, tenant_id, shard, (SELECT count(*) FROM incoming i WHERE i.lane = p.lane AND i.tenant_id = p.tenant_id)
  FROM incoming p WHERE method = 'POST' ORDER BY lane
  RETURNING id, tenant_id, shard, seq
), locked AS (
  SELECT id, tenant_id FROM lane WHERE id IN (SELECT lane FROM incoming WHERE method <> 'POST') ORDER BY id FOR UPDATE
), grown AS (
  UPDATE lane AS l SET seq = l.seq + n.writes
  FROM (SELECT i.lane, i.tenant_id, count(*) AS writes
        FROM incoming i JOIN locked k ON k.id = i.lane AND k.tenant_id = i.tenant_id
        WHERE i.method <> 'POST' GROUP BY i.lane, i.tenant_id) AS n
  WHERE l.id = n.lane
  RETURNING l.id, l.tenant_id, l.shard, l.seq
), placed AS (
  SELECT i.*, b.shard AS lane_shard,
         b.seq - count(*) OVER (PARTITION BY i.lane) + row_number() OVER (PARTITION BY i.lane ORDER BY i.ordinal) AS seq
  FROM incoming i
  JOIN (SELECT * FROM born UNION ALL SELECT * FROM grown) b ON b.id = i.lane AND b.tenant_id = i.tenant_id
  ORDER BY i.ordinal
), written AS (
  INSERT INTO operation (id, tenant_id, token_id, request_id, resource_type, lane, seq, shard, position, method,
                         request, if_match, reply_to, accepted_at, wave, needs, bulk_id, is_urgent)
  SELECT id, tenant_id, token_id, request_id, resource_type, lane, seq, lane_shard, nextval('operation_position'),
         method, coalesce(request, 'null'), if_match, reply_to, clock_timestamp(), wave, needs, bulk_id, is_urgent
  FROM placed
  RETURNING id, shard
), noted AS (
  INSERT INTO unanswered (operation_id, digest, answering, since)
  SELECT id, digest, cast(%(answering)s AS integer), clock_timestamp() FROM placed WHERE digest IS NOT NULL
)
SELECT id, shard FROM written UNION ALL SELECT id, NULL FROM repeated
"""

# The ids lie between two parameters, so that only the partitions are opened in which they can be. The run of a shard
# ends with its outcomes; who settles without a run names no shard. What had an effect waits to be taken into the audit
# (docs/decisions/0030-audit.md).
_SETTLE = """
WITH ended AS (
  SELECT * FROM json_to_recordset(cast(%(outcomes)s AS json)) AS s(id uuid, status integer, outcome jsonb)
), run AS (
  UPDATE shard SET running = '{}', settled = settled + r.number
  FROM json_to_recordset(cast(%(runs)s AS json)) AS r(id integer, number integer) WHERE shard.id = r.id
), done AS (
  UPDATE operation o
  SET state = 'settled', status = s.status, outcome = s.outcome, settled_at = clock_timestamp(), starts = o.starts + 1,
      not_before = NULL
  FROM ended s
  WHERE o.id = s.id AND o.state = 'pending' AND o.id BETWEEN %(first)s AND %(last)s
  RETURNING o.id, o.tenant_id, o.status
), noted AS (
  INSERT INTO unsealed (operation_id, tenant_id) SELECT id, tenant_id FROM done WHERE status < 300
), recorded AS (
  INSERT INTO history (at, tenant_id, resource_type, resource_id, kind, changes, operation_id, token_id, request_id)
  SELECT * FROM json_to_recordset(cast(%(entries)s AS json)) AS e(
    at timestamptz, tenant_id uuid, resource_type text, resource_id uuid, kind text, changes jsonb, operation_id uuid,
    token_id uuid, request_id text)
)
SELECT count(*) FROM done
"""


def accept(connection: Connection, writes: Sequence[Write], shards: int, answering: int | None = None) -> Accepted:
    """Append writes to the journal, each at the end of its lane.

    `answering` is the number of the process that will answer them (services/directory/presence.py).
    """
    sent = [_sent(write, ordinal, shards) for ordinal, write in enumerate(writes)]
    parameters = {"writes": _json(sent), "answering": answering}
    found = {row[0]: row[1] for row in connection.exec_driver_sql(_ACCEPT, parameters)}
    return Accepted(
        shards={each: shard for each, shard in found.items() if shard is not None},
        repeated={each for each, shard in found.items() if shard is None},
    )


def settle(
    connection: Connection,
    ended: Sequence[Outcome],
    entries: Sequence[Mapping[str, Any]] = (),
    *,
    runs: Mapping[int, int] | None = None,
) -> None:
    """Record outcomes, and entries of the history, in the transaction of the effects that they tell of.

    `runs` are ended by them: how many of the operations are of which shard.
    """
    if not ended:
        return
    ids = [outcome.operation_id for outcome in ended]
    parameters = {
        "outcomes": _json(
            [{"id": each.operation_id, "status": each.status, "outcome": each.document()} for each in ended]
        ),
        "entries": _json(entries),
        "first": min(ids),
        "last": max(ids),
        "runs": _json([{"id": shard, "number": number} for shard, number in (runs or {}).items()]),
    }
    done = connection.exec_driver_sql(_SETTLE, parameters).scalar_one()
    assert done == len(ended), "an operation was settled by another while its row was locked"


def prevent(connection: Connection, write: Write) -> bool:
    """See to it that a write is never applied; False when it has been settled already.

    One that is not in the journal leaves its id there, so that an accept which is still on its way fails.
    """
    forestall(connection, write)
    return cancel(connection, write.id)


def cancel(connection: Connection, operation_id: UUID) -> bool:
    """Cancel an operation that is in the journal and pending; False when it has been settled already."""
    table = tables.operation
    connection.execute(
        update(table)
        .where(table.c.id == operation_id, table.c.state == State.PENDING.value)
        .values(state=State.CANCELLED.value, settled_at=func.clock_timestamp())
    )
    return connection.scalar(select(table.c.state).where(table.c.id == operation_id)) == State.CANCELLED.value


def forestall(connection: Connection, write: Write) -> bool:
    """Leave the id of a write in the journal, so that an accept which is on its way fails; False if it is there."""
    kept = ("id", "tenant_id", "token_id", "request_id", "resource_type", "lane", "method", "reply_to")
    ghost = insert(tables.operation).values(
        {name: getattr(write, name) for name in kept}
        | {"seq": 0, "shard": -1, "position": 0, "state": State.CANCELLED.value, "accepted_at": func.clock_timestamp()}
    )
    made = ghost.on_conflict_do_nothing().returning(tables.operation.c.id)
    return connection.execute(made).one_or_none() is not None


def find_shard(connection: Connection, operation_id: UUID) -> int:
    """Return the shard of an operation that is in the journal."""
    shard: int = connection.scalars(select(tables.operation.c.shard).where(tables.operation.c.id == operation_id)).one()
    return shard


def find_outcome(connection: Connection, operation_id: UUID) -> Outcome | None:
    """Return the outcome of an operation, or None while it is pending or when it was cancelled."""
    table = tables.operation
    document = connection.scalar(select(table.c.outcome).where(table.c.id == operation_id))
    return None if document is None else outcomes.from_document(operation_id, document)


def waiting_shards(connection: Connection, older_than_seconds: float) -> list[int]:
    """Return the shards that have work which is due and has waited longer than this."""
    table = tables.operation
    due = func.coalesce(table.c.not_before, table.c.accepted_at)
    horizon = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, older_than_seconds)
    is_due = or_(due < horizon, table.c.accepted_at > _far())
    statement = select(table.c.shard).distinct().where(table.c.state == State.PENDING.value, is_due)
    return list(connection.scalars(statement))


def release_far_ones(connection: Connection) -> int:
    """Let operations start at once whose next start is farther away than any delay; return how many those were.

    The clock was set back since they were postponed, and nobody shall wait for it to catch up.
    """
    table = tables.operation
    far = (table.c.state == State.PENDING.value, table.c.not_before > _far())
    return connection.execute(update(table).where(*far).values(not_before=None)).rowcount


def _far() -> ColumnElement[datetime]:
    return func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, 2 * backoff.LONGEST_SECONDS)


def _sent(write: Write, ordinal: int, shards: int) -> dict[str, Any]:
    """Return a write as `_ACCEPT` takes it."""
    digest = write.digest if write.key is None else None
    return {
        "ordinal": ordinal,
        "id": write.id,
        "tenant_id": write.tenant_id,
        "token_id": write.token_id,
        "request_id": write.request_id,
        "resource_type": write.resource_type,
        "lane": write.lane,
        "shard": shard_of(write.lane, shards),
        "method": write.method,
        "request": write.request,
        "if_match": write.if_match,
        "reply_to": write.reply_to,
        "digest": None if digest is None else f"\\x{digest.hex()}",
        "is_new": write.is_new,
        "wave": write.wave,
        "needs": write.needs,
        "bulk_id": write.bulk_id,
        "is_urgent": write.is_urgent,
    }


def _json(rows: Sequence[Mapping[str, Any]]) -> str:
    return orjson.dumps(rows).decode()
