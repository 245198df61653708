"""No statement that the product sends scans a large table: PostgreSQL itself tells the plan of each one that it ran.

The server's auto_explain writes the plans of all statements of a connection, whatever sent them. `PLANS_PEOPLE=1000000
pytest -n0 tests/integration/test_plans.py` asks the same of a million people.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, event, text

from services.directory import (
    backlog,
    database,
    employee_list,
    figures,
    history_pages,
    idempotency,
    ids,
    journal,
    listing,
    lookups,
    operation_details,
    queries,
    regions,
    role_list,
    sealing,
    sources,
    tables,
    tenancy,
    unanswered,
    why,
)
from services.directory.drain import Drainer
from services.directory.employee_list import Wanted
from services.directory.journal import Write
from services.directory.listing import Listing, Source
from shared.scim import filters, paths
from shared.scim.resource_types import BY_NAME
from tests import conftest, crowd, factories, shards
from tests.factories import Tenant, patch, replace

PEOPLE = int(os.environ.get("PLANS_PEOPLE", "20000"))
ROLES, PAGE = 2_000, 100
LARGE = 5_000
"""Rows from which on a table is large: a scan of less may well be the cheapest plan."""

MOST_ROWS = 1_500
"""Rows that a statement reads, at most, those included that it leaves out again."""

READS_MANY = {
    "list: meta.lastModified gt": "an index of it would make every write dearer (decision 16)",
    "list: active eq false": "SCIM asks for the total of all that match, and so all are counted",
    "list: active eq true": "SCIM asks for the total of all that match, and so all are counted",
    "list: everybody": "SCIM asks for the total of all, and so all are counted",
    "portal: count": "up to 10,000 are counted, whatever the size of the tenant",
    "portal: count of the inactive": "up to 10,000 are counted, whatever the size of the tenant",
    "portal: counts of regions": "each region is counted",
    "portal: pace": "up to so many of the newest operations are measured as figures.py says",
    "portal: role": "members are counted up to 10,000",
    "portal: roles": "members are counted up to 10,000",
    "portal: roles by name": "roles are fewer than people, and are looked through by their names",
}
"""What reads more rows, and why. Of a tenant that has most rows of a table, PostgreSQL may read it from end to end."""

_ROLES = """
INSERT INTO role (id, tenant_id, version, meta_created, meta_last_modified, display_name, external_id)
SELECT gen_random_uuid(), :tenant, 1, now(), now(), 'Role ' || n, 'r-' || n FROM generate_series(1, :roles) AS n
"""
# Each is in two roles, and every 100th person in the first role, too.
_MEMBERS = """
WITH someone AS MATERIALIZED (SELECT id, row_number() OVER () AS n FROM employee WHERE tenant_id = :tenant),
     one AS MATERIALIZED (SELECT id, row_number() OVER () AS n FROM role WHERE tenant_id = :tenant)
INSERT INTO membership (role_id, member_id, member_type, tenant_id, since)
SELECT one.id, someone.id, 'User', :tenant, now()
FROM someone JOIN one ON one.n IN (1 + someone.n % :roles, 1 + (someone.n * 7 + 3) % :roles)
   OR (one.n = 1 AND someone.n % 100 = 0)
ON CONFLICT DO NOTHING
"""
_INACTIVE = "UPDATE employee SET active = false WHERE tenant_id = :tenant AND user_name LIKE '%77@crowd.example'"
_SOME = "SELECT id FROM {table} WHERE tenant_id = :tenant AND deleted_at IS NULL ORDER BY id LIMIT 2"
_LANES = (
    "INSERT INTO lane (id, tenant_id, shard, seq) SELECT id, tenant_id, 0, 1 FROM employee WHERE tenant_id = :tenant "
    "UNION ALL SELECT id, tenant_id, 0, 1 FROM role WHERE tenant_id = :tenant"
)


@dataclass
class Watched:
    """A pool of connections, and the plans of what ran in it."""

    engine: Engine
    plans: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """A tenant with many people and roles, and one of each."""

    tenant: Tenant
    person: UUID
    leaver: UUID
    role: UUID

    @property
    def tenant_id(self) -> UUID:
        return self.tenant.principal.tenant_id


@pytest.fixture(scope="module")
def large(engine: Engine) -> Iterator[Crowd]:
    """A tenant with very many people, of whom much is known."""
    tenant = conftest.make_tenant(engine)
    given = {"tenant": tenant.principal.tenant_id, "roles": ROLES}
    crowd.fill(engine, tenant, people=PEOPLE, changes=PEOPLE, weeks=2)
    with database.transaction(engine) as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        for statement in (_ROLES, _MEMBERS, _INACTIVE, _LANES):
            connection.execute(text(statement), given)
        person, leaver = connection.scalars(text(_SOME.format(table="employee")), given)
        role, _ = connection.scalars(text(_SOME.format(table="role")), given)
    with database.autocommit(engine) as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE employee, role, membership, lane"))
    yield Crowd(tenant=tenant, person=person, leaver=leaver, role=role)
    with database.transaction(engine) as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        for table in (tables.membership, tables.lane, tables.role, tables.employee):
            connection.execute(table.delete().where(table.c.tenant_id == tenant.principal.tenant_id))


@pytest.fixture(scope="module")
def one_tenant(engine: Engine) -> Iterator[Watched]:
    """A pool as gateways and the portal have it."""
    yield from watched(engine, tenancy.WORK)


@pytest.fixture(scope="module")
def several(engine: Engine) -> Iterator[Watched]:
    """A pool as whoever accepts and sweeps has it."""
    yield from watched(engine, tenancy.ACROSS)


def watched(engine: Engine, role: str) -> Iterator[Watched]:
    options = {
        "session_preload_libraries": "auto_explain",
        "auto_explain.log_min_duration": "0",
        "auto_explain.log_analyze": "on",
        "auto_explain.log_format": "json",
        "auto_explain.log_level": "notice",
    }
    url = engine.url.render_as_string(hide_password=False)
    made = Watched(database.connect(url, process="plans", pool_size=3, role=role, **options))
    event.listen(made.engine, "connect", lambda own, _: own.add_notice_handler(lambda note: keep(made, note)))
    yield made
    made.engine.dispose()


def keep(kept: Watched, note: Any) -> None:
    _, is_plan, plan = note.message_primary.partition("plan:\n")
    if is_plan:
        kept.plans.append(json.loads(plan))


SCIM: Mapping[str, tuple[str, str]] = {
    "userName eq": ("User", 'userName eq "PERSON17@crowd.example"'),
    "userName eq, of nobody": ("User", 'userName eq "nobody@crowd.example"'),
    "externalId eq": ("User", 'externalId eq "x-17"'),
    "displayName eq": ("User", 'displayName eq "Given17 Family17"'),
    "id eq": ("User", 'id eq "{person}"'),
    "work e-mail eq": ("User", 'emails[type eq "work"].value eq "MAIL17@crowd.example"'),
    "e-mail eq": ("User", 'emails.value eq "mail17@crowd.example"'),
    "userName eq and active": ("User", 'userName eq "person17@crowd.example" and active eq true'),
    "userName or e-mail eq": ("User", 'userName eq "person17@crowd.example" or emails eq "mail17@crowd.example"'),
    "externalId and userName": ("User", 'externalId eq "x-17" and userName eq "person17@crowd.example"'),
    "groups eq": ("User", 'groups.value eq "{role}"'),
    "active eq false": ("User", "active eq false"),
    "active eq true": ("User", "active eq true"),
    "meta.lastModified gt": ("User", 'meta.lastModified gt "2020-01-01T00:00:00Z"'),
    "a group's displayName eq": ("Group", 'displayName eq "ROLE 17"'),
    "a group's externalId eq": ("Group", 'externalId eq "r-17"'),
    "a group's id eq": ("Group", 'id eq "{role}"'),
    "members eq": ("Group", 'members eq "{person}"'),
    "members.value eq": ("Group", 'members[value eq "{person}"]'),
    "id and member eq": ("Group", 'id eq "{role}" and members eq "{person}"'),
}
"""What Entra ID, Okta and others ask for."""


def asked(crowd_: Crowd, kind: str, condition: str | None, sort_by: str | None = None) -> Listing:
    resource_type = BY_NAME[kind]
    shown = (condition or "").replace("{person}", str(crowd_.person)).replace("{role}", str(crowd_.role))
    source = Source(
        resource_type=resource_type,
        filter=filters.parse(shown, resource_type) if shown else None,
        sort=paths.reference(sort_by, resource_type) if sort_by else None,
    )
    return Listing(tenant_id=crowd_.tenant_id, sources=(source,), is_sorted=sort_by is not None)


def read_list(watched_: Watched, crowd_: Crowd, kind: str, condition: str | None) -> None:
    """Read a list as the gateway does, by index and by cursor, with a count, and as a look-up if it is one."""
    wanted = asked(crowd_, kind, condition)
    lookups.matching(watched_.engine, wanted, PAGE, queries.wants_all)
    with database.transaction(watched_.engine, crowd_.tenant_id) as connection:
        found = listing.at(connection, wanted, 0, PAGE, [queries.wants_all])
        listing.behind(connection, wanted, found[-1].key if found else None, PAGE, [queries.wants_all])
        listing.count(connection, wanted)


Portal = Callable[[Connection, Crowd], object]
PORTAL: Mapping[str, Portal] = {
    "first page": lambda c, w: employee_list.first(c, Wanted(tenant_id=w.tenant_id), PAGE),
    "next page": lambda c, w: employee_list.after(
        c,
        Wanted(tenant_id=w.tenant_id),
        employee_list.first(c, Wanted(tenant_id=w.tenant_id), PAGE).last,
        PAGE,
    ),
    "count": lambda c, w: employee_list.count(c, Wanted(tenant_id=w.tenant_id)),
    "the inactive": lambda c, w: employee_list.first(c, Wanted(tenant_id=w.tenant_id, is_active=False), PAGE),
    "count of the inactive": lambda c, w: employee_list.count(c, Wanted(tenant_id=w.tenant_id, is_active=False)),
    "a region": lambda c, w: employee_list.first(c, Wanted(tenant_id=w.tenant_id, region="nowhere"), PAGE),
    "by a name": lambda c, w: employee_list.first(c, Wanted(tenant_id=w.tenant_id, text="given17 family17"), PAGE),
    "an employee": lambda c, w: queries.get(c, BY_NAME["User"], w.tenant_id, str(w.person), queries.wants_all),
    "a line": lambda c, w: employee_list.one(c, w.tenant_id, w.person),
    "history": lambda c, w: history_pages.page(
        c, history_pages.Wanted(tenant_id=w.tenant_id, resource_id=w.person), None, PAGE
    ),
    "roles": lambda c, w: role_list.page(c, w.tenant_id, "", None, PAGE),
    "roles by name": lambda c, w: role_list.page(c, w.tenant_id, "role 17", None, PAGE),
    "role": lambda c, w: role_list.find(c, w.tenant_id, w.role),
    "members": lambda c, w: role_list.members(c, w.tenant_id, w.role, None, PAGE),
    "operation": lambda c, w: operation_details.find(c, ids.new(), w.tenant_id),
    "counts of regions": lambda c, w: regions.counts(c, w.tenant_id, ["hq"]),
    "sources": lambda c, w: sources.of(c, w.tenant_id),
    "pace": lambda c, w: figures.pace(c, datetime.now(UTC), w.tenant_id),
    "waiting lanes": lambda c, w: figures.waiting_lanes(c, w.tenant_id),
    "dead": lambda c, w: figures.dead(c, w.tenant_id),
    "why, by a name": lambda c, w: why.explain(c, w.tenant_id, "person17@crowd.example", datetime.now(UTC)),
    "why, of nobody": lambda c, w: why.explain(c, w.tenant_id, "nobody@crowd.example", datetime.now(UTC)),
}

QUEUE: Mapping[str, Callable[[Connection], object]] = {
    "release": journal.release_far_ones,
    "waiting shards": lambda c: journal.waiting_shards(c, 5.0),
    "backlog": backlog.look,
    "old answers": unanswered.drop_old,
    "old keys": idempotency.drop_old,
}


@pytest.mark.parametrize("name", SCIM)
def test_filters_of_identity_providers_are_found_by_indexes(one_tenant: Watched, large: Crowd, name: str) -> None:
    one_tenant.plans.clear()

    read_list(one_tenant, large, *SCIM[name])

    judge(one_tenant, f"list: {name}", at_least=2)


@pytest.mark.parametrize("kind", BY_NAME)
def test_lists_are_read_by_indexes(one_tenant: Watched, large: Crowd, kind: str) -> None:
    one_tenant.plans.clear()

    read_list(one_tenant, large, kind, None)

    judge(one_tenant, "list: everybody", at_least=3)


def test_resources_are_read_by_indexes(one_tenant: Watched, large: Crowd) -> None:
    one_tenant.plans.clear()

    for kind, resource_id in (("User", large.person), ("Group", large.role)):
        lookups.get(one_tenant.engine, BY_NAME[kind], large.tenant_id, str(resource_id), queries.wants_all)

    judge(one_tenant, "get", at_least=2)


@pytest.mark.parametrize("name", PORTAL)
def test_pages_of_the_portal_are_read_by_indexes(one_tenant: Watched, large: Crowd, name: str) -> None:
    one_tenant.plans.clear()

    with database.transaction(one_tenant.engine, large.tenant_id) as connection:
        PORTAL[name](connection, large)

    judge(one_tenant, f"portal: {name}")


@pytest.mark.parametrize("name", QUEUE)
@pytest.mark.usefixtures("large")
def test_what_keeps_the_queue_reads_by_indexes(several: Watched, name: str) -> None:
    several.plans.clear()

    with database.across(several.engine) as connection:
        QUEUE[name](connection)

    judge(several, f"queue: {name}")


def test_writes_are_accepted_applied_and_sealed_by_indexes(one_tenant: Watched, several: Watched, large: Crowd) -> None:
    with database.across(several.engine) as connection:
        # What other tests left pending is none of this one's.
        shards.empty(connection)
    one_tenant.plans.clear()
    several.plans.clear()

    with database.across(several.engine) as connection:
        journal.accept(connection, writes(large), 1)
    drainer = Drainer(engine=one_tenant.engine, announce=lambda _: None, max_starts=3, ring=lambda _: None)
    settled = drainer.drain(0)
    sealing.seal(several.engine)

    assert settled == 4
    judge(several, "accept and seal")
    judge(one_tenant, "drain", at_least=5)


def writes(large: Crowd) -> list[Write]:
    """Return a create, a PATCH of a person, a group's next members, and the deletion of somebody."""
    member = {"op": "add", "path": "members", "value": [{"value": str(large.person)}]}
    return [
        factories.write(large.tenant),
        factories.write(large.tenant, "PATCH", patch(replace("title", "Analyst")), lane=large.person),
        factories.write(large.tenant, "PATCH", patch(member), lane=large.role, resource_type="Group"),
        factories.write(large.tenant, "DELETE", lane=large.leaver),
    ]


def judge(kept: Watched, name: str, at_least: int = 1) -> None:
    """See to it that no plan scans a large table, or reads many of its rows without a reason."""
    plans = list(kept.plans)
    with kept.engine.connect() as connection:
        found = connection.execute(text("SELECT relname FROM pg_class WHERE reltuples >= :large"), {"large": LARGE})
        large = set(found.scalars())
    read = {
        plan["Query Text"]: [node for node in nodes(plan["Plan"]) if node.get("Relation Name") in large]
        for plan in plans
    }
    scans = [query for query, found in read.items() if any(node["Node Type"] == "Seq Scan" for node in found)]
    many = {query: rows for query, found in read.items() if (rows := sum(map(rows_read, found))) > MOST_ROWS}
    assert len(plans) >= at_least
    assert name in READS_MANY or (scans, many) == ([], {})


def rows_read(node: dict[str, Any]) -> float:
    left_out = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    rows: float = (node["Actual Rows"] + left_out) * node["Actual Loops"]
    return rows


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)
