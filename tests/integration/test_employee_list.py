"""The list of employees: who is found, in which order, page by page, and by which index."""

from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from services.directory import database, employee_list, ids, store
from services.directory.employee_list import Wanted
from shared.scim.resource_types import USERS
from shared.scim.schemas import enterprise
from tests.factories import Tenant, employee
from tests.integration.test_filtering import NOW


@dataclass(frozen=True, kw_only=True)
class Company:
    """A tenant, and who is in it."""

    tenant: Tenant
    engine: Engine

    def hire(self, **attributes: Any) -> None:
        with database.transaction(self.engine) as connection:
            tenant_id = self.tenant.principal.tenant_id
            store.create(connection, USERS, tenant_id, ids.new(), employee(**attributes), NOW)

    def wanted(self, text: str = "", **more: Any) -> Wanted:
        return Wanted(tenant_id=self.tenant.principal.tenant_id, text=text, **more)

    def found(self, text: str = "", **more: Any) -> list[str]:
        with database.transaction(self.engine) as connection:
            return [line.name for line in employee_list.first(connection, self.wanted(text, **more), 50).lines]


@pytest.fixture
def company(engine: Engine, tenant: Tenant) -> Company:
    return Company(tenant=tenant, engine=engine)


def test_every_word_must_be_somewhere(company: Company) -> None:
    company.hire(displayName="Ada Lovelace", userName="al@example.com", active=True)
    company.hire(displayName="Ada Müller", userName="am@example.com", active=False)
    company.hire(userName="x@example.com", emails=[{"value": "grace@navy.example"}])
    company.hire(userName="y@example.com", displayName="Y", **{enterprise.URN: {"employeeNumber": "4711"}})

    assert company.found("ADA") == ["Ada Lovelace", "Ada Müller"]
    assert company.found("muller ada") == ["Ada Müller"]
    assert company.found("velac") == ["Ada Lovelace"]
    assert company.found("navy") == ["x@example.com"]
    assert company.found("471") == ["Y"]
    assert company.found("da") == []
    assert company.found("ad") == ["Ada Lovelace", "Ada Müller"]
    assert company.found("ada", is_active=True) == ["Ada Lovelace"]
    assert company.found("%") == []


def test_a_change_is_found_and_what_was_before_is_not(company: Company) -> None:
    company.hire(displayName="Old Name", userName="same@example.com")
    with database.transaction(company.engine) as connection:
        [line] = employee_list.first(connection, company.wanted(), 2).lines
        row = store.lock(connection, USERS, company.tenant.principal.tenant_id, line.id)
        store.change(connection, USERS, row, {"userName": "same@example.com", "displayName": "New Name"}, NOW)

    assert company.found("new name") == ["New Name"]
    assert company.found("old name") == []


def test_another_tenants_employees_are_not_found(company: Company, engine: Engine) -> None:
    company.hire(displayName="Ada Lovelace")
    other = Wanted(tenant_id=ids.new(), text="ada")

    with database.transaction(engine) as connection:
        assert employee_list.first(connection, other, 50).lines == []
        assert employee_list.count(connection, other) == 0


def test_pages_go_forth_and_back_over_equal_and_absent_names(company: Company) -> None:
    for number in range(4):
        company.hire(displayName="Same", userName=f"same{number}@example.com")
        company.hire(userName=f"nameless{number}@example.com")
        company.hire(displayName=f"Other {number}", userName=f"other{number}@example.com")
    with database.transaction(company.engine) as connection:
        whole = employee_list.first(connection, company.wanted(), 50)
        forth = walk(connection, company.wanted(), 5)
        back = walk_back(connection, company.wanted(), 5)

    names = [line.user_name for line in whole.lines]
    assert (len(names), whole.has_earlier, whole.has_later) == (12, False, False)
    assert [line.display_name for line in whole.lines[-4:]] == [None] * 4
    assert forth == names
    assert back == names


def walk(connection: Connection, wanted: Wanted, size: int) -> list[str]:
    page = employee_list.first(connection, wanted, size)
    names = [line.user_name for line in page.lines]
    while page.has_later and len(names) < 100:
        page = employee_list.after(connection, wanted, page.last, size)
        assert page.has_earlier
        names += [line.user_name for line in page.lines]
    return names


def walk_back(connection: Connection, wanted: Wanted, size: int) -> list[str]:
    last = employee_list.first(connection, wanted, 50).lines[-1]
    names = [last.user_name]
    page = employee_list.before(connection, wanted, employee_list.place(last), size)
    while page.lines and len(names) < 100:
        names = [line.user_name for line in page.lines] + names
        if not page.has_earlier:
            return names
        page = employee_list.before(connection, wanted, page.first, size)
    return names


def test_a_rare_word_is_found_by_its_index(company: Company) -> None:
    with database.transaction(company.engine) as connection:
        connection.execute(
            text("""
            INSERT INTO employee (id, tenant_id, user_name, display_name, search, version, meta_created,
                                  meta_last_modified)
            SELECT gen_random_uuid(), :tenant, 'u' || n, 'User ' || n, ' user ' || n || ' u' || n, 1, now(), now()
            FROM generate_series(1, 20000) n
            """),
            {"tenant": company.tenant.principal.tenant_id},
        )
    with database.autocommit(company.engine) as connection:
        connection.execute(text("VACUUM ANALYZE employee"))
    with database.transaction(company.engine) as connection:
        plan = "\n".join(
            connection.scalars(
                text("""
                EXPLAIN SELECT id FROM employee WHERE tenant_id = :tenant AND deleted_at IS NULL
                AND search LIKE '%zebra%' ORDER BY lower(left(display_name, 512)) COLLATE "C", id LIMIT 51
                """),
                {"tenant": company.tenant.principal.tenant_id},
            )
        )

    assert "ix_employee_search" in plan
    assert company.found("user 19999") == ["User 19999"]
