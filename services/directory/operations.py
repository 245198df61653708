"""Find operations in the journal as an operator looks for them; never their values."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Text, and_, case, cast, exists, func, select, text

from services.directory import ids, tables
from services.directory.journal import State

ENDED_BADLY = (State.DEAD.value, State.DISCARDED.value)
_CLOCKS = timedelta(hours=1)
"""An operation's id is made a moment before it is accepted, perhaps by another machine's clock."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which operations are meant; all that is given must hold."""

    tenant: str | None = None
    state: State | None = None
    is_undecided: bool = False
    """Only the dead ones that were neither replayed nor discarded."""
    request_id: str | None = None
    resource_id: UUID | None = None
    method: str | None = None
    error: str | None = None
    """A part of the error's text, in whatever case: of a failed start, or of a refusal."""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Line:
    """An operation in a list."""

    id: UUID
    tenant: str
    accepted_at: datetime
    method: str
    resource_type: str
    lane: UUID
    seq: int
    request_id: str
    state: str
    status: int | None
    starts: int
    error: str | None
    replay_of: UUID | None


def newest(connection: Connection, wanted: Wanted, limit: int) -> Sequence[Line]:
    """Return operations, the newest first."""
    table = tables.operation
    own = (table.c[f.name] for f in fields(Line) if f.name not in {"tenant", "error"})
    is_settled = table.c.state == State.SETTLED.value
    error = case((is_settled, table.c.outcome["scim_type"].astext), else_=table.c.last_error)
    statement = select(tables.tenant.c.slug.label("tenant"), *own, error.label("error")).join_from(
        table, tables.tenant, tables.tenant.c.id == table.c.tenant_id
    )
    found = connection.execute(statement.where(*_conditions(wanted)).order_by(table.c.id.desc()).limit(limit))
    return [Line(**row) for row in found.mappings()]


def oldest_ids(connection: Connection, wanted: Wanted, limit: int | None) -> list[UUID]:
    """Return the ids of operations in the order in which they were accepted, which is that of every lane."""
    table = tables.operation
    statement = select(table.c.id).join(tables.tenant, tables.tenant.c.id == table.c.tenant_id)
    return list(connection.scalars(statement.where(*_conditions(wanted)).order_by(table.c.position).limit(limit)))


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    table = tables.operation
    exact = {
        tables.tenant.c.slug: wanted.tenant,
        table.c.state: wanted.state,
        table.c.request_id: wanted.request_id,
        table.c.lane: wanted.resource_id,
        table.c.method: wanted.method,
    }
    conditions = [column == value for column, value in exact.items() if value is not None]
    if wanted.is_undecided:
        conditions.append(_is_undecided())
    if wanted.error is not None:
        conditions.append(func.strpos(func.lower(_errors()), wanted.error.lower()) > 0)
    return [*conditions, *_times(wanted)]


def _is_undecided() -> ColumnElement[bool]:
    """Dead, and not replayed; or replayed, and the replay died as well."""
    table, replay = tables.operation, tables.operation.alias("replay")
    # A replay is in the lane of what it replays: lanes have an index.
    replayed = exists().where(
        replay.c.lane == table.c.lane, replay.c.replay_of == table.c.id, replay.c.state.not_in(ENDED_BADLY)
    )
    return and_(table.c.state == text("'dead'"), ~replayed)


def _errors() -> ColumnElement[str]:
    table = tables.operation
    outcome = (table.c.outcome[name].astext for name in ("scim_type", "detail"))
    return func.concat_ws(" ", table.c.last_error, cast(table.c.failures, Text), *outcome)


def _times(wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    """Bound the ids too, which begin with the time: so only some of the journal's partitions are read."""
    table = tables.operation
    if wanted.since is not None:
        yield table.c.accepted_at >= wanted.since
        yield table.c.id >= ids.first_at(wanted.since - _CLOCKS)
    if wanted.until is not None:
        yield table.c.accepted_at < wanted.until
        yield table.c.id < ids.first_at(wanted.until + _CLOCKS)
