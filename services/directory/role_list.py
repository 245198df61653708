"""List the roles of a tenant and their members as the staff portal shows them, a page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Text, func, literal, null, select, union_all

from services.directory import columns, searching, tables
from shared.scim.resource_types import GROUPS, USERS
from shared.scim.schemas import group, user

COUNTED = 10_000
"""More members than these are told as "more than"."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One role in the list."""

    id: UUID
    name: str
    members: int
    source: UUID | None
    changed_at: datetime


@dataclass(frozen=True, kw_only=True)
class Member:
    """Somebody in a role: an employee, or another role, which has no user name."""

    id: UUID
    name: str
    user_name: str | None
    is_active: bool | None
    since: datetime


def page(connection: Connection, tenant_id: UUID, text: str, last: str | None, limit: int) -> tuple[list[Line], bool]:
    """Return the roles whose name contains a text, behind a name, and whether there are more."""
    name, key = _name(), _key(_name())
    statement = _select().where(*_mine(tenant_id)).order_by(key).limit(limit + 1)
    for word in text.split()[: searching.MOST_WORDS]:
        statement = statement.where(func.strpos(func.lower(name), word.lower()) > 0)
    if last is not None:
        statement = statement.where(key > _key(literal(last, Text())))
    found = [Line(**row) for row in connection.execute(statement).mappings()]
    return found[:limit], len(found) > limit


def find(connection: Connection, tenant_id: UUID, role_id: UUID) -> Line | None:
    """Return one role, or None when the tenant has none with this id."""
    statement = _select().where(*_mine(tenant_id), tables.role.c.id == role_id)
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else Line(**row)


def members(
    connection: Connection, tenant_id: UUID, role_id: UUID, last: UUID | None, limit: int
) -> tuple[Sequence[Member], bool]:
    """Return the members of a role behind one of them, and whether there are more."""
    membership = tables.membership
    mine = [membership.c.role_id == role_id, membership.c.tenant_id == tenant_id]
    if last is not None:
        mine.append(membership.c.member_id > last)
    some = select(membership).where(*mine).order_by(membership.c.member_id).limit(limit + 1).cte("some")
    found = connection.execute(union_all(_people(some), _roles(some)).order_by("id")).mappings()
    listed = [Member(**row) for row in found]
    return listed[:limit], len(listed) > limit


def _people(some: Any) -> Any:
    employee = tables.employee
    shown, user_name, active = (_of_user(a) for a in (user.DISPLAY_NAME, user.USER_NAME, user.ACTIVE))
    name = func.coalesce(shown, user_name).label("name")
    own = (employee.c.id, name, user_name.label("user_name"), active.label("is_active"), some.c.since)
    return select(*own).join(some, some.c.member_id == employee.c.id)


def _roles(some: Any) -> Any:
    role, absent = tables.role, null()
    own = (role.c.id, _name(), absent.cast(Text).label("user_name"), literal(value=True).label("is_active"))
    return select(*own, some.c.since).join(some, some.c.member_id == role.c.id)


def _select() -> Any:
    role, membership = tables.role, tables.membership
    some = select(literal(1)).where(membership.c.role_id == role.c.id).limit(COUNTED + 1).correlate(role).subquery()
    count = select(func.count()).select_from(some).scalar_subquery()
    own = (role.c.id, _name().label("name"), role.c.source, role.c.meta_last_modified.label("changed_at"))
    return select(*own, count.label("members"))


def _mine(tenant_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return tables.role.c.tenant_id == tenant_id, tables.role.c.deleted_at.is_(None)


def _name() -> ColumnElement[Any]:
    found = columns.find(GROUPS, group.DISPLAY_NAME, None)
    assert found is not None, "roles have names"
    return tables.role.c[found.name]


def _key(name: ColumnElement[Any]) -> ColumnElement[Any]:
    return columns.ordered(group.DISPLAY_NAME, name)


def _of_user(attribute: Any) -> ColumnElement[Any]:
    found = columns.find(USERS, attribute, None)
    assert found is not None, "what the list shows has a column"
    return tables.employee.c[found.name]
