"""Keep the admins of the staff portal: who may sign in to which tenant, and with what."""

import re
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from services.directory import audit, ids, portal_tables, queries, tables, tenants, token_secrets
from services.directory.audit_chain import Action
from services.directory.permissions import Permission
from shared.scim import resource_types

LINK_LIFETIME = timedelta(hours=12)
LINK_PATH = "/sign-in/link"
LONGEST_EMAIL = 254
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


class AdminError(ValueError):
    """An admin cannot be made or found; the text says what to do."""


@dataclass(frozen=True, kw_only=True)
class Admin:
    """Somebody who may sign in to one tenant's staff portal; without a password, only by a link."""

    id: UUID
    tenant_id: UUID
    tenant: str
    email: str
    password: str | None
    permissions: Sequence[str]
    employee_id: UUID | None
    created_at: datetime


def create(
    connection: Connection,
    tenant_id: UUID,
    email: str,
    password_hash: str | None = None,
    permissions: Collection[Permission] = frozenset({Permission.ADMIN}),
) -> UUID:
    """Create an admin of a tenant. Raises AdminError for a malformed or taken address."""
    if len(email) > LONGEST_EMAIL or not email.isprintable() or not _EMAIL.fullmatch(email):
        raise AdminError(f"{email!r} is not an e-mail address")
    values = {"id": ids.new(), "tenant_id": tenant_id, "email": email, "password": password_hash}
    try:
        with connection.begin_nested():
            connection.execute(insert(portal_tables.admin).values(**values, permissions=sorted(permissions)))
    except IntegrityError as error:
        raise AdminError(f"There is an admin {email!r} already (see: muster admin list)") from error
    made = values["id"]
    assert isinstance(made, UUID)
    return made


def find(connection: Connection, email: str) -> Admin | None:
    """Return the admin with this address, whatever its case; None when there is none."""
    if "\0" in email:
        return None  # PostgreSQL has no text with this in it.
    row = (
        connection.execute(_select().where(func.lower(portal_tables.admin.c.email) == email.lower()))
        .mappings()
        .one_or_none()
    )
    return None if row is None else Admin(**row)


def every(connection: Connection, tenant_id: UUID | None = None) -> Sequence[Admin]:
    """Return all admins, or those of a tenant, by address."""
    statement = _select().order_by(tables.tenant.c.slug, portal_tables.admin.c.email)
    if tenant_id is not None:
        statement = statement.where(portal_tables.admin.c.tenant_id == tenant_id)
    return [Admin(**row) for row in connection.execute(statement).mappings()]


def set_password(connection: Connection, tenant_id: UUID, admin_id: UUID, password_hash: str) -> None:
    """Give an admin another password; whoever is signed in as this admin is signed out."""
    table = portal_tables.admin
    mine = (table.c.id == admin_id, table.c.tenant_id == tenant_id)
    connection.execute(update(table).where(*mine).values(password=password_hash))
    connection.execute(delete(portal_tables.portal_session).where(portal_tables.portal_session.c.admin_id == admin_id))


def remove(connection: Connection, admin_id: UUID) -> None:
    """Remove an admin, who is signed out by that."""
    connection.execute(delete(portal_tables.admin).where(portal_tables.admin.c.id == admin_id))


def remove_employee(connection: Connection, tenant_id: UUID, employee_id: UUID, names: Collection[str]) -> None:
    """Remove the admins of a tenant who are, or are called like, an employee who is erased."""
    table = portal_tables.admin
    is_theirs = or_(table.c.employee_id == employee_id, func.lower(table.c.email).in_([name.lower() for name in names]))
    connection.execute(delete(table).where(table.c.tenant_id == tenant_id, is_theirs))


def link_employee(connection: Connection, admin: Admin) -> None:
    """Remember which employee an admin is: the one whose user name is the admin's address.

    It is remembered, so that an employee who is deleted later takes the admin's access along.
    """
    found = queries.find_unique(connection, resource_types.USERS, admin.tenant_id, admin.email)
    if found is not None and found != admin.employee_id:
        connection.execute(
            update(portal_tables.admin).where(portal_tables.admin.c.id == admin.id).values(employee_id=found)
        )


def make_link(connection: Connection, admin: Admin, lifetime: timedelta = LINK_LIFETIME) -> str:
    """Return the secret of a link that signs an admin in, once; earlier ones end."""
    secret, table = secrets.token_urlsafe(32), portal_tables.sign_in_link
    connection.execute(delete(table).where(table.c.admin_id == admin.id))
    ends = func.clock_timestamp() + lifetime
    values = {"sha256": token_secrets.digest(secret), "tenant_id": admin.tenant_id, "admin_id": admin.id}
    connection.execute(insert(table).values(**values, ends_at=ends))
    return secret


def first_link(connection: Connection, tenant_id: UUID, portal_url: str, actor: str) -> str:
    """Return a link that signs in an admin of a tenant: the first one, who is made where there is none."""
    found = every(connection, tenant_id)
    if not found:
        made = create(connection, tenant_id, f"admin@{tenants.slug_of(connection, tenant_id)}.example")
        audit.record(connection, tenant_id, Action.ADMIN_CREATED, actor=actor, target=made)
        found = every(connection, tenant_id)
    first = min(found, key=lambda admin: admin.created_at)
    audit.record(connection, tenant_id, Action.ADMIN_LINKED, actor=actor, target=first.id)
    return link_address(portal_url, make_link(connection, first))


def link_address(portal_url: str, secret: str) -> str:
    """Return the address that a browser is sent to; the secret is behind the #, which browsers send to nobody."""
    return f"{portal_url.rstrip('/')}{LINK_PATH}#{secret}"


def use_link(connection: Connection, secret: str) -> Admin | None:
    """Use a link up, and return whom it signs in; None when it was used, has ended, or never was."""
    found = _of_link(connection, secret)
    table = portal_tables.sign_in_link
    gone = connection.execute(delete(table).where(table.c.sha256 == token_secrets.digest(secret)))
    return found if gone.rowcount == 1 else None


def _of_link(connection: Connection, secret: str) -> Admin | None:
    link = portal_tables.sign_in_link
    statement = _select().join(link, link.c.admin_id == portal_tables.admin.c.id)
    good = (link.c.sha256 == token_secrets.digest(secret), link.c.ends_at > func.clock_timestamp())
    row = connection.execute(statement.where(*good)).mappings().one_or_none()
    return None if row is None else Admin(**row)


def _select() -> Any:
    table = portal_tables.admin
    names = ("id", "tenant_id", "email", "password", "permissions", "employee_id", "created_at")
    return select(*(table.c[name] for name in names), tables.tenant.c.slug.label("tenant")).join(
        tables.tenant, tables.tenant.c.id == table.c.tenant_id
    )
