"""List the employees of a tenant as the staff portal shows them: found by what was typed, a page at a time, by name.

The next page begins behind the last employee of this one (and the previous one ends before the first), by an index that
has this order: page 2,000 costs what page 1 costs. Those without a name for display come last.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Text, and_, func, literal, select, tuple_

from services.directory import columns, ids, members, searching, tables
from shared.scim.attributes import Attribute
from shared.scim.resource_types import USERS
from shared.scim.schemas import enterprise, user

COUNTED = 10_000
"""More than these are told as "more than"; to count a million takes long, and tells nobody anything."""

_COLUMNS: dict[str, tuple[Attribute, Attribute | None]] = {
    "user_name": (user.USER_NAME, None),
    "display_name": (user.DISPLAY_NAME, None),
    "formatted": (user.NAME, user.NAME.sub("formatted")),
    "title": (user.TITLE, None),
    "department": (enterprise.DEPARTMENT, None),
    "manager_id": (enterprise.MANAGER, enterprise.MANAGER.sub("value")),
    "employee_number": (enterprise.EMPLOYEE_NUMBER, None),
    "is_active": (user.ACTIVE, None),
    "emails": (user.EMAILS, None),
}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One employee in the list."""

    id: UUID
    user_name: str
    display_name: str | None
    formatted: str | None
    title: str | None
    department: str | None
    manager_id: str | None
    employee_number: str | None
    is_active: bool | None
    emails: Any
    region: str
    """The id of the region."""
    source: UUID | None
    changed_at: datetime
    manager: str | None = None

    @property
    def name(self) -> str:
        """What the employee is called."""
        return self.display_name or self.formatted or self.user_name

    @property
    def email(self) -> str | None:
        """The preferred e-mail address, or the first."""
        found = sorted(self.emails or [], key=lambda email: not email.get("primary"))
        return found[0].get("value") if found else None


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which employees are meant."""

    tenant_id: UUID
    text: str = ""
    is_active: bool | None = None
    region: str | None = None


@dataclass(frozen=True)
class Place:
    """Where an employee stands in the list."""

    name: str | None
    id: UUID


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some employees, and whether there are others around them."""

    lines: Sequence[Line]
    has_earlier: bool
    has_later: bool

    @property
    def first(self) -> Place:
        return place(self.lines[0])

    @property
    def last(self) -> Place:
        return place(self.lines[-1])


def place(line: Line) -> Place:
    """Return where an employee stands."""
    return Place(line.display_name, line.id)


def first(connection: Connection, wanted: Wanted, limit: int) -> Page:
    """Return the first page."""
    return after(connection, wanted, None, limit)


def after(connection: Connection, wanted: Wanted, last: Place | None, limit: int) -> Page:
    """Return the page behind a place."""
    found = _read(connection, wanted, _stretches_after(last), limit + 1, is_backward=False)
    lines = _with_managers(connection, wanted.tenant_id, found[:limit])
    return Page(lines=lines, has_earlier=last is not None, has_later=len(found) > limit)


def before(connection: Connection, wanted: Wanted, first: Place, limit: int) -> Page:
    """Return the page that ends before a place."""
    found = _read(connection, wanted, _stretches_before(first), limit + 1, is_backward=True)
    lines = _with_managers(connection, wanted.tenant_id, found[:limit][::-1])
    return Page(lines=lines, has_earlier=len(found) > limit, has_later=True)


def one(connection: Connection, tenant_id: UUID, employee_id: UUID) -> Line:
    """Return one employee, who exists."""
    found = _read(connection, Wanted(tenant_id=tenant_id), [tables.employee.c.id == employee_id], 1, is_backward=False)
    return _with_managers(connection, tenant_id, found)[0]


def count(connection: Connection, wanted: Wanted) -> int:
    """Return how many employees there are, or one more than COUNTED."""
    some = select(literal(1)).where(*_conditions(wanted)).limit(COUNTED + 1).subquery()
    return connection.scalar(select(func.count()).select_from(some)) or 0


def _read(
    connection: Connection, wanted: Wanted, stretches: Sequence[ColumnElement[bool]], limit: int, *, is_backward: bool
) -> list[Line]:
    table = tables.employee
    named = (_column(*attribute).label(label) for label, attribute in _COLUMNS.items())
    own = (table.c.id, table.c.region, table.c.source, table.c.meta_last_modified.label("changed_at"))
    key = [each.desc() if is_backward else each for each in (_name(), table.c.id)]
    statement = select(*own, *named).where(*_conditions(wanted)).order_by(*key)
    found: list[Line] = []
    for stretch in stretches:
        if len(found) < limit:
            rows = connection.execute(statement.where(stretch).limit(limit - len(found))).mappings()
            found += [Line(**row) for row in rows]
    return found


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    table = tables.employee
    conditions: list[ColumnElement[bool]] = [table.c.tenant_id == wanted.tenant_id, table.c.deleted_at.is_(None)]
    conditions += [table.c[searching.COLUMN].like(pattern) for pattern in searching.patterns(wanted.text)]
    if wanted.is_active is not None:
        conditions.append(_column(user.ACTIVE, None).is_(wanted.is_active))
    if wanted.region is not None:
        conditions.append(table.c.region == wanted.region)
    return conditions


def _stretches_after(last: Place | None) -> list[ColumnElement[bool]]:
    table = tables.employee
    if last is None:
        return [_name().is_not(None), _name().is_(None)]
    if last.name is None:
        return [and_(_name().is_(None), table.c.id > last.id)]
    return [tuple_(_name(), table.c.id) > _mark(last), _name().is_(None)]


def _stretches_before(first: Place) -> list[ColumnElement[bool]]:
    table = tables.employee
    if first.name is None:
        return [and_(_name().is_(None), table.c.id < first.id), _name().is_not(None)]
    return [tuple_(_name(), table.c.id) < _mark(first)]


def _mark(place: Place) -> Any:
    return tuple_(columns.ordered(user.DISPLAY_NAME, literal(place.name, Text())), literal(place.id))


def _name() -> ColumnElement[Any]:
    return columns.ordered(user.DISPLAY_NAME, _column(user.DISPLAY_NAME, None))


def _column(attribute: Attribute, sub: Attribute | None) -> ColumnElement[Any]:
    found = columns.find(USERS, attribute, sub)
    assert found is not None, "what the list shows has a column"
    return tables.employee.c[found.name]


def _with_managers(connection: Connection, tenant_id: UUID, lines: Sequence[Line]) -> Sequence[Line]:
    asked = {line.id: found for line in lines if line.manager_id and (found := ids.parse(line.manager_id))}
    names = members.living_names(connection, tenant_id, set(asked.values()))
    return [replace(line, manager=names.get(asked[line.id])) if line.id in asked else line for line in lines]
