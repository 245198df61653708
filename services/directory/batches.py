"""Choose what a drain applies next: everything that is due, or in a backlog a fair part of it.

As long as all that is pending in a shard fits into one batch, there is nothing to choose. When it does not, tenants are
served in turn, and of each tenant first what takes somebody's access away. In either case the operations of a lane are
in order, with none left out between. A lane is left out from the first operation on that waits: for its next start, or
for an earlier wave of its bulk request.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping

from services.directory import runs, tables
from services.directory.journal import Operation

BATCH = 100
"""Operations applied in one transaction, at most."""

SHARED_BATCH = 5
"""The same while several tenants have writes: who comes next does not wait for the end of a long transaction."""

FROM_THE_START = UUID(int=0)
"""Where a round of turns begins: before every tenant."""

_NAMES = tuple(f.name for f in fields(Operation) if f.name in tables.operation.c)
_COLUMNS = ", ".join(f"o.{name}" for name in _NAMES)

# What a drain must know besides comes along, for every statement is a way to the server and back: the time, the run
# that did not end if there is one, and the versions of the catalogues.
_BESIDES = """
       clock_timestamp() AS now, coalesce((SELECT running FROM shard WHERE id = %(shard)s), '{}') AS unfinished,
       (SELECT catalogue_version FROM tenant t WHERE t.id = o.tenant_id) AS catalogue_version
"""

_ALL = f"""
SELECT {_COLUMNS}, o.not_before > clock_timestamp() AS waits, NULL AS round_ends, {_BESIDES}
FROM operation o
WHERE o.state = 'pending' AND o.shard = %(shard)s
ORDER BY o.tenant_id, o.position
LIMIT %(limit)s
FOR UPDATE OF o
"""  # noqa: S608 - of names in this file.

# Who gets into a shard gets its operations in the same step. What is seen was there before the lock was: what somebody
# settled meanwhile is looked at again to be locked, and left out; what somebody began meanwhile is none of ours yet.
_OF_SEVERAL = f"""
WITH free AS MATERIALIZED (
  SELECT shard FROM unnest(cast(%(shards)s AS integer[])) AS wanted(shard)
  WHERE pg_try_advisory_xact_lock(%(space)s, shard)
)
SELECT f.shard AS free, o.*, clock_timestamp() AS now,
       coalesce((SELECT running FROM shard WHERE id = f.shard), '{{}}') AS unfinished,
       (SELECT catalogue_version FROM tenant t WHERE t.id = o.tenant_id) AS catalogue_version
FROM free f LEFT JOIN LATERAL (
  SELECT {_COLUMNS}, o.position
  FROM operation o
  WHERE o.state = 'pending' AND o.shard = f.shard
  ORDER BY o.tenant_id, o.position
  LIMIT %(limit)s
  FOR UPDATE OF o
) AS o ON true
ORDER BY o.tenant_id, o.position
"""  # noqa: S608 - of names in this file.

# Every step reads so few entries of an index, however long the backlog is:
# * held: from which operation on a lane waits; ahead: what is before that. A bulk request's ids follow its own, and are
#   looked up as a range; to ask for `state` there would tempt the planner to read all that is pending instead.
# * ring: the tenants that have pending work, each found by one look beyond the one before.
# * most: how many operations of each tenant are looked at. Twice its share, since others may have less than theirs.
# * leaving: the lanes with an urgent operation, and up to which one they are urgent: all that is before goes with it.
# * candidate: of those lanes the beginnings, and of all lanes what waits longest. Both hold a lane's operations without
#   a gap from the first one, and the urgent ones come before, so whatever is cut off at the end is the end of a lane.
# * chosen: each tenant's first, then each tenant's second, and so on.
_IN_TURN = f"""
WITH RECURSIVE waiting AS MATERIALIZED (
  SELECT lane, seq, wave, not_before > clock_timestamp() AS is_resting,
         cast(left(cast(id AS text), 32) || '0000' AS uuid) AS first,
         cast(left(cast(id AS text), 32) || 'ffff' AS uuid) AS last
  FROM operation
  WHERE state = 'pending' AND shard = %(shard)s AND (not_before > clock_timestamp() OR wave > 0)
), bulk AS (
  SELECT first, (SELECT min(o.wave) FROM operation o WHERE o.id > b.first AND o.id <= b.last AND o.settled_at IS NULL)
         AS wave
  FROM (SELECT DISTINCT first, last FROM waiting WHERE wave > 0) b
), held AS MATERIALIZED (
  SELECT w.lane, min(w.seq) AS seq FROM waiting w LEFT JOIN bulk b ON b.first = w.first
  WHERE w.is_resting OR w.wave > b.wave
  GROUP BY w.lane
), ahead AS MATERIALIZED (
  SELECT o.id FROM held h JOIN operation o ON o.state = 'pending' AND o.lane = h.lane AND o.seq < h.seq
), ring AS (
  (SELECT tenant_id, 1 AS place FROM operation
   WHERE state = 'pending' AND shard = %(shard)s AND tenant_id > %(after)s ORDER BY tenant_id LIMIT 1)
  UNION ALL
  SELECT next.tenant_id, r.place + 1 FROM ring r CROSS JOIN LATERAL (
    SELECT tenant_id FROM operation
    WHERE state = 'pending' AND shard = %(shard)s AND tenant_id > r.tenant_id ORDER BY tenant_id LIMIT 1) AS next
  WHERE r.place < %(tenants)s
), most AS (
  SELECT least(%(limit)s, 2 * %(limit)s / greatest(count(*), 1) + 1) AS operations FROM ring
), leaving AS (
  SELECT urgent.lane, max(urgent.seq) AS last FROM ring r CROSS JOIN LATERAL (
    SELECT lane, seq FROM operation
    WHERE state = 'pending' AND is_urgent AND shard = %(shard)s AND tenant_id = r.tenant_id
      AND (lane NOT IN (SELECT lane FROM held) OR id IN (SELECT id FROM ahead))
    ORDER BY position LIMIT (SELECT operations FROM most)) AS urgent
  GROUP BY urgent.lane
), candidate AS (
  SELECT early.id, early.tenant_id, early.position,
         row_number() OVER (PARTITION BY early.lane ORDER BY early.seq) AS step
  FROM leaving l CROSS JOIN LATERAL (
    SELECT id, tenant_id, lane, seq, position FROM operation
    WHERE state = 'pending' AND lane = l.lane AND seq <= l.last
    ORDER BY seq LIMIT (SELECT operations FROM most)) AS early
  UNION ALL
  SELECT oldest.id, r.tenant_id, oldest.position, NULL FROM ring r CROSS JOIN LATERAL (
    SELECT id, position FROM operation
    WHERE state = 'pending' AND shard = %(shard)s AND tenant_id = r.tenant_id
      AND (lane NOT IN (SELECT lane FROM held) OR id IN (SELECT id FROM ahead))
    ORDER BY position LIMIT (SELECT operations FROM most)) AS oldest
), known AS (
  SELECT id, tenant_id, position, min(step) AS step FROM candidate GROUP BY id, tenant_id, position
), chosen AS (
  SELECT k.id, r.place, row_number() OVER (PARTITION BY k.tenant_id ORDER BY k.step NULLS LAST, k.position) AS turn
  FROM known k JOIN ring r USING (tenant_id)
  ORDER BY turn, r.place LIMIT %(limit)s
)
SELECT {_COLUMNS}, false AS waits, (SELECT tenant_id FROM ring WHERE place = %(tenants)s) AS round_ends, {_BESIDES}
FROM chosen c JOIN operation o ON o.id = c.id
WHERE o.state = 'pending'
ORDER BY c.turn, c.place
FOR UPDATE OF o
"""  # noqa: S608 - of names in this file.

_NEVER = datetime.min.replace(tzinfo=UTC)
_TENANTS = 100
"""Tenants that are served in one round of turns, at most; the next round begins after them."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Operations to apply together, locked until the transaction ends, and what is known with them."""

    operations: Sequence[Operation] = ()
    now: datetime = _NEVER
    unfinished: Sequence[UUID] = ()
    """The operations of a run of this shard that was begun and never ended."""
    catalogue_versions: Mapping[UUID, int] = field(default_factory=dict)
    is_everything: bool = True
    """Whether nothing else was due in the shard."""
    next_after: UUID = FROM_THE_START
    """Where the next round of turns begins."""


@dataclass(frozen=True, kw_only=True)
class Several:
    """What is due in several shards: the batch of those that fit into it, and what is to become of the others."""

    batch: Batch
    held: Sequence[int]
    """Others drain these."""
    alone: Sequence[int]
    """These have more than fits, or something that must be looked at alone."""
    left: Sequence[int]
    """These would have made the batch too large."""


def of_several(connection: Connection, shards: Sequence[int], limit: int, most: int) -> Several:
    """Get into those of the shards that nobody drains, and lock all that is due there.

    A shard has its place in the batch when it has fewer than `limit` operations, and all that come before have left
    enough of `most`; the first one always has.
    """
    parameters = {"shards": list(shards), "space": runs.LOCK_SPACE, "limit": limit}
    rows = connection.exec_driver_sql(_OF_SEVERAL, parameters).mappings().all()
    by_shard: dict[int, list[RowMapping]] = {}
    for row in rows:
        by_shard.setdefault(row["free"], []).append(row)
    taken: set[int] = set()
    alone, left, room = [], [], most
    for shard in filter(by_shard.__contains__, shards):
        operations = [row for row in by_shard[shard] if row["id"] is not None]
        if by_shard[shard][0]["unfinished"] or len(operations) == limit or any(map(_is_special, operations)):
            alone.append(shard)
        elif operations and len(operations) > room and room < most:
            left.append(shard)
        else:
            taken.add(shard)
            room -= len(operations)
    chosen = [row for row in rows if row["id"] is not None and row["free"] in taken]
    held = [shard for shard in shards if shard not in by_shard]
    return Several(batch=_batch(chosen, is_everything=True), held=held, alone=alone, left=left)


def _is_special(row: RowMapping) -> bool:
    """Whether an operation waits for a wave of its bulk request, or failed before and perhaps rests."""
    return bool(row["wave"] or row["starts"] or row["delays"])


def everything(connection: Connection, shard: int, limit: int = BATCH) -> Batch | None:
    """Lock all that is due in a shard; None when that may be more than `limit` operations, or waits for others."""
    rows = connection.exec_driver_sql(_ALL, {"shard": shard, "limit": limit}).mappings().all()
    if len(rows) == limit or any(row["wave"] for row in rows):
        return None
    waiting = {row["lane"] for row in rows if row["waits"]}
    return _batch([row for row in rows if row["lane"] not in waiting], is_everything=True)


def in_turn(connection: Connection, shard: int, after: UUID = FROM_THE_START, limit: int = BATCH) -> Batch:
    """Lock what is due in a shard, at most `limit` operations, of the tenants that come `after` one in turn."""
    parameters = {"shard": shard, "after": after, "limit": limit, "tenants": _TENANTS}
    rows = connection.exec_driver_sql(_IN_TURN, parameters).mappings().all()
    return _batch(rows, is_everything=not rows and after == FROM_THE_START)


def _batch(rows: Sequence[RowMapping], *, is_everything: bool) -> Batch:
    if not rows:
        return Batch(is_everything=is_everything)
    return Batch(
        operations=[_operation(row) for row in rows],
        now=rows[0]["now"],
        unfinished=rows[0]["unfinished"],
        catalogue_versions={row["tenant_id"]: row["catalogue_version"] for row in rows},
        is_everything=is_everything,
        next_after=rows[0].get("round_ends") or FROM_THE_START,
    )


def _operation(row: RowMapping) -> Operation:
    values: dict[str, Any] = {name: row[name] for name in _NAMES}
    return Operation(**values)
