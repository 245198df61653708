"""The figures of operations: how fast they are settled, how long that takes, which lanes wait and why, what is dead.

The backlog by tenant is in services/directory/backlog.py. Every look is bounded, so it can be repeated often.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, text

from services.directory import ids

WINDOW = timedelta(minutes=5)
MOST_MEASURED = 10_000
"""The newest operations of the window by which it is measured how long they take."""

MOST_LANES = 100
MOST_WAITING = 1_000
"""Operations of one lane that are counted."""

# An operation's id begins with the time, so the window is a range of the newest partition's key.
_PACE = text("""
WITH recent AS (
  SELECT settled_at, accepted_at FROM operation
  WHERE id >= :from AND (cast(:tenant AS uuid) IS NULL OR tenant_id = :tenant) AND state = 'settled'
  ORDER BY id DESC LIMIT :most
)
SELECT count(*) AS settled, min(accepted_at) AS since, clock_timestamp() AS at,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM settled_at - accepted_at)) AS p50,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM settled_at - accepted_at)) AS p99
FROM recent
""")
_DEAD = text("""
SELECT count(*) AS dead, min(accepted_at) AS oldest
FROM (SELECT accepted_at FROM operation o
      WHERE state = 'dead' AND (cast(:tenant AS uuid) IS NULL OR tenant_id = :tenant)
        AND NOT EXISTS (SELECT FROM operation r WHERE r.lane = o.lane AND r.replay_of = o.id
                        AND r.state NOT IN ('dead', 'discarded'))) AS undecided
""")
_WAITING = text("""
SELECT h.tenant_id, n.slug AS tenant, h.resource_type, h.lane, h.id AS operation_id, h.method, h.starts, h.delays,
       h.last_error, h.not_before, h.accepted_at, waiting.operations
FROM (SELECT DISTINCT ON (lane) * FROM operation
      WHERE state = 'pending' AND (not_before IS NOT NULL OR wave > 0)
        AND (cast(:tenant AS uuid) IS NULL OR tenant_id = :tenant)
      ORDER BY lane, seq LIMIT :lanes) AS h
JOIN tenant n ON n.id = h.tenant_id
CROSS JOIN LATERAL (
  SELECT count(*) AS operations FROM (
    SELECT FROM operation WHERE state = 'pending' AND lane = h.lane LIMIT :most) AS few) AS waiting
ORDER BY h.accepted_at
""")


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How many operations were settled in a second, and how long that took each, from accept to settle, in seconds."""

    settled: int
    per_second: float
    p50: float | None
    p99: float | None


@dataclass(frozen=True, kw_only=True)
class WaitingLane:
    """A resource whose operations wait, and the one that they wait for: why it does, and until when."""

    tenant_id: UUID
    tenant: str
    resource_type: str
    lane: UUID
    operation_id: UUID
    method: str
    starts: int
    delays: int
    last_error: str | None
    """None: nothing failed; it waits for the earlier operations of its bulk request."""
    not_before: datetime | None
    accepted_at: datetime
    operations: int
    """Pending ones, itself included."""


@dataclass(frozen=True, kw_only=True)
class Dead:
    """Operations that were given up and that nobody decided about."""

    operations: int
    oldest: datetime | None


def pace(connection: Connection, now: datetime, tenant_id: UUID | None = None) -> Pace:
    """Return how operations were settled in the last minutes, of one tenant or of all."""
    given = {"from": ids.first_at(now - WINDOW), "tenant": tenant_id, "most": MOST_MEASURED}
    row = connection.execute(_PACE, given).one()
    seconds = 0.0 if row.since is None else max(1.0, (row.at - row.since).total_seconds())
    return Pace(
        settled=row.settled,
        per_second=round(row.settled / seconds, 2) if seconds else 0.0,
        p50=None if row.p50 is None else round(float(row.p50), 4),
        p99=None if row.p99 is None else round(float(row.p99), 4),
    )


def waiting_lanes(connection: Connection, tenant_id: UUID | None = None) -> Sequence[WaitingLane]:
    """Return the resources whose operations wait for something, the longest waiting first."""
    given = {"tenant": tenant_id, "lanes": MOST_LANES, "most": MOST_WAITING}
    return [WaitingLane(**row) for row in connection.execute(_WAITING, given).mappings()]


def dead(connection: Connection, tenant_id: UUID | None = None) -> Dead:
    """Return how many operations wait for somebody's decision."""
    row = connection.execute(_DEAD, {"tenant": tenant_id}).one()
    return Dead(operations=row.dead, oldest=row.oldest)
