"""Read and write the rows of employees and roles, under the lock of the row that is changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Column, Connection, Select, bindparam, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import IntegrityError

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


@dataclass(frozen=True, kw_only=True)
class Newcomer:
    """A resource to insert at version 1; `source` is the token that it came by.

    Its type is as its tenant has it, extensions included.
    """

    resource_type: ResourceType
    tenant_id: UUID
    id: UUID
    resource: Resource
    source: UUID | None = None


def create(
    connection: Connection,
    resource_type: ResourceType,
    tenant_id: UUID,
    resource_id: UUID,
    resource: Resource,
    now: datetime,
    source: UUID | None = None,
) -> Row:
    """Insert a resource. Raises UniquenessError when a unique value is in use."""
    newcomer = Newcomer(
        resource_type=resource_type, tenant_id=tenant_id, id=resource_id, resource=resource, source=source
    )
    [row] = create_all(connection, [newcomer], now)
    if row is None:
        raise in_use(resource_type)
    return row


def create_all(connection: Connection, newcomers: Sequence[Newcomer], now: datetime) -> list[Row | None]:
    """Insert Users or Groups, one after the other; None stands for one with a unique value that is in use."""
    wanted = [_values(newcomer, now) for newcomer in newcomers]
    statement = _insert(newcomers[0].resource_type.name)
    numbered = [{**values, "ordinal": ordinal} for ordinal, values in enumerate(wanted)]
    parameters = {"rows": orjson.dumps(numbered).decode()}
    made = {row[0] for row in connection.exec_driver_sql(statement, parameters)}
    return [values if values["id"] in made else None for values in wanted]


def change(connection: Connection, resource_type: ResourceType, row: Row, resource: Resource, now: datetime) -> Row:
    """Write a resource, and its next version. Raises UniquenessError when a unique value is in use.

    All columns are written, whatever differs: a statement for each choice of them would be a thousand statements.
    PostgreSQL compares by itself which indexes are concerned.
    """
    wanted = rows.from_resource(resource_type, resource, row)
    written = wanted | {"version": row["version"] + 1, "meta_last_modified": now}
    statement = _update(resource_type.name, tuple(written))
    given = {"id": row["id"], "row": orjson.dumps(written).decode()}
    if any(c.is_unique and c.name in wanted and wanted[c.name] != row[c.name] for c in columns.of(resource_type)):
        _execute_unique(connection, resource_type, statement, given)
    else:
        connection.exec_driver_sql(statement, given)
    return {**row, **written}


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


def in_use(resource_type: ResourceType) -> UniquenessError:
    """Return the error for a unique value that another resource of the tenant has."""
    names = " or ".join(column.leaf.name for column in columns.of(resource_type) if column.is_unique)
    return UniquenessError(
        f"Another {resource_type.name} of this tenant has this {names}, or one that differs in case only"
    )


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


def _values(newcomer: Newcomer, now: datetime) -> dict[str, Any]:
    return {
        "id": newcomer.id,
        "tenant_id": newcomer.tenant_id,
        "version": 1,
        "source": newcomer.source,
        "meta_created": now,
        "meta_last_modified": now,
        **rows.from_resource(newcomer.resource_type, newcomer.resource),
    }


@lru_cache
def _insert(resource_type: str) -> str:
    """Return the statement that inserts rows from one JSON document, in their order."""
    table = tables.OF[resource_type]
    given = [column for column in table.columns if column.server_default is None]
    names = ", ".join(column.name for column in given)
    return f"""
INSERT INTO {table.name} ({names})
SELECT {names} FROM json_to_recordset(cast(%(rows)s AS json)) AS r(ordinal integer, {_typed(given)}) ORDER BY ordinal
ON CONFLICT DO NOTHING RETURNING id
"""  # noqa: S608 - of names of our own columns.


@lru_cache
def _update(resource_type: str, names: tuple[str, ...]) -> str:
    """Return the statement that writes these columns of one row from a JSON document."""
    table = tables.OF[resource_type]
    types = _typed([table.c[name] for name in names])
    return f"""
UPDATE {table.name} AS t SET {", ".join(f"{name} = r.{name}" for name in names)}
FROM json_to_record(cast(%(row)s AS json)) AS r({types}) WHERE t.id = %(id)s
"""  # noqa: S608 - of names of our own columns.


def _typed(given: Sequence[Column[Any]]) -> str:
    """Return columns with their types, as a record that is read from JSON names them."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    return ", ".join(f"{column.name} {column.type.compile(dialect)}" for column in given)


def _execute_unique(connection: Connection, resource_type: ResourceType, statement: str, given: dict[str, Any]) -> None:
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(statement, given)
    except IntegrityError as error:
        raise in_use(resource_type) from error
