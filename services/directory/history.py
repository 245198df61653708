"""The history of employees and roles: what changed, from what to what, by whom, and in which operation."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection, Text, bindparam, select, text

from services.directory import tables
from services.directory.journal import Operation
from shared.scim import paths, projection
from shared.scim.attributes import Attribute, ResourceType, Schema


class Kind(StrEnum):
    """What happened to the resource."""

    CREATED = "created"
    CHANGED = "changed"
    DELETED = "deleted"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry; `changes` are records of `attribute`, `from` and `to`, or of `attribute`, `added` and `removed`."""

    at: datetime
    tenant_id: UUID
    resource_type: str
    resource_id: UUID
    kind: Kind
    changes: list[dict[str, Any]]
    operation_id: UUID
    token_id: UUID
    request_id: str


def entry(
    operation: Operation,
    resource_type: ResourceType,
    resource_id: UUID,
    kind: Kind,
    changes: list[dict[str, Any]],
    at: datetime,
) -> Entry:
    """Return the entry that an operation leaves with a resource."""
    return Entry(
        at=at,
        resource_type=resource_type.name,
        resource_id=resource_id,
        kind=kind,
        changes=changes,
        **_by(operation),
    )


def _by(operation: Operation) -> dict[str, Any]:
    """Return what an entry tells of its operation."""
    return {
        "tenant_id": operation.tenant_id,
        "operation_id": operation.id,
        "token_id": operation.token_id,
        "request_id": operation.request_id,
    }


# One statement, whose arrays are texts: 100,000 rows as objects would take longer to make than to insert.
_ADD_ALIKE = text("""
INSERT INTO history (at, tenant_id, resource_type, resource_id, kind, changes, operation_id, token_id, request_id)
SELECT :at, :tenant_id, each.type, each.id, :kind, cast(:changes AS jsonb), :operation_id, :token_id, :request_id
FROM unnest(cast(:ids AS uuid[]), cast(:types AS text[])) AS each(id, type)
""").bindparams(bindparam("changes", type_=Text))


def add_alike(
    connection: Connection, operation: Operation, types: Mapping[UUID, str], changes: list[dict[str, Any]], at: datetime
) -> None:
    """Write down the same change of many resources, whose types are given, in the transaction of their change."""
    ids = sorted(types)
    given = {
        **_by(operation),
        "at": at,
        "kind": Kind.CHANGED.value,
        "changes": orjson.dumps(changes).decode(),
        "ids": f"{{{','.join(map(str, ids))}}}",
        "types": f"{{{','.join(types[each] for each in ids)}}}",
    }
    connection.execute(_ADD_ALIKE, given)


def changes(resource_type: ResourceType, old: dict[str, Any], new: dict[str, Any]) -> list[dict[str, Any]]:
    """Compare two states of a resource, attribute by attribute; what a client cannot write is left out.

    Of what is never returned, or sensitive, it is told that it changed, and no value.
    """
    open_old = projection.without_sensitive(old, resource_type)
    open_new = projection.without_sensitive(new, resource_type)
    found = []
    for schema, attribute in _writable(resource_type):
        if _value(resource_type, schema, attribute, old) != _value(resource_type, schema, attribute, new):
            before, after = (_value(resource_type, schema, attribute, resource) for resource in (open_old, open_new))
            found.append({"attribute": _name(resource_type, schema, attribute), "from": before, "to": after})
    return found


@lru_cache(maxsize=1024)
def _writable(resource_type: ResourceType) -> tuple[tuple[Schema, Attribute], ...]:
    return tuple((schema, attribute) for schema, attribute in resource_type.walk() if attribute.is_writable)


def _value(resource_type: ResourceType, schema: Schema, attribute: Attribute, resource: dict[str, Any]) -> Any:
    container = resource if schema is resource_type.schema else resource.get(schema.id, {})
    return container.get(attribute.name)


def _name(resource_type: ResourceType, schema: Schema, attribute: Attribute) -> str:
    return attribute.name if schema is resource_type.schema else f"{schema.id}:{attribute.name}"


def of(connection: Connection, tenant_id: UUID, resource_id: UUID, limit: int) -> list[Entry]:
    """Return the newest entries of one resource, the newest first."""
    table = tables.history
    statement = (
        select(*(table.c[f.name] for f in fields(Entry)))
        .where(table.c.resource_id == resource_id, table.c.tenant_id == tenant_id)
        .order_by(table.c.at.desc(), table.c.id.desc())
        .limit(limit)
    )
    return [Entry(**{**row, "kind": Kind(row["kind"])}) for row in connection.execute(statement).mappings()]


def in_words(change: dict[str, Any], resource_type: ResourceType) -> str:
    """Return one change as a line of text, without the value of what is sensitive by now."""
    attribute = change["attribute"].rpartition(":")[2]
    if _is_sensitive(change["attribute"], resource_type):
        return f"{attribute}: changed"
    if "added" in change:
        joined = [f"+ {item['display']}" for item in change["added"]]
        left = [f"- {item['display']}" for item in change["removed"]]
        return f"{attribute}: {', '.join([*joined, *left])}"
    old, new = (_brief(change[side]) for side in ("from", "to"))
    if not old:
        return f"{attribute}: {new or 'changed'}"
    return f"{attribute}: {old} -> {new or 'none'}"


def _brief(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_brief(item) for item in value)
    if isinstance(value, dict):
        return str(value.get("value") or value.get("formatted") or " ".join(str(v) for v in value.values()))
    return "" if value is None else str(value)


def _is_sensitive(name: str, resource_type: ResourceType) -> bool:
    """Whether no value is told: also of what was written before its attribute was declared sensitive."""
    path = paths.find(name, resource_type)
    return path is not None and (path.attribute.is_sensitive or path.leaf.is_sensitive)
