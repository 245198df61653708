"""Find the leaver whom a create means: the inactive employee who has its unique names and its externalId.

The policy of decision 14, and no more than a look: the employee is taken back by a write in their own lane.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, literal, select

from services.directory import columns, rows, tables
from services.directory.rows import Resource
from shared.scim.resource_types import USERS
from shared.scim.schemas.common import EXTERNAL_ID
from shared.scim.schemas.user import ACTIVE


@dataclass(frozen=True, kw_only=True)
class Leaver:
    """An inactive employee, at the version at which they were found."""

    id: UUID
    version: int


def find(connection: Connection, tenant_id: UUID, resource: Resource) -> Leaver | None:
    """Return the inactive employee of the tenant with these unique names and this externalId.

    Without an externalId nobody is meant: a name alone may have been given to somebody else.
    """
    table, wanted = tables.employee, rows.from_resource(USERS, resource)
    external_id, active = (columns.find(USERS, attribute, None) for attribute in (EXTERNAL_ID, ACTIVE))
    assert external_id is not None
    assert active is not None
    if wanted[external_id.name] is None:
        return None
    unique = [column for column in columns.of(USERS) if column.is_unique]
    statement = select(table.c.id, table.c.version).where(
        table.c.tenant_id == tenant_id,
        table.c.deleted_at.is_(None),
        table.c[active.name].is_(False),
        *(_same(column, wanted[column.name]) for column in (external_id, *unique)),
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else Leaver(id=row.id, version=row.version)


def _same(column: columns.Column, value: str) -> ColumnElement[bool]:
    present = columns.compared(column.leaf, tables.employee.c[column.name])
    return present == columns.compared(column.leaf, literal(value))
