"""Keep the extensions that tenants declare: each declaration is a row, in force until another ends it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from services.directory import ids, region_saving, tables, tenants
from shared.scim import extension_changes, extension_files
from shared.scim.extension_files import Extension

MAX_EXTENSIONS = 20
"""Extensions that one tenant may have in force."""


class ExtensionError(ValueError):
    """An extension cannot be declared; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """An extension as a tenant declared it, and since when it is in force."""

    extension: Extension
    declared_at: datetime


def declare(connection: Connection, tenant_id: UUID, extension: Extension) -> None:
    """Put a declaration in force, in place of the one with its URN. Raises ExtensionError.

    All earlier ones count, the forgotten too: values that were stored under them are still there. Rules of regions may
    mean something else from now on, so everybody is looked at by them again.
    """
    tenants.renew_catalogue(connection, tenant_id)
    urn = extension.schema.id
    reason = extension_changes.first_conflict(_declared(connection, tenant_id, urn), extension)
    if reason is not None:
        raise ExtensionError(reason)
    _end(connection, tenant_id, urn)
    others = [each.extension.schema.id for each in in_force(connection, tenant_id)]
    reason = extension_changes.hiding(others, urn)
    if reason is not None:
        raise ExtensionError(reason)
    if len(others) >= MAX_EXTENSIONS:
        raise ExtensionError(f"A tenant has at most {MAX_EXTENSIONS} extensions")
    connection.execute(
        insert(tables.extension).values(
            id=ids.new(), tenant_id=tenant_id, urn=urn, document=extension_files.document(extension)
        )
    )
    region_saving.begin_again(connection, tenant_id)


def forget(connection: Connection, tenant_id: UUID, urn: str) -> bool:
    """End the declaration that is in force; False when there is none. Values that are stored stay, unseen."""
    tenants.renew_catalogue(connection, tenant_id)
    has_ended = _end(connection, tenant_id, urn)
    if has_ended:
        region_saving.begin_again(connection, tenant_id)
    return has_ended


def in_force(connection: Connection, tenant_id: UUID) -> Sequence[Declaration]:
    """Return the declarations of a tenant, in their order."""
    table = tables.extension
    statement = (
        select(table.c.document, table.c.declared_at)
        .where(table.c.tenant_id == tenant_id, table.c.ended_at.is_(None))
        .order_by(table.c.id)
    )
    return [
        Declaration(extension=extension_files.read(row.document), declared_at=row.declared_at)
        for row in connection.execute(statement)
    ]


def _declared(connection: Connection, tenant_id: UUID, urn: str) -> Sequence[Extension]:
    """Return all declarations that a URN ever had, the ended ones included."""
    statement = select(tables.extension.c.document).where(*_is(tenant_id, urn)).order_by(tables.extension.c.id)
    return [extension_files.read(document) for document in connection.scalars(statement)]


def _end(connection: Connection, tenant_id: UUID, urn: str) -> bool:
    table = tables.extension
    ended = update(table).where(*_is(tenant_id, urn), table.c.ended_at.is_(None))
    return connection.execute(ended.values(ended_at=func.clock_timestamp())).rowcount == 1


def _is(tenant_id: UUID, urn: str) -> tuple[ColumnElement[bool], ...]:
    table = tables.extension
    return table.c.tenant_id == tenant_id, func.lower(table.c.urn) == urn.lower()
