"""The SQL evaluator on a tenant's own extension: the same table of cases as in memory, and what uses the index."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, event, select, text

from services.directory import database, filtering, ids, listing, queries, store, tables
from services.directory.listing import Listing, Source
from shared.scim import filters, searches
from tests.factories import Tenant
from tests.unit.scim.badge import ADA, BARE, CASES, URN, USERS, VISITOR

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(("condition", "resource", "expected"), CASES)
def test_sql_finds_what_memory_matches(
    engine: Engine, tenant: Tenant, condition: str, resource: dict[str, Any], *, expected: bool
) -> None:
    tenant_id = tenant.principal.tenant_id
    source = Source(resource_type=USERS, filter=filters.parse(condition, USERS))

    with database.transaction(engine) as connection:
        store.create(connection, USERS, tenant_id, ids.new(), resource, NOW)
        found = listing.count(connection, Listing(tenant_id=tenant_id, sources=(source,)))

    assert (found == 1) is expected


@pytest.mark.parametrize(("resource", "expected"), [(ADA, True), (BARE, False)])
def test_the_urn_is_among_the_schemas_of_who_has_the_extension(
    engine: Engine, tenant: Tenant, resource: dict[str, Any], *, expected: bool
) -> None:
    tenant_id, resource_id = tenant.principal.tenant_id, ids.new()
    source = Source(resource_type=USERS, filter=filters.parse(f'schemas eq "{URN}"', USERS))

    with database.transaction(engine) as connection:
        store.create(connection, USERS, tenant_id, resource_id, resource, NOW)
        found = listing.count(connection, Listing(tenant_id=tenant_id, sources=(source,)))
        read = queries.get(connection, USERS, tenant_id, str(resource_id), queries.wants_all)

    assert (found == 1) is expected
    assert (URN in read["schemas"]) is expected
    assert read.get(URN) == resource.get(URN)


@pytest.mark.parametrize("sort_by", ["number", "validUntil", "zones", "keys", "desk.building", "desk.floor", "credit"])
def test_an_extension_is_sorted_by(engine: Engine, tenant: Tenant, sort_by: str) -> None:
    tenant_id = tenant.principal.tenant_id
    source = Source(resource_type=USERS, sort=searches.sort_path(f"{URN}:{sort_by}", USERS))
    wanted = Listing(tenant_id=tenant_id, sources=(source,), is_sorted=True)

    with database.transaction(engine) as connection:
        for resource in (BARE, ADA):
            store.create(connection, USERS, tenant_id, ids.new(), resource, NOW)
        first = listing.at(connection, wanted, 0, 1, [queries.wants_all])
        second = listing.behind(connection, wanted, first[0].key, 1, [queries.wants_all])

    assert [found.resource["userName"] for found in (*first, *second)] == ["ada", "bare"]


def test_numbers_are_sorted_by_value(engine: Engine, tenant: Tenant) -> None:
    tenant_id = tenant.principal.tenant_id
    source = Source(resource_type=USERS, sort=searches.sort_path(f"{URN}:number", USERS))

    with database.transaction(engine) as connection:
        for resource in (ADA, VISITOR):
            store.create(connection, USERS, tenant_id, ids.new(), resource, NOW)
        wanted = Listing(tenant_id=tenant_id, sources=(source,), is_sorted=True)
        found = listing.at(connection, wanted, 0, 2, [queries.wants_all])

    assert [each.resource[URN]["number"] for each in found] == [-3, 4_711]


@pytest.mark.parametrize(
    "condition",
    ["number eq 1", "isVisitor eq true", 'serial eq "x"', 'zones eq "x"', 'desk.building eq "x"', 'keys[type eq "x"]'],
)
def test_an_equality_is_found_by_the_index(engine: Engine, condition: str) -> None:
    table = tables.employee
    statement = select(table.c.user_name).where(filtering.compile(filters.parse(condition, USERS), USERS))

    with database.transaction(engine) as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        event.listen(connection, "before_cursor_execute", explain, retval=True)
        plan = connection.execute(statement).scalars().all()

    assert any("ix_employee_extensions" in str(line) for line in plan), plan


def explain(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> tuple[str, Any]:
    """Ask for the plan of a statement in place of its rows."""
    return f"EXPLAIN {statement}", parameters
