"""Tells what a list is sorted by in SQL, and what is known of that order (RFC 7644 section 3.4.2.3)."""

from typing import Any

from sqlalchemy import ColumnElement, Text, cast, func, null, select
from sqlalchemy.dialects.postgresql import JSONB

from services.directory import columns, json_filtering, tables
from services.directory.columns import Column
from shared.scim.attributes import PRIMARY, ResourceType, Stored
from shared.scim.paths import Path
from shared.scim.schemas.common import ID

Expression = ColumnElement[Any]


def of(resource_type: ResourceType, path: Path | None) -> Expression:
    """Return what a resource is sorted by: of several values the primary one, or else the first."""
    if path is None:
        return cast(null(), Text)
    if path.is_absent:
        return cast(null(), json_filtering.sql_type(path.leaf))
    return columns.ordered(path.leaf, _value(resource_type, path))


def is_distinct(resource_type: ResourceType, path: Path | None) -> bool:
    """Whether every resource has a sort value of its own, so that nothing else need be compared."""
    column = _column(resource_type, path)
    return column is not None and (column.leaf is ID or (column.is_unique and column.leaf.required))


def may_be_absent(resource_type: ResourceType, path: Path | None) -> bool:
    """Whether a resource may be without a sort value."""
    column = _column(resource_type, path)
    return column is None or bool(tables.OF[resource_type.name].c[column.name].nullable)


def _value(resource_type: ResourceType, path: Path) -> Expression:
    table = tables.OF[resource_type.name]
    if path.attribute.stored is Stored.BAG:
        value = json_filtering.member(table.c[columns.BAG], path)
        return _preferred(path, value) if path.attribute.multi_valued else json_filtering.typed(value, path)
    if path.attribute.stored is Stored.DOCUMENT:
        document = columns.find(resource_type, path.attribute, None)
        assert document is not None
        return _preferred(path, table.c[document.name])
    column = _column(resource_type, path)
    assert column is not None, "sortBy was resolved to what has a column"
    found: Expression = table.c[column.name]
    return found


def _column(resource_type: ResourceType, path: Path | None) -> Column | None:
    """Return the column that holds the sort value, if there is one for it alone."""
    if path is None or path.is_absent or path.attribute.stored is Stored.DOCUMENT:
        return None
    return columns.find(resource_type, path.attribute, path.sub)


def _preferred(path: Path, array: Expression) -> Expression:
    items = func.jsonb_array_elements(array).table_valued("value", with_ordinality="place", name="item")
    items = items.render_derived()
    value = cast(items.c.value, JSONB)
    is_primary = value.op("->>")(PRIMARY) == "true"
    first = select(json_filtering.typed(value, path)).order_by(is_primary.desc().nulls_last(), items.c.place)
    return first.limit(1).scalar_subquery()
