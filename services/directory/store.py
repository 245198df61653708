"""Read and write the rows of employees and roles, under the lock of the row that is changed."""

from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, bindparam, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.dml import ReturningInsert

from services.directory import columns, rows, tables
from services.directory.rows import Resource, Row
from shared.scim.attributes import ResourceType
from shared.scim.errors import NotFoundError, UniquenessError


def lock(connection: Connection, resource_type: ResourceType, tenant_id: UUID, resource_id: UUID) -> Row:
    """Lock a resource's row until the transaction ends. Raises NotFoundError; a deleted one is not found.

    Others may make it a member meanwhile: it stays, and its members and groups are rows of their own.
    """
    return _locked(connection, resource_type, tenant_id, resource_id, _lock(resource_type.name))


def lock_to_delete(connection: Connection, resource_type: ResourceType, tenant_id: UUID, resource_id: UUID) -> Row:
    """Lock a resource's row against everyone, also those who would make it a member. Raises NotFoundError."""
    return _locked(connection, resource_type, tenant_id, resource_id, _lock_to_delete(resource_type.name))


def create(
    connection: Connection,
    resource_type: ResourceType,
    tenant_id: UUID,
    resource_id: UUID,
    resource: Resource,
    now: datetime,
    source: UUID | None = None,
) -> Row:
    """Insert a resource at version 1; `source` is the token that it came by.

    Raises UniquenessError when a unique value is in use.
    """
    values = {
        "id": resource_id,
        "tenant_id": tenant_id,
        "version": 1,
        "source": source,
        "meta_created": now,
        "meta_last_modified": now,
        **rows.from_resource(resource_type, resource),
    }
    if connection.execute(_insert(resource_type.name), values).one_or_none() is None:
        raise _in_use(resource_type)
    return values


def change(connection: Connection, resource_type: ResourceType, row: Row, resource: Resource, now: datetime) -> Row:
    """Write what differs, and the next version. Raises UniquenessError when a unique value is in use."""
    table = tables.OF[resource_type.name]
    wanted = rows.from_resource(resource_type, resource, row)
    changed = {name: value for name, value in wanted.items() if row[name] != value}
    changed |= {"version": row["version"] + 1, "meta_last_modified": now}
    statement = update(table).where(table.c.id == row["id"]).values(changed)
    if any(column.is_unique and column.name in changed for column in columns.of(resource_type)):
        _execute_unique(connection, resource_type, statement)
    else:
        connection.execute(statement)
    return {**row, **changed}


def delete(connection: Connection, resource_type: ResourceType, row: Row, now: datetime) -> None:
    """Delete a resource: it is gone for clients for ever, and its values may be used again."""
    table = tables.OF[resource_type.name]
    connection.execute(
        update(table)
        .where(table.c.id == row["id"])
        .values(deleted_at=now, version=row["version"] + 1, meta_last_modified=now)
    )


def not_found(resource_type: ResourceType) -> NotFoundError:
    """Return the error for a resource that does not exist, was deleted, or is another tenant's."""
    return NotFoundError(f"There is no {resource_type.name} with this id")


def _locked(
    connection: Connection, resource_type: ResourceType, tenant_id: UUID, resource_id: UUID, statement: Select[Any]
) -> Row:
    found = connection.execute(statement, {"resource_id": resource_id, "tenant": tenant_id})
    row = found.mappings().one_or_none()
    if row is None:
        raise not_found(resource_type)
    return row


@lru_cache
def _lock(resource_type: str) -> Select[Any]:
    return _living(resource_type).with_for_update(key_share=True)


@lru_cache
def _lock_to_delete(resource_type: str) -> Select[Any]:
    return _living(resource_type).with_for_update()


def _living(resource_type: str) -> Select[Any]:
    table = tables.OF[resource_type]
    mine = (table.c.id == bindparam("resource_id"), table.c.tenant_id == bindparam("tenant"))
    return select(table).where(*mine, table.c.deleted_at.is_(None))


@lru_cache
def _insert(resource_type: str) -> ReturningInsert[Any]:
    table = tables.OF[resource_type]
    return insert(table).on_conflict_do_nothing().returning(table.c.id)


def _execute_unique(connection: Connection, resource_type: ResourceType, statement: Any) -> None:
    try:
        with connection.begin_nested():
            connection.execute(statement)
    except IntegrityError as error:
        raise _in_use(resource_type) from error


def _in_use(resource_type: ResourceType) -> UniquenessError:
    names = " or ".join(column.leaf.name for column in columns.of(resource_type) if column.is_unique)
    return UniquenessError(
        f"Another {resource_type.name} of this tenant has this {names}, or one that differs in case only"
    )
