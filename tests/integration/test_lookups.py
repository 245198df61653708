"""What a look-up finds in one message is what `queries` and `listing` find in a transaction."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, insert, text

from services.directory import database, ids, listing, lookups, queries, store, tables, tenancy
from services.directory.driver import Prepared
from services.directory.listing import Listing, Source
from shared.scim import filters, paths, projection
from shared.scim.attributes import ResourceType
from shared.scim.errors import NotFoundError
from shared.scim.resource_types import GROUPS
from shared.scim.schemas import enterprise
from tests.conftest import make_tenant
from tests.factories import Tenant, employee, person, role
from tests.unit.scim.badge import ADA, URN, USERS

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PAGE = 3
PROJECTIONS = [(None, None), ("userName", None), (None, "groups,members"), (None, enterprise.URN), ("members", None)]


@pytest.fixture(scope="module")
def serving(engine: Engine) -> Iterator[Engine]:
    """A pool as a gateway has it."""
    url = engine.url.render_as_string(hide_password=False)
    made = database.connect(url, process="test", pool_size=1, role=tenancy.WORK)
    yield made
    made.dispose()


@pytest.fixture(scope="module")
def company(engine: Engine) -> dict[str, Any]:
    """A tenant with a manager, three of her people in a group, and somebody with an extension of its own."""
    tenant = make_tenant(engine)
    tenant_id, group_id = tenant.principal.tenant_id, ids.new()
    made = [ids.new() for _ in range(6)]
    manager = {"department": "Sales", "manager": {"value": str(made[0])}}
    nobody = {"department": "Sales", "manager": {"value": "nobody"}}
    resources = [
        person(userName="Boss@example.com", displayName="The Boss"),
        *(employee(userName=f"p{n}@example.com", externalId="twice", **{enterprise.URN: manager}) for n in (1, 2)),
        employee(userName="O'Brien\\x@example.com", externalId="once", **{enterprise.URN: nobody}),
        ADA,
        person(userName="alone@example.com", emails=[{"value": "a@example.com", "type": "work"}]),
    ]
    with database.transaction(engine) as connection:
        for id_, resource in zip(made, resources, strict=True):
            store.create(connection, USERS, tenant_id, id_, resource, NOW)
        store.create(connection, GROUPS, tenant_id, group_id, role(displayName="Sellers"), NOW)
        always = {"role_id": group_id, "member_type": "User", "tenant_id": tenant_id, "since": NOW}
        connection.execute(insert(tables.membership), [always | {"member_id": each} for each in made[:4]])
    return {"tenant": tenant, "people": made, "group": group_id}


def wanting(attributes: str | None, excluded: str | None, resource_type: ResourceType) -> queries.Wants:
    return partial(projection.wants, projection.parse(attributes, excluded, resource_type))


def asking(company: dict[str, Any], resource_type: ResourceType, condition: str, **options: Any) -> Listing:
    source = Source(resource_type=resource_type, filter=filters.parse(condition, resource_type))
    return Listing(tenant_id=company["tenant"].principal.tenant_id, sources=(source,), **options)


@pytest.mark.parametrize(("attributes", "excluded"), PROJECTIONS)
def test_one_resource_is_what_a_transaction_reads(
    serving: Engine, company: dict[str, Any], attributes: str | None, excluded: str | None
) -> None:
    tenant_id = company["tenant"].principal.tenant_id
    everybody = [(USERS, str(each)) for each in company["people"]] + [(GROUPS, str(company["group"]))]

    for resource_type, resource_id in everybody:
        wants = wanting(attributes, excluded, resource_type)
        found = lookups.get(serving, resource_type, tenant_id, resource_id, wants)
        with database.transaction(serving, tenant_id) as connection:
            assert found == queries.get(connection, resource_type, tenant_id, resource_id, wants)


def test_the_table_of_cases_holds_groups_members_managers_and_extensions(
    serving: Engine, company: dict[str, Any]
) -> None:
    tenant_id = company["tenant"].principal.tenant_id
    read = partial(lookups.get, serving, USERS, tenant_id, wants=queries.wants_all)

    boss, first, _, other, ada, alone = (read(resource_id=str(each)) for each in company["people"])
    group = lookups.get(serving, GROUPS, tenant_id, str(company["group"]), queries.wants_all)

    assert [each["display"] for each in boss["groups"]] == ["Sellers"]
    assert first[enterprise.URN]["manager"]["displayName"] == "The Boss"
    assert other[enterprise.URN]["manager"] == {"value": "nobody"}
    assert ada[URN] == ADA[URN]
    assert "groups" not in alone
    assert len(group["members"]) == 4


@pytest.mark.parametrize(
    ("resource_type", "condition", "count"),
    [
        (USERS, 'userName eq "boss@EXAMPLE.com"', 1),
        (USERS, 'userName eq "O\'Brien\\\\x@example.com"', 1),
        (USERS, 'userName eq "nobody@example.com"', 0),
        (USERS, 'externalId eq "twice"', 2),
        (USERS, 'externalId eq "Twice"', 0),
        (USERS, 'id eq "{first}"', 1),
        (GROUPS, 'displayName eq "SELLERS"', 1),
        (GROUPS, 'externalId eq "none"', 0),
    ],
)
@pytest.mark.parametrize(("attributes", "excluded"), PROJECTIONS)
def test_a_match_query_finds_what_a_list_does(
    serving: Engine,
    company: dict[str, Any],
    resource_type: ResourceType,
    condition: str,
    count: int,
    attributes: str | None,
    excluded: str | None,
) -> None:
    wanted = asking(company, resource_type, condition.replace("{first}", str(company["people"][0])))
    wants = wanting(attributes, excluded, resource_type)

    found = lookups.matching(serving, wanted, PAGE, wants)

    with database.transaction(serving, wanted.tenant_id) as connection:
        assert found == listing.at(connection, wanted, 0, PAGE, [wants])
    assert found is not None
    assert len(found) == count


@pytest.mark.parametrize(
    ("condition", "options"),
    [
        ('title eq "x"', {}),
        ('emails eq "a@example.com"', {}),
        ('userName ne "x"', {}),
        ('userName eq "x" and active eq true', {}),
        ("userName eq null", {}),
        ('id eq "x"', {}),
        ('userName eq "x"', {"is_descending": True}),
    ],
)
def test_other_queries_are_left_to_lists(
    serving: Engine, company: dict[str, Any], condition: str, options: dict[str, Any]
) -> None:
    assert lookups.matching(serving, asking(company, USERS, condition, **options), PAGE, queries.wants_all) is None


def test_a_sorted_query_and_more_than_a_page_are_left_to_lists(serving: Engine, company: dict[str, Any]) -> None:
    more = asking(company, USERS, 'externalId eq "twice"')
    sort = Source(resource_type=USERS, filter=more.sources[0].filter, sort=paths.reference("userName", USERS))
    sorted_ = Listing(tenant_id=more.tenant_id, sources=(sort,), is_sorted=True)

    assert lookups.matching(serving, more, 1, queries.wants_all) is None
    assert lookups.matching(serving, sorted_, PAGE, queries.wants_all) is None


def test_what_is_not_there_is_not_found(serving: Engine, company: dict[str, Any], tenant: Tenant) -> None:
    tenant_id, first = company["tenant"].principal.tenant_id, str(company["people"][0])

    for of, sought in ((tenant_id, str(ids.new())), (tenant_id, "x"), (tenant.principal.tenant_id, first)):
        with pytest.raises(NotFoundError):
            lookups.get(serving, USERS, of, sought, queries.wants_all)


def test_a_resource_comes_for_one_message(serving: Engine, company: dict[str, Any], tmp_path: Path) -> None:
    tenant_id, first, traced = company["tenant"].principal.tenant_id, str(company["people"][1]), tmp_path / "trace"
    lookups.get(serving, USERS, tenant_id, first, queries.wants_all)

    with serving.connect() as connection:
        own: Any = connection.connection.driver_connection
    with traced.open("w") as file:
        own.pgconn.trace(file.fileno())
        lookups.get(serving, USERS, tenant_id, first, queries.wants_all)
        own.pgconn.untrace()

    lines = traced.read_text().splitlines()
    sent = [fields[fields.index("F") + 2] for fields in (line.split("\t") for line in lines) if "F" in fields]
    assert sent == ["Bind", "Describe", "Execute", "Bind", "Describe", "Execute", "Sync"]


def test_what_was_prepared_stays_known_though_a_look_up_failed(
    serving: Engine, engine: Engine, company: dict[str, Any]
) -> None:
    """Else each later one would fail over the name that is there already, and be read twice."""
    tenant_id, first = company["tenant"].principal.tenant_id, str(company["people"][1])
    with engine.connect() as other:
        other.execute(text("LOCK TABLE employee IN ACCESS EXCLUSIVE MODE"))
        with serving.connect() as connection:
            own: Any = connection.connection.driver_connection
        own.execute("SET statement_timeout = '100ms'")
        own.commit()
        lookup = database.read_at_once(serving, tenant_id, _by_name(), (tenant_id.hex, first))
        other.rollback()
    assert lookup is None

    assert database.read_at_once(serving, tenant_id, _by_name(), (tenant_id.hex, first)) == [(UUID(first),)]
    own.execute("RESET statement_timeout")
    own.commit()


def _by_name() -> Prepared:
    query = "SELECT id FROM employee WHERE tenant_id = $1 AND id = $2 AND pg_sleep(0) IS NOT NULL"
    return Prepared(name="test_by_name", types=("uuid", "uuid"), query=query)


def test_no_log_of_the_server_quotes_an_argument(serving: Engine, company: dict[str, Any], tmp_path: Path) -> None:
    """Whatever goes wrong there, it logs the statement: values must not be in it."""
    traced = tmp_path / "trace"
    query = Prepared(name="test_division", types=("text", "bigint"), query="SELECT $1, 1 / $2")
    with serving.connect() as connection:
        own: Any = connection.connection.driver_connection
    with traced.open("w") as file:
        own.pgconn.trace(file.fileno())
        found = database.read_at_once(serving, company["tenant"].principal.tenant_id, query, ("secret", "0"))
        own.pgconn.untrace()

    assert found is None
    quoting = [line for line in traced.read_text().splitlines() if "secret" in line]
    assert len(quoting) == 1
    assert "Bind" in quoting[0]


def test_whom_a_look_up_served_is_forgotten_after_it(serving: Engine, company: dict[str, Any]) -> None:
    tenant_id, first = company["tenant"].principal.tenant_id, str(company["people"][1])

    lookups.get(serving, USERS, tenant_id, first, queries.wants_all)

    with database.transaction(serving) as connection:
        assert connection.scalar(text("SELECT count(*) FROM employee")) == 0


def test_a_connection_that_broke_costs_nobody_an_answer(
    serving: Engine, engine: Engine, company: dict[str, Any]
) -> None:
    tenant_id, first = company["tenant"].principal.tenant_id, str(company["people"][1])
    with serving.connect() as connection:
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
    with database.autocommit(engine) as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": pid})

    found = lookups.get(serving, USERS, tenant_id, first, queries.wants_all)

    assert UUID(found["id"]) == company["people"][1]
