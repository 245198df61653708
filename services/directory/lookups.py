"""Look for resources by one value that an index has, as identity providers do: one statement, one way to the server.

What these find is what `queries` and `listing` find in a transaction, which each caller falls back to; tests hold the
two together. A statement is made once of what the registry says, and prepared once by each connection
(docs/decisions/0048-reads-at-once.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Engine, FromClause, Text, Uuid, case, cast, literal_column, select
from sqlalchemy.dialects.postgresql.base import PGDialect

from services.directory import columns, database, filtering, ids, members, queries, rows, store, tables
from services.directory.columns import Column
from services.directory.driver import Prepared
from services.directory.listing import Found, Key, Listing
from services.directory.queries import Wants
from services.directory.rows import Resource
from shared.scim import resource_types
from shared.scim.attributes import Attribute, ResourceType, Stored
from shared.scim.filters import Comparison, Operator
from shared.scim.schemas.common import ID, LOOKED_UP

_DIALECT = PGDialect(paramstyle="named")  # type: ignore[no-untyped-call]


@dataclass(frozen=True, kw_only=True)
class _Lookup:
    """A statement, and what its columns are."""

    prepared: Prepared
    names: tuple[str, ...]
    kept_as_rows: tuple[Attribute, ...]
    naming_others: tuple[Column, ...]


def get(engine: Engine, resource_type: ResourceType, tenant_id: UUID, resource_id: str, wants: Wants) -> Resource:
    """Return one resource, as `queries.get` does. Raises NotFoundError."""
    known = ids.parse(resource_id)
    if known is None:
        raise store.not_found(resource_type)
    by_id = columns.find(resource_type, ID, None)
    assert by_id is not None
    found = _found(engine, resource_type, tenant_id, by_id, str(known), 1, wants)
    if found is None:
        with database.transaction(engine, tenant_id) as connection:
            return queries.get(connection, resource_type, tenant_id, resource_id, wants)
    if not found:
        raise store.not_found(resource_type)
    return found[0]


def matching(engine: Engine, listing: Listing, limit: int, wants: Wants) -> list[Found] | None:
    """Return all that a match query finds; None if it is another query, or there is more, and `listing` has to look."""
    sought = _sought(listing)
    if sought is None:
        return None
    [source] = listing.sources
    column, value = sought
    found = _found(engine, source.resource_type, listing.tenant_id, column, value, limit + 1, wants)
    if found is None or len(found) > limit:
        return None
    return [Found(key=Key(0, UUID(each[ID.name])), resource_type=source.resource_type, resource=each) for each in found]


def _sought(listing: Listing) -> tuple[Column, str] | None:
    """Return the column and the value of a query for what equals one value, where an index has it."""
    if len(listing.sources) > 1 or listing.is_sorted or listing.is_descending:
        return None
    [source] = listing.sources
    match source.filter:
        case Comparison(path, Operator.EQ, str(value)) if not path.is_absent:
            column = columns.find(source.resource_type, path.attribute, path.sub)
            return (column, value) if column is not None and _is_indexed(column) and _fits(column, value) else None
        case _:
            return None


def _is_indexed(column: Column) -> bool:
    leaf = column.leaf
    return leaf is ID or (
        (column.is_unique or leaf.is_ordered) and isinstance(column.sql_type, Text) and leaf.max_length <= LOOKED_UP
    )


def _fits(column: Column, value: str) -> bool:
    return column.leaf is not ID or ids.parse(value) is not None


def _found(
    engine: Engine, resource_type: ResourceType, tenant_id: UUID, column: Column, value: str, limit: int, wants: Wants
) -> list[Resource] | None:
    kept_as_rows = tuple(each for each in _all_kept_as_rows(resource_type) if wants(each))
    naming_others = tuple(c for c in queries.naming_others(resource_type) if wants(c.attribute))
    lookup = _lookup(resource_type.name, column, kept_as_rows, naming_others)
    found = database.read_at_once(engine, tenant_id, lookup.prepared, (tenant_id.hex, value, str(limit)))
    return None if found is None else [_resource(resource_type, lookup, row) for row in found]


@lru_cache(maxsize=1024)
def _all_kept_as_rows(resource_type: ResourceType) -> tuple[Attribute, ...]:
    return tuple(attribute for _, attribute in resource_type.walk() if attribute.stored is Stored.ROWS)


def _resource(resource_type: ResourceType, lookup: _Lookup, row: Sequence[Any]) -> Resource:
    resource = rows.to_resource(resource_type, dict(zip(lookup.names, row, strict=False)))
    besides = iter(row[len(lookup.names) :])
    for attribute, elements in zip(lookup.kept_as_rows, besides, strict=False):
        if elements is not None:
            resource[attribute.name] = [each if None not in each.values() else _said(each) for each in elements]
    for column, name in zip(lookup.naming_others, besides, strict=True):
        if name is not None:
            queries.add_name(column, resource, name)
    return resource


def _said(element: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in element.items() if value is not None}


@lru_cache(maxsize=256)
def _lookup(
    name: str, column: Column, kept_as_rows: tuple[Attribute, ...], naming_others: tuple[Column, ...]
) -> _Lookup:
    table = tables.OF[name]
    names = (*(each.name for each in columns.of(resource_types.BY_NAME[name])), columns.BAG, "version")
    is_id = column.leaf is ID
    given: ColumnElement[Any] = literal_column("$2", Uuid() if is_id else Text())
    own, given = (each if is_id else columns.compared(column.leaf, each) for each in (table.c[column.name], given))
    found: FromClause = (
        select(table.c.tenant_id, *(table.c[each] for each in names))
        .where(table.c.tenant_id == literal_column("$1", Uuid()), table.c.deleted_at.is_(None), own == given)
        .cte("found")
        # With the order of the ids in view PostgreSQL may rather read all in that order, until it has enough.
        .prefix_with("NOT MATERIALIZED" if is_id or column.is_unique else "MATERIALIZED")
    )
    statement = select(
        *(found.c[each] for each in names),
        *(_document(each, found) for each in kept_as_rows),
        *(_name(each, found) for each in naming_others),
    )
    if not (is_id or column.is_unique):
        statement = statement.order_by(found.c.id).limit(literal_column("$3"))
    besides = "_".join(each.column for each in (*kept_as_rows, *(c.attribute for c in naming_others)))
    prepared = Prepared(
        name=f"muster_{name}_{column.name}_{besides}".lower(),
        types=("uuid", "uuid" if is_id else "text", "bigint"),
        query=str(statement.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True})),
    )
    return _Lookup(prepared=prepared, names=names, kept_as_rows=kept_as_rows, naming_others=naming_others)


def _document(attribute: Attribute, table: Any) -> ColumnElement[Any]:
    return filtering.document(attribute, table.c.id).correlate(table).scalar_subquery()


def _name(column: Column, table: Any) -> ColumnElement[Any]:
    """Return the name of whom a resource refers to; what is written there need not be an id."""
    written = table.c[column.name]
    is_id = written.regexp_match("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
    return members.living_name(table.c.tenant_id, case((is_id, cast(written, Uuid)))).correlate(table).scalar_subquery()
