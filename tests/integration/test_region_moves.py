"""Rules in SQL: who would move, by the table of cases that memory has too, a page at a time."""

from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Engine, delete, update

from services.directory import database, ids, region_moves, regions, store, tables
from services.directory.region_rules import HQ, Operator
from tests.conftest import make_tenant
from tests.factories import Tenant, employee
from tests.integration.test_filtering import NOW
from tests.region_cases import CASES, EXTENDED, Case, rule


@dataclass(frozen=True, kw_only=True)
class Company:
    """A tenant, and who is in it."""

    tenant: Tenant
    engine: Engine

    def hire(self, **attributes: Any) -> None:
        with database.transaction(self.engine) as connection:
            tenant_id = self.tenant.principal.tenant_id
            store.create(connection, EXTENDED, tenant_id, ids.new(), employee(**attributes), NOW)

    def rules(self, *rules: Any) -> region_moves.Rules:
        return region_moves.Rules(tenant_id=self.tenant.principal.tenant_id, rules=rules, resource_type=EXTENDED)


@pytest.fixture
def company(engine: Engine, tenant: Tenant) -> Company:
    return Company(tenant=tenant, engine=engine)


@pytest.fixture(scope="module")
def one(engine: Engine) -> Company:
    """A tenant whose only employee is another one each time."""
    return Company(tenant=make_tenant(engine), engine=engine)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_sql_says_the_same_region(one: Company, case: Case) -> None:
    with database.transaction(one.engine) as connection:
        connection.execute(delete(tables.employee).where(tables.employee.c.tenant_id == one.tenant.principal.tenant_id))
    one.hire(**case.attributes)

    with database.transaction(one.engine) as connection:
        moves, _ = region_moves.page(connection, one.rules(*case.rules), None, 10)

    assert [each.after for each in moves] == ([] if case.region == HQ else [case.region])


def test_a_preview_counts_by_way_and_has_pages(company: Company) -> None:
    for number in range(5):
        company.hire(displayName=f"Guard {number}", title="Guard")
    company.hire(displayName="Chief", title="Chief")
    company.hire(displayName="Nobody")
    rules = company.rules(
        rule("title", Operator.EQUALS, "Guard"), rule("title", Operator.EQUALS, "Chief", region="South")
    )

    with database.transaction(company.engine) as connection:
        groups = region_moves.groups(connection, rules)
        first, has_more = region_moves.page(connection, rules, None, 4)
        second, has_still_more = region_moves.page(connection, rules, first[-1].id, 4)

    assert [(g.before, g.after, g.employees) for g in groups] == [(HQ, "North", 5), (HQ, "South", 1)]
    assert ([m.name for m in (*first, *second)], has_more, has_still_more) == (
        [f"Guard {n}" for n in range(5)] + ["Chief"],
        True,
        False,
    )


def test_who_is_there_already_or_gone_or_anothers_does_not_move(
    company: Company, engine: Engine, tenant: Tenant
) -> None:
    Company(tenant=make_tenant(engine), engine=engine).hire(title="Guard")
    for title in ("Guard", "Guard of the south"):
        company.hire(displayName=title, title=title)
    table = tables.employee
    with database.transaction(engine) as connection:
        mine = table.c.tenant_id == tenant.principal.tenant_id
        connection.execute(update(table).where(mine, table.c.title == "Guard").values(region="North"))
        connection.execute(update(table).where(mine, table.c.title != "Guard").values(deleted_at=NOW))

        moves, _ = region_moves.page(connection, company.rules(rule("title", Operator.STARTS_WITH, "Guard")), None, 10)
        back = region_moves.groups(connection, company.rules())

    assert moves == []
    assert [(group.before, group.after, group.employees) for group in back] == [("North", HQ, 1)]


def test_regions_are_counted(company: Company, engine: Engine) -> None:
    tenant_id = company.tenant.principal.tenant_id
    for _ in range(3):
        company.hire()

    with database.transaction(engine) as connection:
        assert regions.counts(connection, tenant_id, [HQ, "North"]) == {HQ: 3, "North": 0}
