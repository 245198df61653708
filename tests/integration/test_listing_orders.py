"""A page of a sorted list costs the same wherever it is: an index has the order, and nothing is sorted or read over.

PostgreSQL says itself what it read, over 20,000 employees and as many roles of one tenant.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, text

from services.directory import database, listing, tables
from services.directory.listing import Found, Key, Listing, Source
from shared.scim import paths
from shared.scim.resource_types import BY_NAME
from tests.conftest import make_tenant
from tests.factories import Tenant

MANY = 20_000
FEW = 240
PAGE = 100
# Names that come twice or not at all, so that ties and absent values are among them.
PEOPLE = """
INSERT INTO employee (id, tenant_id, version, meta_created, meta_last_modified, user_name, external_id, display_name)
SELECT gen_random_uuid(), :tenant, 1, moment, moment, 'User' || i || '@example.com',
       CASE WHEN i % 4 > 0 THEN md5((i / 2)::text) END, CASE WHEN i % 3 > 0 THEN 'Name ' || i % 90 END
FROM generate_series(1, :many) AS i, LATERAL (SELECT now() + i / 2 * interval '1 second' AS moment) AS made
"""
ROLES = """
INSERT INTO role (id, tenant_id, version, meta_created, meta_last_modified, display_name, external_id)
SELECT gen_random_uuid(), :tenant, 1, moment, moment, 'Role ' || i, CASE WHEN i % 4 > 0 THEN md5((i / 2)::text) END
FROM generate_series(1, :many) AS i, LATERAL (SELECT now() + i / 2 * interval '1 second' AS moment) AS made
"""
ORDERS = [
    ("User", None, "ix_employee_order"),
    ("User", "id", "ix_employee_order"),
    ("User", "userName", "uq_employee_user_name"),
    ("User", "externalId", "ix_employee_external_id"),
    ("User", "displayName", "ix_employee_display_name"),
    ("User", "meta.created", "ix_employee_meta_created"),
    ("Group", None, "ix_role_order"),
    ("Group", "id", "ix_role_order"),
    ("Group", "displayName", "uq_role_display_name"),
    ("Group", "externalId", "ix_role_external_id"),
    ("Group", "meta.created", "ix_role_meta_created"),
]
every_order = pytest.mark.parametrize(("kind", "sort_by", "index"), ORDERS)
both_ways = pytest.mark.parametrize("is_descending", [False, True], ids=["ascending", "descending"])


@pytest.fixture(scope="module")
def many(engine: Engine) -> Iterator[Tenant]:
    """A tenant with very many resources."""
    tenant = make_tenant(engine)
    fill(engine, tenant, MANY)
    yield tenant
    with database.transaction(engine) as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        for table in (tables.employee, tables.role):
            connection.execute(table.delete().where(table.c.tenant_id == tenant.principal.tenant_id))


@pytest.fixture(scope="module")
def few(engine: Engine) -> Tenant:
    """A tenant with some resources."""
    tenant = make_tenant(engine)
    fill(engine, tenant, FEW)
    return tenant


def fill(engine: Engine, tenant: Tenant, many: int) -> None:
    with database.transaction(engine) as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        for statement in (PEOPLE, ROLES):
            connection.execute(text(statement), {"tenant": tenant.principal.tenant_id, "many": many})
        connection.execute(text("ANALYZE employee, role"))


def wanted(tenant: Tenant, kind: str, sort_by: str | None, *, is_descending: bool) -> Listing:
    resource_type = BY_NAME[kind]
    sort = paths.reference(sort_by, resource_type) if sort_by else None
    source = Source(resource_type=resource_type, sort=sort)
    return Listing(
        tenant_id=tenant.principal.tenant_id,
        sources=(source,),
        is_sorted=sort is not None,
        is_descending=is_descending,
    )


def page(connection: Connection, list_: Listing, last: Key | None, size: int = PAGE) -> list[Found]:
    return listing.behind(connection, list_, last, size, [lambda _: False])


def key_at(connection: Connection, list_: Listing, place: int) -> Key:
    [found] = listing.at(connection, list_, place, 1, [lambda _: False])
    return found.key


def explained(connection: Connection, list_: Listing, last: Key | None) -> list[dict[str, Any]]:
    """Return the nodes of the plans that a page was read with, once it was read."""
    sent: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        sent.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    page(connection, list_, last)
    event.remove(connection, "before_cursor_execute", note)
    lists = [(statement, parameters) for statement, parameters in sent if "LIMIT" in statement]
    plans = [connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {s}", p).scalar_one() for s, p in lists]
    return [node for plan in plans for node in nodes((plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"])]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


@every_order
@both_ways
def test_every_page_is_read_from_the_index_and_no_more_than_it(
    engine: Engine, many: Tenant, kind: str, sort_by: str | None, index: str, is_descending: bool
) -> None:
    list_ = wanted(many, kind, sort_by, is_descending=is_descending)
    with database.transaction(engine, many.principal.tenant_id) as connection:
        places = {"middle": MANY // 2, "late": MANY - PAGE - 1}
        anchors = {"first": None} | {name: key_at(connection, list_, place) for name, place in places.items()}
        plans = {name: explained(connection, list_, last) for name, last in anchors.items()}

    for name, plan in plans.items():
        assert {node.get("Index Name") for node in plan} - {None} == {index}, name
        # A Result asks once whether the tenant that is asked for is the one that is named, and not for each row.
        assert {node["Node Type"] for node in plan} <= {"Limit", "Index Scan", "Result"}, name
        read = [n["Actual Rows"] + n.get("Rows Removed by Filter", 0) for n in plan if "Index Name" in n]
        assert sum(read) == PAGE, name


@every_order
@both_ways
def test_pages_follow_each_other_as_one_list_does(
    engine: Engine, few: Tenant, kind: str, sort_by: str | None, index: str, is_descending: bool
) -> None:
    list_ = wanted(few, kind, sort_by, is_descending=is_descending)
    with database.transaction(engine, few.principal.tenant_id) as connection:
        paged = page(connection, list_, None, 7)
        for _ in range(FEW // 7):
            paged += page(connection, list_, paged[-1].key, 7)
        whole = listing.at(connection, list_, 0, 2 * FEW, [lambda _: False])

    assert [found.key for found in paged] == [found.key for found in whole]
    assert len({found.key for found in paged}) == FEW


@pytest.mark.parametrize("sort_by", ["title", "emails.value", "meta.lastModified"])
@both_ways
def test_what_no_index_orders_is_listed_all_the_same(
    engine: Engine, few: Tenant, sort_by: str, is_descending: bool
) -> None:
    """An index on meta.lastModified would make every write dearer: docs/decisions/0016-orders-in-indexes.md."""
    list_ = wanted(few, "User", sort_by, is_descending=is_descending)
    with database.transaction(engine, few.principal.tenant_id) as connection:
        first = page(connection, list_, None)
        second = page(connection, list_, first[-1].key)
        both = page(connection, list_, None, 2 * PAGE)

    assert [found.key for found in first + second] == [found.key for found in both]
