"""Tell who is not where rules would put them: the SQL that is the twin of `region_rules.region_of`.

Every rule is a filter, which SQL has as well; the first that holds says the region. So a preview for a hundred thousand
employees is one statement, and nobody's attributes leave the database for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Text, case, func, literal, select

from services.directory import columns, filtering, region_rules, tables
from services.directory.region_rules import HQ, Rule
from shared.scim.attributes import Attribute, ResourceType
from shared.scim.resource_types import USERS
from shared.scim.schemas import user


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Rules of a tenant, and the resource type by which they are understood."""

    tenant_id: UUID
    rules: Sequence[Rule]
    resource_type: ResourceType


@dataclass(frozen=True, kw_only=True)
class Move:
    """One employee who would move, with the ids of both regions."""

    id: UUID
    user_name: str
    display_name: str | None
    before: str
    after: str

    @property
    def name(self) -> str:
        """What the employee is called."""
        return self.display_name or self.user_name


@dataclass(frozen=True, kw_only=True)
class Group:
    """How many employees would move from one region to another."""

    before: str
    after: str
    employees: int


def groups(connection: Connection, rules: Rules) -> Sequence[Group]:
    """Return how many would move, from where to where, the most first."""
    table, after, employees = tables.employee, _region(rules).label("after"), func.count().label("employees")
    statement = select(table.c.region.label("before"), after, employees).where(*_misplaced(rules))
    grouped = statement.group_by("before", "after").order_by(employees.desc(), "before", "after")
    return [Group(**row) for row in connection.execute(grouped).mappings()]


def page(connection: Connection, rules: Rules, last: UUID | None, limit: int) -> tuple[Sequence[Move], bool]:
    """Return who would move, behind an employee, and whether there are more."""
    table = tables.employee
    own = (table.c.id, table.c.region.label("before"), _region(rules).label("after"))
    named = (_column(user.USER_NAME).label("user_name"), _column(user.DISPLAY_NAME).label("display_name"))
    rows = connection.execute(_behind(select(*own, *named), rules, last).limit(limit + 1)).mappings().all()
    return [Move(**row) for row in rows[:limit]], len(rows) > limit


def ids(connection: Connection, rules: Rules, last: UUID | None, limit: int) -> Sequence[UUID]:
    """Return the ids of employees who are to move, behind one of them."""
    return connection.scalars(_behind(select(tables.employee.c.id), rules, last).limit(limit)).all()


def count(connection: Connection, rules: Rules) -> int:
    """Return how many employees are not where rules would put them."""
    return sum(group.employees for group in groups(connection, rules))


def _behind(statement: Any, rules: Rules, last: UUID | None) -> Any:
    table = tables.employee
    later = () if last is None else (table.c.id > last,)
    return statement.where(*_misplaced(rules), *later).order_by(table.c.id)


def _misplaced(rules: Rules) -> tuple[ColumnElement[bool], ...]:
    table = tables.employee
    return table.c.tenant_id == rules.tenant_id, table.c.deleted_at.is_(None), table.c.region != _region(rules)


def _region(rules: Rules) -> ColumnElement[str]:
    """Return the region in which an employee belongs, as an expression over the table of employees."""
    known = ((region_rules.understood(rule, rules.resource_type), rule.region) for rule in rules.rules)
    cases = [
        (filtering.compile(filter_, rules.resource_type), literal(region, Text()))
        for filter_, region in known
        if filter_ is not None
    ]
    return case(*cases, else_=literal(HQ, Text())) if cases else literal(HQ, Text())


def _column(attribute: Attribute) -> ColumnElement[Any]:
    found = columns.find(USERS, attribute, None)
    assert found is not None, "what a preview shows has a column"
    return tables.employee.c[found.name]
