"""Know what of a connection has been seen: its first times, and what its requests say and leave out.

Gateways write it down off the path of requests, and tell whoever listens (services/directory/live.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CompoundSelect, Connection, DateTime, cast, func, null, select, union_all
from sqlalchemy.dialects.postgresql import insert

from services.directory import tables, trace_tables


class Step(StrEnum):
    """The first times of a connection, in the order in which they usually come."""

    TEST = "test"
    MATCH = "match"
    USER = "user"
    GROUP = "group"
    MEMBER = "member"


class What(StrEnum):
    """What is sighted in requests, beside the codes of services/directory/lints.py."""

    RESOURCES = "resources"
    """A resource as a whole, in a POST or PUT; `about` is its type."""
    ATTRIBUTE = "attribute"
    """A request with a value for an attribute; `about` is the type and the attribute."""


@dataclass(frozen=True, kw_only=True)
class Milestone:
    """The first time of something with one token."""

    tenant_id: UUID
    token_id: UUID
    name: Step
    at: datetime
    request_id: str


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """What was seen with one token: how often, first and last, and in which request last."""

    tenant_id: UUID
    token_id: UUID
    what: str
    about: str
    times: int
    first_at: datetime
    last_at: datetime
    request_id: str


@dataclass(frozen=True, kw_only=True)
class Connected:
    """One token or client of a tenant as a connection: its first times."""

    token_id: UUID
    name: str
    created_at: datetime
    is_revoked: bool
    expires_at: datetime | None
    last_used_at: datetime | None
    milestones: Mapping[Step, Milestone]


def reach(connection: Connection, milestones: Iterable[Milestone]) -> None:
    """Write first times down; one that is there already stays."""
    rows = [vars(each) for each in sorted(milestones, key=lambda each: (each.token_id, each.name))]
    if rows:
        connection.execute(insert(trace_tables.milestone).on_conflict_do_nothing(), rows)


def sight(connection: Connection, sightings: Iterable[Sighting]) -> None:
    """Add what was seen; rows are locked in one order, so that two gateways cannot deadlock."""
    rows = [vars(each) for each in sorted(sightings, key=lambda each: (each.token_id, each.what, each.about))]
    if not rows:
        return
    table = trace_tables.sighting
    new = insert(table)
    sums = {
        "times": table.c.times + new.excluded.times,
        "last_at": func.greatest(table.c.last_at, new.excluded.last_at),
        "request_id": new.excluded.request_id,
    }
    connection.execute(new.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=sums), rows)


def connections(connection: Connection, tenant_id: UUID) -> Sequence[Connected]:
    """Return the tokens and clients of a tenant, the oldest first, each with its first times."""
    rows = connection.execute(_every(tenant_id)).all()
    found = trace_tables.milestone
    reached: dict[UUID, dict[Step, Milestone]] = {row.id: {} for row in rows}
    for one in connection.execute(select(found).where(found.c.tenant_id == tenant_id)).mappings():
        reached.setdefault(one["token_id"], {})[Step(one["name"])] = Milestone(**{**one, "name": Step(one["name"])})
    return [
        Connected(
            token_id=row.id,
            name=row.name,
            created_at=row.created_at,
            is_revoked=row.revoked_at is not None,
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
            milestones=reached[row.id],
        )
        for row in rows
    ]


def sightings(connection: Connection, tenant_id: UUID) -> Sequence[Sighting]:
    """Return what was seen with the tokens and clients of a tenant that were not revoked."""
    table = trace_tables.sighting
    revoked = {row.id for row in connection.execute(_every(tenant_id)) if row.revoked_at is not None}
    statement = select(table).where(table.c.tenant_id == tenant_id).order_by(*table.primary_key.columns)
    found = [Sighting(**row) for row in connection.execute(statement).mappings()]
    return [each for each in found if each.token_id not in revoked]


def _every(tenant_id: UUID) -> CompoundSelect[Any]:
    """Return the tokens and clients of a tenant; a client's access tokens end, and it does not."""
    looks = []
    for table in (tables.token, tables.client):
        ends = table.c.get("expires_at", cast(null(), DateTime(timezone=True)))
        own = [table.c[name] for name in ("id", "name", "created_at", "revoked_at", "last_used_at")]
        looks.append(select(*own, ends.label("expires_at")).where(table.c.tenant_id == tenant_id))
    return union_all(*looks).order_by("id")
