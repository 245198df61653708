"""Count requests by token, minute, kind and result: what cycles are told from, without a row for each request."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from services.directory import trace_tables


class Kind(StrEnum):
    """What a request is for, as an identity provider sees it."""

    TEST = "test"
    MATCH = "match"
    READ = "read"
    QUERY = "query"
    DISCOVERY = "discovery"
    CREATE = "create"
    CHANGE = "change"
    REFERENCE = "reference"
    DISABLE = "disable"
    DELETE = "delete"
    BULK = "bulk"
    OTHER = "other"
    DENIED = "denied"
    """With a token that does not work: nobody knows what it was for."""
    NOT_KEPT = "not kept"
    """Not a request more: one that was refused, and of which no more is kept than this count."""


class Result(StrEnum):
    """How a request was answered."""

    OK = "ok"
    NONE = "none"
    """There is nobody like that, which is no failure."""
    REFUSED = "refused"
    THROTTLED = "throttled"
    FAILED = "failed"


WRITES = frozenset({Kind.CREATE, Kind.CHANGE, Kind.REFERENCE, Kind.DISABLE, Kind.DELETE, Kind.BULK})
BAD = frozenset({Result.REFUSED, Result.THROTTLED, Result.FAILED})


@dataclass(frozen=True, kw_only=True)
class Key:
    """What requests are counted by."""

    tenant_id: UUID
    minute: datetime
    token_id: UUID
    kind: Kind
    result: Result


Counts = Mapping[Key, int]


@dataclass(frozen=True, kw_only=True)
class Minute:
    """So many requests of one kind and result, in one minute."""

    minute: datetime
    kind: Kind
    result: Result
    requests: int


def add(connection: Connection, counts: Counts) -> None:
    """Add to the sums; rows are locked in one order, so that two gateways cannot deadlock."""
    if not counts:
        return
    table = trace_tables.traffic
    new = insert(table)
    statement = new.on_conflict_do_update(
        index_elements=list(table.primary_key.columns), set_={"requests": table.c.requests + new.excluded.requests}
    )
    rows = [vars(key) | {"requests": requests} for key, requests in counts.items()]
    connection.execute(statement, sorted(rows, key=lambda row: [str(value) for value in row.values()]))


def minutes(connection: Connection, tenant_id: UUID, since: datetime, token_id: UUID | None = None) -> Sequence[Minute]:
    """Return what a tenant's clients sent since a moment, minute by minute; perhaps with one token only."""
    table = trace_tables.traffic
    conditions = [table.c.tenant_id == tenant_id, table.c.minute >= since]
    if token_id is not None:
        conditions.append(table.c.token_id == token_id)
    keys = (table.c.minute, table.c.kind, table.c.result)
    statement = select(*keys, func.sum(table.c.requests).label("requests")).where(*conditions).group_by(*keys)
    return [
        Minute(minute=row.minute, kind=Kind(row.kind), result=Result(row.result), requests=int(row.requests))
        for row in connection.execute(statement.order_by(*keys))
    ]


def last(connection: Connection, tenant_id: UUID, kinds: Collection[Kind]) -> datetime | None:
    """Return the minute of the last request of these kinds that succeeded, or None."""
    table = trace_tables.traffic
    good = (table.c.result.in_([Result.OK.value, Result.NONE.value]), table.c.kind.in_([kind.value for kind in kinds]))
    statement = select(table.c.minute).where(table.c.tenant_id == tenant_id, *good).order_by(table.c.minute.desc())
    found: datetime | None = connection.scalar(statement.limit(1))
    return found
