"""Read the history of one resource a page at a time, newest first; perhaps filtered."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, literal, select, tuple_
from sqlalchemy.dialects.postgresql import JSONB

from services.directory import tables
from services.directory.history import Entry, Kind


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which entries are meant: of this resource; perhaps only those of an attribute, or by some tokens."""

    tenant_id: UUID
    resource_id: UUID
    attribute: str | None = None
    token_ids: Collection[UUID] | None = None


@dataclass(frozen=True)
class Place:
    """Where an entry stands."""

    at: datetime
    id: int


@dataclass(frozen=True, kw_only=True)
class Line:
    """An entry, and where it stands."""

    place: Place
    entry: Entry


def page(connection: Connection, wanted: Wanted, last: Place | None, limit: int) -> tuple[Sequence[Line], bool]:
    """Return the entries behind a place, and whether there are more."""
    table = tables.history
    statement = (
        select(table.c.id, *(table.c[field.name] for field in fields(Entry)))
        .where(*_conditions(wanted, last))
        .order_by(table.c.at.desc(), table.c.id.desc())
        .limit(limit + 1)
    )
    rows = connection.execute(statement).mappings().all()
    lines = [
        Line(
            place=Place(row["at"], row["id"]),
            entry=Entry(**{f.name: row[f.name] for f in fields(Entry)} | {"kind": Kind(row["kind"])}),
        )
        for row in rows[:limit]
    ]
    return lines, len(rows) > limit


def _conditions(wanted: Wanted, last: Place | None) -> list[ColumnElement[bool]]:
    table = tables.history
    conditions: list[ColumnElement[bool]] = [
        table.c.resource_id == wanted.resource_id,
        table.c.tenant_id == wanted.tenant_id,
    ]
    if wanted.attribute is not None:
        conditions.append(table.c.changes.contains(literal([{"attribute": wanted.attribute}], JSONB)))
    if wanted.token_ids is not None:
        conditions.append(table.c.token_id.in_(wanted.token_ids))
    if last is not None:
        conditions += [
            tuple_(table.c.at, table.c.id) < tuple_(literal(last.at), literal(last.id)),
            table.c.at <= last.at,
        ]
    return conditions
