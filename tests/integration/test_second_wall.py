"""PostgreSQL itself keeps the rows of tenants apart: in every table, for reading and writing, whatever is asked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import ProgrammingError

from services.directory import database, ids, migrating, row_security, tenancy, tolerance_uses
from shared.settings import Settings
from tests import conftest
from tests.integration.test_migrations import empty

__all__ = ["empty"]

WITH_TENANT = """
SELECT c.relname, c.relispartition FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
  AND (a.attname = 'tenant_id' OR c.relname = 'tenant' AND a.attname = 'id') AND NOT a.attisdropped
ORDER BY c.relname
"""
NEEDED = """
SELECT a.attname AS name, format_type(a.atttypid, NULL) AS type,
       (SELECT f.confrelid::regclass::text FROM pg_constraint f
        WHERE f.conrelid = a.attrelid AND f.contype = 'f' AND a.attnum = ANY(f.conkey)) AS refers_to
FROM pg_attribute a
WHERE a.attrelid = cast(:table AS regclass) AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull
  AND NOT a.atthasdef
ORDER BY a.attnum
"""
VALUES: Mapping[str, Any] = {
    "uuid": ids.new,
    "text": lambda: f"wall-{uuid4()}",
    "bytea": lambda: uuid4().bytes,
    "timestamp with time zone": lambda: datetime.now(UTC),
    "bigint": lambda: 1,
    "integer": lambda: 1,
    "boolean": lambda: False,
    "jsonb": lambda: "[]",
    "text[]": list,
}
CHECKED = {"client": {"kind": "bearer", "issuer": "https://issuer.example"}}
"""What the tables check themselves."""
FORBIDDEN = "42501"


@dataclass
class Rows:
    """One row of a tenant in every table, made as the owner of the tables makes them."""

    connection: Connection
    tenant_id: UUID
    made: dict[str, dict[str, Any]] = field(default_factory=dict)

    def values(self, table: str) -> dict[str, Any]:
        """Return a new row of the tenant; what it refers to is made first."""
        row: dict[str, Any] = dict(CHECKED.get(table, {}))
        for column in self.connection.execute(text(NEEDED), {"table": table}):
            if column.name == "tenant_id":
                row[column.name] = self.tenant_id
            elif column.refers_to is not None:
                row[column.name] = self.row(column.refers_to)["id"]
            elif column.name not in row:
                row[column.name] = VALUES[column.type]()
        return row

    def row(self, table: str) -> dict[str, Any]:
        """Return the tenant's row in a table."""
        if table == "tenant":
            return {"id": self.tenant_id}
        if table not in self.made:
            self.made[table] = self.values(table)
            self.connection.execute(insertion(table, self.made[table]), self.made[table])
        return self.made[table]


def insertion(table: str, row: Mapping[str, Any]) -> Any:
    names, places = ", ".join(row), ", ".join(f":{name}" for name in row)
    return on(table, "INSERT INTO {table} ({names}) VALUES ({places})", names=names, places=places)


def on(table: str, statement: str, **parts: str) -> Any:
    """Return a statement on a table; `key` is the column that says whose a row is."""
    return text(statement.format(table=table, key="id" if table == "tenant" else "tenant_id", **parts))


@pytest.fixture(scope="module")
def pool(servers: Settings, engine: Engine) -> Iterator[Engine]:
    """Connections as the processes have them."""
    made = database.connect(servers.database_url, process="wall", pool_size=1, role=tenancy.WORK)
    yield made
    made.dispose()


@pytest.fixture(scope="module")
def tables(engine: Engine) -> list[str]:
    """Every table with a tenant, but for partitions."""
    with engine.connect() as connection:
        found = [row.relname for row in connection.execute(text(WITH_TENANT)) if not row.relispartition]
    assert len(found) > 15
    return found


@pytest.fixture(scope="module")
def tenants(engine: Engine, tables: list[str]) -> tuple[UUID, UUID, dict[str, dict[str, Any]]]:
    """Two tenants with a row in every table, and what a further row of the second one's would be."""
    mine, theirs = (conftest.make_tenant(engine).principal.tenant_id for _ in range(2))
    with engine.begin() as connection:
        further = {}
        for tenant_id in (mine, theirs):
            rows = Rows(connection, tenant_id)
            for table in tables:
                rows.row(table)
                further[table] = (
                    {"slug": str(uuid4())} | rows.values(table) if table == "tenant" else rows.values(table)
                )
    return mine, theirs, further


def refused(connection: Connection, statement: Any, values: Mapping[str, Any]) -> str | None:
    """Return how PostgreSQL refuses a statement, which leaves the transaction as it was."""
    try:
        with connection.begin_nested():
            connection.execute(statement, values)
    except ProgrammingError as error:
        return str(getattr(error.orig, "sqlstate", None))
    return None


def test_no_row_of_another_tenant_is_read(pool: Engine, tables: list[str], tenants: Any) -> None:
    mine, _, _ = tenants

    with database.transaction(pool, mine) as connection:
        seen = {table: set(connection.scalars(on(table, "SELECT {key} FROM {table}"))) for table in tables}

    assert seen == {table: {mine} for table in tables}


def test_no_row_of_another_tenant_is_changed_or_deleted(pool: Engine, tables: list[str], tenants: Any) -> None:
    mine, theirs, _ = tenants

    with database.transaction(pool, mine) as connection:
        for table in tables:
            change = on(table, "UPDATE {table} SET {key} = {key} WHERE {key} = :theirs")
            removal = on(table, "DELETE FROM {table} WHERE {key} = :theirs")
            own = on(table, "UPDATE {table} SET {key} = {key} WHERE {key} = :mine")

            assert connection.execute(change, {"theirs": theirs}).rowcount == 0, table
            assert connection.execute(removal, {"theirs": theirs}).rowcount == 0, table
            assert connection.execute(own, {"mine": mine}).rowcount > 0, table


def test_no_row_is_made_for_another_tenant_or_given_to_it(pool: Engine, tables: list[str], tenants: Any) -> None:
    mine, theirs, further = tenants

    with database.transaction(pool, mine) as connection:
        for table in tables:
            assert refused(connection, insertion(table, further[table]), further[table]) == FORBIDDEN, table
            gift = on(table, "UPDATE {table} SET {key} = :theirs WHERE {key} = :mine")
            assert refused(connection, gift, {"mine": mine, "theirs": theirs}) == FORBIDDEN, table


def test_who_names_nobody_sees_and_makes_nothing(pool: Engine, tables: list[str], tenants: Any) -> None:
    _, _, further = tenants

    with database.transaction(pool) as connection:
        for table in tables:
            assert connection.scalar(on(table, "SELECT count(*) FROM {table}")) == 0, table
            assert refused(connection, insertion(table, further[table]), further[table]) == FORBIDDEN, table


@pytest.mark.parametrize("table", ["employee", "role", "membership", "role_permission", "history"])
def test_who_serves_several_cannot_read_what_is_of_people(pool: Engine, table: str) -> None:
    with database.across(pool) as connection:
        for statement in ("SELECT FROM {table}", "DELETE FROM {table}", "UPDATE {table} SET {key} = {key}"):
            assert refused(connection, on(table, statement), {}) == FORBIDDEN


def test_partitions_are_reached_through_their_tables_alone(engine: Engine, pool: Engine, tenants: Any) -> None:
    mine, _, _ = tenants
    with engine.connect() as connection:
        partitions = [row.relname for row in connection.execute(text(WITH_TENANT)) if row.relispartition]
    assert len(partitions) > 8

    with database.transaction(pool, mine) as connection:
        refusals = {name: refused(connection, on(name, "SELECT FROM {table}"), {}) for name in partitions}

    assert refusals == dict.fromkeys(partitions, FORBIDDEN)


def test_the_wall_is_whole(engine: Engine) -> None:
    with engine.connect() as connection:
        assert list(row_security.flaws(connection)) == []


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("ALTER ROLE muster_work BYPASSRLS", "muster_work passes row-level security"),
        ("ALTER ROLE muster_across SUPERUSER", "muster_across passes row-level security"),
        ("GRANT muster_across TO muster_work", "muster_work passes row-level security"),
        ("ALTER TABLE employee OWNER TO muster_work", "muster_work passes row-level security"),
        ("ALTER TABLE employee NO FORCE ROW LEVEL SECURITY", "employee has no row-level security"),
        ("CREATE TABLE badge (tenant_id uuid)", "badge has no row-level security"),
        ("CREATE POLICY all_of_them ON role USING (true)", "a policy is none of Muster's: role: all_of_them"),
    ],
)
def test_a_hole_in_the_wall_is_told(engine: Engine, damage: str, said: str) -> None:
    with engine.connect() as connection:
        connection.execute(text(damage))

        found = [(flaw.says, flaw.lets_through) for flaw in row_security.flaws(connection)]

        connection.rollback()
    assert found == [(said, True)]


def test_what_makes_lists_slow_is_told_and_mended_by_migrating(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("ALTER FUNCTION pg_catalog.lower(text) NOT LEAKPROOF"))

        [found] = row_security.flaws(connection)
        row_security.mark(connection)

        mended = list(row_security.flaws(connection))
        connection.rollback()
    assert (found.lets_through, "ALTER FUNCTION lower(text) LEAKPROOF" in found.do) == (False, True)
    assert mended == []


def test_whom_a_transaction_serves_is_said_together_with_its_begin(pool: Engine, tmp_path: Path) -> None:
    tenant_id, traced = uuid4(), tmp_path / "trace"
    with pool.connect() as connection:
        own: Any = connection.connection.driver_connection

    with traced.open("w") as file:
        own.pgconn.trace(file.fileno())
        with database.transaction(pool, tenant_id) as connection:
            named = connection.scalar(text("SELECT current_setting('muster.tenant')"))
        own.pgconn.untrace()

    sent = [line.split("\t")[-1].strip() for line in traced.read_text().splitlines() if "\tF\t" in line]
    begin = f"BEGIN; SET LOCAL muster.tenant = '{tenant_id.hex}'"
    assert named == tenant_id.hex
    assert [line for line in sent if "SET" in line or "BEGIN" in line] == [f'"{begin}"']


def test_many_rows_at_once_are_served_like_one(pool: Engine, tenants: Any) -> None:
    """The driver sends them as a pipeline, which takes no message with several statements."""
    mine, theirs, _ = tenants
    counts = {(mine, "first"): 1, (mine, "second"): 2}

    with database.transaction(pool, mine) as connection:
        tolerance_uses.add(connection, counts)
    with pytest.raises(ProgrammingError), database.transaction(pool, theirs) as connection:
        tolerance_uses.add(connection, counts)

    with database.transaction(pool, mine) as connection:
        kept = {use.name: use.uses for use in tolerance_uses.of(connection, mine)}
    assert (kept["first"], kept["second"]) == (1, 2)


def test_the_next_who_borrows_a_connection_serves_nobody(pool: Engine) -> None:
    with database.transaction(pool, uuid4()) as connection:
        connection.execute(text("SELECT 1"))
    with pool.begin() as connection:
        after = connection.execute(text("SELECT current_user, current_setting('muster.tenant', true)")).one()
    with database.autocommit(pool) as connection:
        alone = connection.execute(text("SELECT current_user, current_setting('muster.tenant', true)")).one()

    assert (tuple(after), tuple(alone)) == ((tenancy.WORK, ""), (tenancy.WORK, ""))


def test_a_failed_statement_leaves_nobody_named(pool: Engine) -> None:
    with pytest.raises(ProgrammingError), database.transaction(pool, uuid4()) as connection:
        connection.execute(text("SELECT nothing"))

    with pool.begin() as connection:
        assert connection.scalar(text("SELECT current_setting('muster.tenant', true)")) == ""


def test_a_server_without_the_roles_is_told_so(empty: Engine) -> None:
    url = empty.url.render_as_string(hide_password=False)
    stranger = database.connect(url, process="wall", role="muster_nobody")

    with pytest.raises(Exception, match="muster_nobody"), database.transaction(stranger) as connection:
        connection.execute(text("SELECT 1"))

    stranger.dispose()


def test_a_role_that_is_no_superuser_migrates_and_serves(engine: Engine, servers: Settings) -> None:
    """As at a provider that gives no superuser: an owner of the database who may make roles."""
    with database.autocommit(engine) as connection:
        connection.execute(text("DROP DATABASE IF EXISTS owned"))
        connection.execute(text("DROP ROLE IF EXISTS landlord"))
        connection.execute(text("CREATE ROLE landlord LOGIN"))
        connection.execute(text("GRANT muster_work, muster_across TO landlord"))
        connection.execute(text("CREATE DATABASE owned OWNER landlord"))
    url = database.driver_url(servers.database_url).set(database="owned", username="landlord")
    owner = database.connect(url.render_as_string(hide_password=False), process="wall")
    serving = database.connect(url.render_as_string(hide_password=False), process="wall", role=tenancy.WORK)

    from_nothing = migrating.upgrade(owner, servers)
    tenant = conftest.make_tenant(owner)
    with owner.begin() as connection:
        person = {"id": ids.new(), "tenant": tenant.principal.tenant_id}
        connection.execute(
            text("""
            INSERT INTO employee (id, tenant_id, user_name, version, meta_created, meta_last_modified)
            VALUES (:id, :tenant, 'ada', 1, now(), now())
            """),
            person,
        )
        seen = connection.scalar(text("SELECT count(*) FROM employee"))

    with database.transaction(serving, tenant.principal.tenant_id) as connection:
        mine = connection.scalar(text("SELECT count(*) FROM token"))
    with database.transaction(serving, uuid4()) as connection:
        theirs = connection.scalar(text("SELECT count(*) FROM token"))
    with database.across(serving) as connection:
        flaws = [flaw.lets_through for flaw in row_security.flaws(connection)]
    owner.dispose()
    serving.dispose()
    assert from_nothing[0] is None
    assert (mine, theirs, seen, flaws) == (1, 0, 1, [False])
