"""Read all that the journal knows of one operation: its request, each failed start, and what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from services.directory import failures
from services.directory.catalogues import Catalogues
from services.directory.failures import Failure
from services.directory.journal import State
from shared.scim.attributes import ResourceType


@dataclass(frozen=True, kw_only=True)
class Link:
    """A replay of an operation, and what became of it."""

    id: UUID
    state: State
    status: int | None


@dataclass(frozen=True, kw_only=True)
class Detail:
    """One operation, with the resource type as its tenant has it now."""

    id: UUID
    tenant: str
    token: str | None
    token_id: UUID
    request_id: str
    method: str
    resource_type: ResourceType
    lane: UUID
    seq: int
    shard: int
    if_match: str | None
    accepted_at: datetime
    settled_at: datetime | None
    not_before: datetime | None
    state: State
    status: int | None
    scim_type: str | None
    detail: str | None
    starts: int
    delays: int
    last_error: str | None
    failures: Sequence[Failure]
    replay_of: UUID | None
    replays: Sequence[Link]
    later_writes: int
    """Writes of the same resource that were accepted after it and applied."""
    discarded_at: datetime | None
    discarded_by: str | None
    discarded_why: str | None
    request: Any
    """As it was accepted, with the values: nothing of it is to be shown but through `shared.scim.redaction`."""

    @property
    def is_undecided(self) -> bool:
        """Whether it is dead, and was not replayed; or was, and the replay died as well."""
        ended_badly = {State.DEAD, State.DISCARDED}
        return self.state is State.DEAD and all(replay.state in ended_badly for replay in self.replays)


_FIND = text("""
SELECT o.id, o.tenant_id, n.slug AS tenant, t.name AS token, o.token_id,
       o.request_id, o.method, o.resource_type, o.lane, o.seq,
       o.shard, o.if_match, o.accepted_at, o.settled_at, o.not_before, o.state, o.status,
       o.outcome ->> 'scim_type' AS scim_type, o.outcome ->> 'detail' AS detail, o.starts, o.delays, o.last_error,
       o.failures, o.replay_of, o.discarded_at, o.discarded_by, o.discarded_why, o.request,
       (SELECT count(*) FROM operation l
        WHERE l.lane = o.lane AND l.seq > o.seq AND l.state = 'settled' AND l.status < 400) AS later_writes
FROM operation o
JOIN tenant n ON n.id = o.tenant_id
LEFT JOIN token t ON t.id = o.token_id
WHERE o.id = :id AND (cast(:tenant AS uuid) IS NULL OR o.tenant_id = :tenant)
""")
_REPLAYS = text("SELECT id, state, status FROM operation WHERE lane = :lane AND replay_of = :id ORDER BY seq")


def find(connection: Connection, operation_id: UUID, tenant_id: UUID | None = None) -> Detail | None:
    """Return one operation, of this tenant if one is given, or None when the journal has none with this id."""
    row = connection.execute(_FIND, {"id": operation_id, "tenant": tenant_id}).mappings().one_or_none()
    if row is None:
        return None
    replays = connection.execute(_REPLAYS, {"id": row["id"], "lane": row["lane"]})
    catalogue = Catalogues().of_tenants(connection, {row["tenant_id"]})[row["tenant_id"]]
    read = {
        "resource_type": catalogue.by_name[row["resource_type"]],
        "state": State(row["state"]),
        "failures": failures.read(row["failures"]),
        "replays": [Link(id=one.id, state=State(one.state), status=one.status) for one in replays],
    }
    return Detail(**{name: value for name, value in row.items() if name != "tenant_id"} | read)
