"""What an admin may do in the staff portal: by own permissions, and by those of roles, for admins who are employees."""

from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, insert, select

from services.directory import portal_tables, tables


class Permission(StrEnum):
    """What may be permitted."""

    VIEW = "view"
    PROVISIONING = "provisioning"
    ROLES = "roles"
    ADMIN = "admin"


IN_WORDS = {
    Permission.VIEW: ("View employees", "See employees, roles, their history, and the writes behind it."),
    Permission.PROVISIONING: (
        "Manage provisioning",
        "Make and revoke tokens, see what identity providers sent, and decide about writes that failed.",
    ),
    Permission.ROLES: ("Manage roles", "Attach permissions to roles; none beyond one's own."),
    Permission.ADMIN: ("Administrator", "Everything."),
}
INCLUDES = {
    Permission.VIEW: {Permission.VIEW},
    Permission.PROVISIONING: {Permission.PROVISIONING},
    Permission.ROLES: {Permission.ROLES, Permission.VIEW},
    Permission.ADMIN: set(Permission),
}


class PermissionsError(ValueError):
    """Permissions cannot be given; the text says why."""


def effective(granted: Iterable[str]) -> frozenset[Permission]:
    """Return all that is permitted with what was granted; what only another release knows is left out."""
    known = {Permission(name) for name in granted if name in set(Permission)}
    return frozenset().union(*(INCLUDES[permission] for permission in known))


def of_role(connection: Connection, tenant_id: UUID, role_id: UUID) -> frozenset[Permission]:
    """Return the permissions that are attached to a role."""
    table = portal_tables.role_permission
    statement = select(table.c.permission).where(table.c.role_id == role_id, table.c.tenant_id == tenant_id)
    return frozenset(Permission(name) for name in connection.scalars(statement) if name in set(Permission))


def of_roles(connection: Connection, tenant_id: UUID, role_ids: Collection[UUID]) -> dict[UUID, list[Permission]]:
    """Return the permissions of roles, in their order, of those that have any."""
    table, found = portal_tables.role_permission, dict[UUID, list[Permission]]()
    statement = select(table.c.role_id, table.c.permission).where(
        table.c.tenant_id == tenant_id, table.c.role_id.in_(role_ids)
    )
    rows = connection.execute(statement).all()
    for permission in Permission:
        for row in rows:
            if row.permission == permission:
                found.setdefault(row.role_id, []).append(permission)
    return found


def attach(
    connection: Connection,
    tenant_id: UUID,
    role_id: UUID,
    wanted: Collection[Permission],
    by: Collection[Permission],
) -> tuple[list[Permission], list[Permission]]:
    """Make these the permissions of a role, on behalf of somebody who has `by`; return what was added and removed.

    Raises PermissionsError for a change of a permission that whoever makes it has not.
    """
    role = tables.role
    connection.execute(select(role.c.id).where(role.c.id == role_id, role.c.tenant_id == tenant_id).with_for_update())
    before = of_role(connection, tenant_id, role_id)
    added, removed = sorted(set(wanted) - before), sorted(before - set(wanted))
    beyond = [permission for permission in (*added, *removed) if permission not in by]
    if beyond:
        names = ", ".join(IN_WORDS[permission][0] for permission in beyond)
        raise PermissionsError(f"You do not have this yourself, so you cannot give or take it: {names}")
    table = portal_tables.role_permission
    connection.execute(delete(table).where(table.c.role_id == role_id, table.c.permission.in_(removed)))
    rows: list[dict[str, Any]] = [{"role_id": role_id, "tenant_id": tenant_id, "permission": name} for name in added]
    if rows:
        connection.execute(insert(table), rows)
    return added, removed
