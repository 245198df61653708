"""Read resources as clients see them: the row, with members, groups and names from the tables beside it."""

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Connection, Uuid, any_, literal, select

from services.directory import columns, filtering, ids, members, rows, store, tables
from services.directory.rows import Resource
from shared.scim import resource_types
from shared.scim.attributes import Attribute, ResourceType, Stored
from shared.scim.bulk_order import Claim
from shared.scim.matching import folded

Wants = Callable[[Attribute], bool]


def get(
    connection: Connection, resource_type: ResourceType, tenant_id: UUID, resource_id: str, wants: Wants
) -> Resource:
    """Return one resource. Raises NotFoundError; another tenant's does not exist."""
    table = tables.OF[resource_type.name]
    found = ids.parse(resource_id)
    if found is None:
        raise store.not_found(resource_type)
    statement = select(table).where(table.c.id == found, table.c.tenant_id == tenant_id, table.c.deleted_at.is_(None))
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        raise store.not_found(resource_type)
    return complete(connection, tenant_id, resource_type, [rows.to_resource(resource_type, row)], wants)[0]


def find_unique(connection: Connection, resource_type: ResourceType, tenant_id: UUID, value: str) -> UUID | None:
    """Return the id of the resource whose unique attribute has this value, whatever its case; None if there is none."""
    table = tables.OF[resource_type.name]
    [unique] = [column for column in columns.of(resource_type) if column.is_unique]
    mine = (table.c.tenant_id == tenant_id, table.c.deleted_at.is_(None))
    present, given = (columns.compared(unique.leaf, text) for text in (table.c[unique.name], literal(value)))
    found: UUID | None = connection.scalar(select(table.c.id).where(*mine, present == given))
    return found


def unique_values(
    connection: Connection, resource_type: ResourceType, tenant_id: UUID, resource_ids: Iterable[UUID]
) -> dict[UUID, frozenset[Claim]]:
    """Return the unique values that each of these resources has now; what does not exist is left out."""
    table = tables.OF[resource_type.name]
    unique = [column for column in columns.of(resource_type) if column.is_unique]
    wanted = literal(list(resource_ids), ARRAY(Uuid))
    mine = (table.c.tenant_id == tenant_id, table.c.id == any_(wanted), table.c.deleted_at.is_(None))
    found = connection.execute(select(table.c.id, *(table.c[column.name] for column in unique)).where(*mine))
    return {
        row[0]: frozenset(
            (column.schema.id, column.attribute.name, folded(column.attribute, value))
            for column, value in zip(unique, row[1:], strict=True)
            if value is not None
        )
        for row in found
    }


def complete(
    connection: Connection,
    tenant_id: UUID,
    resource_type: ResourceType,
    resources: list[Resource],
    wants: Wants,
    limit: int | None = None,
) -> list[Resource]:
    """Add what is kept in rows (members, groups) and the names of referenced resources, where they are wanted.

    With a `limit`, a resource with more rows than that has none of them.
    """
    for _, attribute in resource_type.walk():
        if attribute.stored is Stored.ROWS and wants(attribute):
            resources = _add_rows(connection, attribute, resources, limit)
    for column in naming_others(resource_type):
        if wants(column.attribute):
            _add_names(connection, tenant_id, column, resources)
    return resources


def naming_others(resource_type: ResourceType) -> tuple[columns.Column, ...]:
    """Return the columns that refer to another resource, whose name is shown beside."""
    return _NAMING_OTHERS[resource_type.name]


def _add_rows(
    connection: Connection, attribute: Attribute, resources: list[Resource], limit: int | None
) -> list[Resource]:
    elements = filtering.elements(attribute, [UUID(r["id"]) for r in resources], limit)
    found: dict[str, list[dict[str, Any]]] = {}
    for owner, group in groupby(connection.execute(elements).mappings(), key=lambda row: str(row["owner"])):
        found[owner] = [element(attribute, row) for row in group]
    if limit is not None:
        found = {owner: items for owner, items in found.items() if len(items) <= limit}
    return [r | {attribute.name: found[r["id"]]} if r["id"] in found else r for r in resources]


def element(attribute: Attribute, row: Any) -> dict[str, Any]:
    """Return one element of an attribute that is kept as rows; `row` has its sub-attributes by their name."""
    return {
        sub.name: str(row[sub.name])
        for sub in attribute.sub_attributes
        if sub.name in row and row[sub.name] is not None
    }


def _names_another(attribute: Attribute) -> bool:
    """Whether a singular complex attribute refers to a resource, and shows that resource's name."""
    return any(sub.reference_types and not sub.reference_types[0].islower() for sub in attribute.sub_attributes)


def _add_names(connection: Connection, tenant_id: UUID, column: columns.Column, resources: list[Resource]) -> None:
    known = members.living_names(connection, tenant_id, {found for r in resources if (found := _referred(column, r))})
    for resource in resources:
        referred = _referred(column, resource)
        if referred in known:
            add_name(column, resource, known[referred])


def add_name(column: columns.Column, resource: Resource, name: str) -> None:
    """Add the name of whom a new resource refers to."""
    for sub in column.attribute.sub_attributes:
        if sub.stored is Stored.COMPUTED and not sub.reference_types:
            resource[column.schema.id][column.attribute.name][sub.name] = name


def _referred(column: columns.Column, resource: Resource) -> UUID | None:
    assert column.sub is not None
    value = resource.get(column.schema.id, {}).get(column.attribute.name, {}).get(column.sub.name)
    return None if value is None else ids.parse(value)


def wants_all(_: Attribute) -> bool:
    """Want every attribute."""
    return True


def wants_none_of(kind: Iterable[Stored]) -> Wants:
    """Want all but the attributes that are kept in one of these ways."""
    unwanted = frozenset(kind)
    return lambda attribute: attribute.stored not in unwanted


_NAMING_OTHERS = {
    each.name: tuple(c for c in columns.of(each) if c.sub is not None and _names_another(c.attribute))
    for each in resource_types.ALL
}
