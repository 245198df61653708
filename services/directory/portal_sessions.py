"""Keep who is signed in to the staff portal: sessions that end when they are old, idle, or ended by somebody."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Connection, Text, delete, func, insert, literal, select, update

from services.directory import columns, permissions, portal_tables, tables, tenancy, token_secrets
from services.directory.admins import Admin
from services.directory.permissions import Permission
from shared.scim.resource_types import USERS
from shared.scim.schemas.user import ACTIVE, USER_NAME

LONGEST = timedelta(hours=12)
IDLE = timedelta(hours=2)
NOTED = timedelta(minutes=1)
"""How often a session that is in use is noted as such."""


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """Who asks for a page: an admin of one tenant, and what the admin may do there now."""

    admin_id: UUID
    email: str
    tenant_id: UUID
    tenant: str
    domain: str | None
    catalogue_version: int
    employee_id: UUID | None
    permissions: frozenset[Permission]

    def may(self, permission: Permission) -> bool:
        """Whether the visitor has a permission."""
        return permission in self.permissions


def begin(connection: Connection, admin: Admin) -> str:
    """Begin a session, and return its secret; those that are over are forgotten."""
    secret, table = secrets.token_urlsafe(32), portal_tables.portal_session
    connection.execute(delete(table).where(~_is_good()))
    values = {"sha256": token_secrets.digest(secret), "tenant_id": admin.tenant_id, "admin_id": admin.id}
    connection.execute(insert(table).values(**values, ends_at=func.clock_timestamp() + LONGEST))
    return secret


def end(connection: Connection, secret: str) -> None:
    """End a session."""
    table = portal_tables.portal_session
    connection.execute(delete(table).where(table.c.sha256 == token_secrets.digest(secret)))


def visitor(connection: Connection, secret: str, *, notes_use: bool) -> Visitor | None:
    """Return who is signed in with this session, and perhaps note that it is in use.

    Nobody is when it is over, or when the admin is an employee who has left.
    """
    session = portal_tables.portal_session
    mine = session.c.sha256 == token_secrets.digest(secret)
    tenant_id = connection.scalar(select(session.c.tenant_id).where(mine))
    if tenant_id is None:
        return None
    tenancy.serve(connection, tenant_id)
    row = connection.execute(_VISITOR.where(mine, _is_good())).mappings().one_or_none()
    if row is None or (row["employee_id"] is not None and not row["is_there"]):
        return None
    if notes_use and row["is_stale"]:
        connection.execute(update(session).where(mine).values(seen_at=func.clock_timestamp()))
    return _visitor(row)


def has_left(connection: Connection, admin: Admin) -> bool:
    """Whether an admin is an employee who has left: disabled, or deleted."""
    employee = tables.employee
    statement = select(_is_there()).where(employee.c.id == _employee_id()).select_from(portal_tables.admin)
    found = connection.scalar(statement.where(portal_tables.admin.c.id == admin.id))
    return found is False


def _visitor(row: Mapping[Any, Any]) -> Visitor:
    granted = permissions.effective([*row["own"], *row["of_roles"]])
    same = ("admin_id", "email", "tenant_id", "tenant", "domain", "catalogue_version", "employee_id")
    return Visitor(**{name: row[name] for name in same}, permissions=granted)


def _is_good() -> Any:
    table, now = portal_tables.portal_session, func.clock_timestamp()
    return (table.c.ends_at > now) & (table.c.seen_at > now - IDLE)


def _employee_id() -> Any:
    """Return which employee an admin is: remembered, or found by the user name until then."""
    admin, employee = portal_tables.admin, tables.employee.alias("named")
    user_name = columns.find(USERS, USER_NAME, None)
    assert user_name is not None
    same = columns.compared(USER_NAME, employee.c[user_name.name]) == columns.compared(USER_NAME, admin.c.email)
    named = select(employee.c.id).where(
        employee.c.tenant_id == admin.c.tenant_id, employee.c.deleted_at.is_(None), same
    )
    return func.coalesce(admin.c.employee_id, named.correlate(admin).scalar_subquery())


def _is_there() -> Any:
    active = columns.find(USERS, ACTIVE, None)
    assert active is not None
    return tables.employee.c.deleted_at.is_(None) & tables.employee.c[active.name].is_not(False)


def _select_visitor() -> Any:
    session, admin, tenant, employee = portal_tables.portal_session, portal_tables.admin, tables.tenant, tables.employee
    membership, role, attached = tables.membership, tables.role, portal_tables.role_permission
    of_roles = (
        select(func.array_agg(attached.c.permission.distinct()))
        .join(membership, membership.c.role_id == attached.c.role_id)
        .join(role, role.c.id == attached.c.role_id)
        .where(membership.c.member_id == employee.c.id, role.c.deleted_at.is_(None))
        .where(attached.c.tenant_id == admin.c.tenant_id)
        .correlate(employee, admin)
        .scalar_subquery()
    )
    return (
        select(
            admin.c.id.label("admin_id"),
            admin.c.email,
            admin.c.permissions.label("own"),
            tenant.c.id.label("tenant_id"),
            tenant.c.slug.label("tenant"),
            tenant.c.domain,
            tenant.c.catalogue_version,
            employee.c.id.label("employee_id"),
            _is_there().label("is_there"),
            func.coalesce(of_roles, literal([], ARRAY(Text))).label("of_roles"),
            (session.c.seen_at < func.clock_timestamp() - NOTED).label("is_stale"),
        )
        .join(admin, admin.c.id == session.c.admin_id)
        .join(tenant, tenant.c.id == admin.c.tenant_id)
        .outerjoin(employee, employee.c.id == _employee_id())
    )


_VISITOR = _select_visitor()
