"""List resources: sorted, a page at a time, by index or behind the last one seen.

Behind the last one means a condition on the sort value and the id, so that page 10,000 costs what page 1 costs, where
an index has that order (docs/decisions/0016-orders-in-indexes.md). Values that are absent come last in ascending and
first in descending order (RFC 7644 section 3.4.2.3), as PostgreSQL has them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, and_, func, literal, or_, select, true, tuple_, union_all

from services.directory import filtering, orders, queries, rows, tables
from services.directory.queries import Wants
from services.directory.rows import Resource
from shared.scim.attributes import ResourceType
from shared.scim.filters import Filter
from shared.scim.paths import Path

Expression = ColumnElement[Any]


@dataclass(frozen=True, kw_only=True)
class Source:
    """One resource type of a query, with the filter and the sort path resolved for it; None sorts by nothing."""

    resource_type: ResourceType
    filter: Filter | None = None
    sort: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What to list: resources of these types in one order, of one tenant."""

    tenant_id: UUID
    sources: tuple[Source, ...]
    is_sorted: bool = False
    is_descending: bool = False


@dataclass(frozen=True)
class Key:
    """Where a resource stands: the position of its type in the listing, and its id."""

    kind: int
    id: UUID


_Anchor = tuple[Key, Any]


@dataclass(frozen=True, kw_only=True)
class Found:
    """One resource of a page, with its type and its key."""

    key: Key
    resource_type: ResourceType
    resource: Resource


def count(connection: Connection, listing: Listing) -> int:
    """Return how many resources there are on all pages."""
    counts = [
        select(func.count()).select_from(_table(source)).where(*_conditions(listing, source)).scalar_subquery()
        for source in listing.sources
    ]
    total = counts[0]
    for each in counts[1:]:
        total = total + each  # type: ignore[assignment]
    return connection.scalar(select(total)) or 0


def at(connection: Connection, listing: Listing, offset: int, limit: int, wants: Sequence[Wants]) -> list[Found]:
    """Return a page by its offset; `wants` says for each source what its resources are completed with."""
    return _page(connection, listing, None, offset, limit, wants)


def behind(
    connection: Connection, listing: Listing, last: Key | None, limit: int, wants: Sequence[Wants]
) -> list[Found]:
    """Return the page behind a resource, which may be deleted by now; None is the first page."""
    anchor = None if last is None else (last, _sort_value(connection, listing, last))
    return _page(connection, listing, anchor, 0, limit, wants)


def _page(
    connection: Connection, listing: Listing, anchor: _Anchor | None, offset: int, limit: int, wants: Sequence[Wants]
) -> list[Found]:
    if len(listing.sources) == 1:
        found = _rows_of_one(connection, listing, anchor, offset, limit)
        return _complete(connection, listing, 0, found, wants)
    keys = _keys_of_many(listing, anchor).offset(offset).limit(limit)
    order = [Key(row.kind, row.id) for row in connection.execute(keys)]
    by_key = {
        each.key: each
        for kind, source in enumerate(listing.sources)
        for each in _complete(connection, listing, kind, _read(connection, source, kind, order), wants)
    }
    return [by_key[key] for key in order if key in by_key]


def _rows_of_one(
    connection: Connection, listing: Listing, anchor: _Anchor | None, offset: int, limit: int
) -> Sequence[Any]:
    """Read a page of one type, stretch by stretch: the match query of an identity provider is one statement."""
    [source] = listing.sources
    key = _key(listing, source)
    statement = select(_table(source)).where(*_conditions(listing, source))
    statement = statement.order_by(*(each.desc() if listing.is_descending else each for each in key))
    found: list[Any] = []
    for stretch in _stretches(listing, source, key, anchor):
        if len(found) < limit:
            page = statement.where(stretch).offset(offset).limit(limit - len(found))
            found += connection.execute(page).mappings()
    return found


def _key(listing: Listing, source: Source) -> tuple[Expression, ...]:
    """Return what a listing of one type is ordered by; no two resources have the same."""
    table = _table(source)
    if not listing.is_sorted:
        return (table.c.id,)
    is_distinct = orders.is_distinct(source.resource_type, source.sort)
    return (_sort(source),) if is_distinct else (_sort(source), table.c.id)


def _stretches(
    listing: Listing, source: Source, key: tuple[Expression, ...], anchor: _Anchor | None
) -> list[Expression]:
    """Return the conditions for the stretches behind the anchor, in their order; an index finds where each begins.

    One condition for all of them, with `or`, would be tried on every resource from the first one on.
    """
    if anchor is None:
        return [true()]
    last, value = anchor
    if len(key) == 1:
        return [_later(listing, key[0], literal(value if listing.is_sorted else last.id, key[0].type))]
    sort, id_ = key
    if value is None:
        absent = and_(sort.is_(None), _later(listing, id_, literal(last.id)))
        return [absent, sort.is_not(None)] if listing.is_descending else [absent]
    present = _later(listing, tuple_(*key), tuple_(literal(value, sort.type), literal(last.id)))
    are_absent_next = not listing.is_descending and orders.may_be_absent(source.resource_type, source.sort)
    return [present, sort.is_(None)] if are_absent_next else [present]


def _later(listing: Listing, place: Any, mark: Any) -> Expression:
    later: Expression = place < mark if listing.is_descending else place > mark
    return later


def _keys_of_many(listing: Listing, anchor: _Anchor | None) -> Select[Any]:
    """Return the query for the keys of resources of several types, in order."""
    parts = [
        select(literal(kind).label("kind"), _table(source).c.id.label("id"), _sort(source).label("sort")).where(
            *_conditions(listing, source)
        )
        for kind, source in enumerate(listing.sources)
    ]
    found = union_all(*parts).subquery("found")
    statement = select(found.c.kind, found.c.id)
    if anchor is not None:
        last, value = anchor
        mark = tuple_(literal(last.kind), literal(last.id))
        key = tuple_(found.c.kind, found.c.id)
        statement = statement.where(_is_behind(listing, found.c.sort, key, mark, value))
    return statement.order_by(*_order(listing, found.c.sort, found.c.kind, found.c.id))


def _order(listing: Listing, sort: Expression, *key: Expression) -> list[Expression]:
    columns_ = [sort, *key] if listing.is_sorted else list(key)
    return [column.desc() for column in columns_] if listing.is_descending else columns_


def _is_behind(listing: Listing, sort: Expression, key: Any, mark: Any, value: Any) -> Expression:
    """Return the condition for what comes after the anchor, whose key is `mark` and whose sort value is `value`."""
    later = _later(listing, key, mark)
    if not listing.is_sorted:
        return later
    if value is None:
        among_absent = and_(sort.is_(None), later)
        return or_(among_absent, sort.is_not(None)) if listing.is_descending else among_absent
    given = literal(value, sort.type)
    equal = and_(sort == given, later)
    return or_(sort < given, equal) if listing.is_descending else or_(sort > given, equal, sort.is_(None))


def _sort_value(connection: Connection, listing: Listing, last: Key) -> Any:
    if not listing.is_sorted:
        return None
    source = listing.sources[last.kind]
    table = _table(source)
    mine = (table.c.id == last.id, table.c.tenant_id == listing.tenant_id)
    return connection.scalar(select(_sort(source)).where(*mine))


def _read(connection: Connection, source: Source, kind: int, order: Sequence[Key]) -> Sequence[Any]:
    ids = [key.id for key in order if key.kind == kind]
    table = _table(source)
    return connection.execute(select(table).where(table.c.id.in_(ids))).mappings().all() if ids else ()


def _complete(
    connection: Connection, listing: Listing, kind: int, found: Sequence[Any], wants: Sequence[Wants]
) -> list[Found]:
    resource_type = listing.sources[kind].resource_type
    resources = [rows.to_resource(resource_type, row) for row in found]
    complete = queries.complete(connection, listing.tenant_id, resource_type, resources, wants[kind])
    return [
        Found(key=Key(kind, row["id"]), resource_type=resource_type, resource=resource)
        for row, resource in zip(found, complete, strict=True)
    ]


def _table(source: Source) -> Any:
    return tables.OF[source.resource_type.name]


def _sort(source: Source) -> Expression:
    return orders.of(source.resource_type, source.sort)


def _conditions(listing: Listing, source: Source) -> list[Expression]:
    table = _table(source)
    conditions: list[Expression] = [table.c.tenant_id == listing.tenant_id, table.c.deleted_at.is_(None)]
    if source.filter is not None:
        conditions.append(filtering.compile(source.filter, source.resource_type))
    return conditions
