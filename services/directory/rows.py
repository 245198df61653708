"""Turn a resource into the columns of its row, and a row back into the resource, as the registry says."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from services.directory import bags, columns, searching
from services.directory.columns import Column
from shared.scim import resource_types, versions
from shared.scim.attributes import ResourceType, Type
from shared.scim.schemas.common import META

Resource = dict[str, Any]
Row = Mapping[Any, Any]


def from_resource(resource_type: ResourceType, resource: Resource, row: Row | None = None) -> dict[str, Any]:
    """Return the value of every column that a client can write; absent attributes become None.

    What the bag of the row has beside the attributes that the type declares stays there.
    """
    bag = bags.from_resource(resource_type, resource, None if row is None else row[columns.BAG])
    derived = {c.name: _read(c, resource) for c in _writable(resource_type.name)}
    found_by = searching.text(resource_type, resource)
    return derived | {columns.BAG: bag} | ({} if found_by is None else {searching.COLUMN: found_by})


def to_resource(resource_type: ResourceType, row: Row) -> Resource:
    """Return the resource that a row keeps, without what is kept in other tables."""
    resource: Resource = {"schemas": []}
    for column in columns.of(resource_type):
        value = row[column.name]
        if value is not None:
            _write(column, resource, _to_json(value))
    resource |= bags.to_resource(resource_type, row[columns.BAG])
    resource["schemas"] = [s.id for s in resource_type.schemas if s is resource_type.schema or s.id in resource]
    meta = {"resourceType": resource_type.name, **resource.pop(META.name), "version": versions.etag(row["version"])}
    return resource | {META.name: meta}


def as_shown(moment: datetime) -> datetime:
    """Return a moment as precisely as it is shown: a client that compares with what it saw finds what it saw."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def timestamp(moment: datetime) -> str:
    """Return a dateTime of RFC 7643 section 2.3.5, in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@lru_cache
def _writable(name: str) -> tuple[Column, ...]:
    return tuple(column for column in columns.of(resource_types.BY_NAME[name]) if column.attribute.is_writable)


def _read(column: Column, resource: Resource) -> Any:
    container = resource.get(column.schema.id, {}) if column.schema.column_prefix else resource
    value = container.get(column.attribute.name)
    if column.sub is not None and value is not None:
        value = value.get(column.sub.name)
    if value is not None and column.leaf.type is Type.DATE_TIME:
        return datetime.fromisoformat(value)
    return value


def _write(column: Column, resource: Resource, value: Any) -> None:
    container = resource.setdefault(column.schema.id, {}) if column.schema.column_prefix else resource
    if column.sub is None:
        container[column.attribute.name] = value
    else:
        container.setdefault(column.attribute.name, {})[column.sub.name] = value


def _to_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, UUID):
        return str(value)
    return value
