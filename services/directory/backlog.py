"""Look at the backlog: what each tenant has pending, how fast it is worked off, and how long that will take."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from services.directory import batches

_COUNTED = 20_000
"""Operations of a tenant in a shard that are counted, at most; with more of them there is nothing left to decide."""

# The pairs of shard and tenant are found by one look each. What waits for its next start is no work for now: it is
# counted for itself.
_LOOK = text("""
WITH RECURSIVE pair AS (
  (SELECT shard, tenant_id FROM operation WHERE state = 'pending' ORDER BY shard, tenant_id LIMIT 1)
  UNION ALL
  SELECT next.shard, next.tenant_id FROM pair p CROSS JOIN LATERAL (
    SELECT shard, tenant_id FROM operation
    WHERE state = 'pending' AND (shard, tenant_id) > (p.shard, p.tenant_id)
    ORDER BY shard, tenant_id LIMIT 1) AS next
), counted AS (
  SELECT p.tenant_id, sum(pending.operations) AS pending, min(head.accepted_at) AS oldest
  FROM pair p
  CROSS JOIN LATERAL (
    SELECT count(*) AS operations FROM (
      SELECT FROM operation
      WHERE state = 'pending' AND shard = p.shard AND tenant_id = p.tenant_id LIMIT :most) AS few) AS pending
  CROSS JOIN LATERAL (
    SELECT accepted_at FROM operation
    WHERE state = 'pending' AND shard = p.shard AND tenant_id = p.tenant_id ORDER BY position LIMIT 1) AS head
  GROUP BY p.tenant_id
), held AS (
  SELECT lane.tenant_id, sum(waiting.operations) AS held
  FROM (SELECT DISTINCT tenant_id, lane FROM operation
        WHERE state = 'pending' AND not_before > clock_timestamp() LIMIT 1000) AS lane
  CROSS JOIN LATERAL (
    SELECT count(*) AS operations FROM (
      SELECT FROM operation WHERE state = 'pending' AND lane = lane.lane LIMIT :most) AS few) AS waiting
  GROUP BY lane.tenant_id
)
SELECT clock_timestamp() AS at, coalesce((SELECT sum(settled) FROM shard), 0) AS settled, c.tenant_id,
       c.pending - coalesce(h.held, 0) AS due, coalesce(h.held, 0) AS held, c.oldest
FROM (SELECT) AS once LEFT JOIN counted c ON true LEFT JOIN held h USING (tenant_id)
""")


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What one tenant has pending."""

    due: int
    held: int
    """Operations of lanes that wait for their next start."""
    oldest: datetime


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """What was pending at a moment, by tenant, and how many operations had been settled until then."""

    at: datetime
    settled: int
    waiting: Mapping[UUID, Waiting] = field(default_factory=dict)

    @property
    def due(self) -> int:
        """How many operations could be applied now."""
        return sum(each.due for each in self.waiting.values())


def look(connection: Connection) -> Backlog:
    """Return the backlog as it is now; its cost does not grow with it."""
    rows = connection.execute(_LOOK, {"most": _COUNTED}).all()
    return Backlog(
        at=rows[0].at,
        settled=int(rows[0].settled),
        waiting={
            row.tenant_id: Waiting(due=max(0, int(row.due)), held=int(row.held), oldest=row.oldest)
            for row in rows
            if row.tenant_id is not None
        },
    )


def rate(before: Backlog, after: Backlog, known: float | None) -> float | None:
    """Return how many operations are settled in a second when there is enough to do; None while that is not known.

    Between two looks that both saw more than a batch, what was settled is what can be settled. With less to do it is
    only a lower bound.
    """
    seconds = (after.at - before.at).total_seconds()
    if seconds <= 0 or after.settled < before.settled:
        return known
    seen = (after.settled - before.settled) / seconds
    if min(before.due, after.due) < batches.BATCH:
        return None if known is None else max(known, seen)
    return max(1.0, seen if known is None else (known + seen) / 2)


def expected_wait(due: Mapping[UUID, int], tenant_id: UUID, operations_per_second: float) -> float:
    """Return the seconds until the last of a tenant's operations is settled, when tenants are served in turn.

    Another tenant takes turns for as long as it has work, or this one has.
    """
    mine = due.get(tenant_id, 0)
    return sum(min(mine, theirs) for theirs in due.values()) / operations_per_second


def whole_seconds(wait: float) -> int:
    """Return a wait as clients are told it: whole seconds, between one and five minutes."""
    return min(300, max(1, math.ceil(wait)))
