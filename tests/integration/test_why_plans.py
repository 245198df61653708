"""Why is asked of a large tenant: whatever is looked for, PostgreSQL reads a few rows, by indexes, and no table."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, func, select, text, update

from services.directory import database, seeking, tables, why
from tests import conftest, crowd
from tests.factories import Tenant

PEOPLE, CHANGES = 20_000, 60_000
MOST_ROWS = 600
"""Rows that one statement reads; the tables have a hundred times as many."""

ALIKE = text("""
INSERT INTO history (at, tenant_id, resource_type, resource_id, kind, changes, operation_id, token_id, request_id)
SELECT now() - n * interval '1 millisecond', :tenant, 'User', gen_random_uuid(), 'changed',
  jsonb_build_array(jsonb_build_object('attribute', 'displayName', 'from', 'Name ' || n % 5, 'to', 'Name')),
  gen_random_uuid(), :token, 'alike-' || n
FROM generate_series(1, cast(:changes AS int)) AS n
""")
WANTED = {
    "a user name": "person17@crowd.example",
    "an e-mail address": "MAIL17@crowd.example",
    "an externalId": "x-17",
    "a name": "given17 family17",
    "the beginning of a name": "given17 f",
    "a former name": "old5000",
    "somebody who was deleted": "person40@crowd.example",
    "a refused creation": "refused5000@crowd.example",
    "a request that was refused": "refusal-17",
    "a request that was applied": "operation-17",
    "nobody": "nobody@crowd.example",
}


@pytest.fixture(scope="module")
def large(engine: Engine) -> Tenant:
    """A tenant with many people, of whom much is known."""
    tenant = conftest.make_tenant(engine)
    with database.transaction(engine) as connection:
        # What waits is few, and has no index by tenant; what other tests left behind would be counted here.
        left = update(tables.operation).where(tables.operation.c.state == "pending").values(state="cancelled")
        connection.execute(left)
    crowd.fill(engine, tenant, people=PEOPLE, changes=CHANGES, weeks=2)
    return tenant


@pytest.mark.parametrize("wanted", WANTED.values(), ids=WANTED)
def test_no_statement_reads_more_than_a_few_rows(engine: Engine, large: Tenant, wanted: str) -> None:
    with database.transaction(engine) as connection:
        with recorded(connection) as statements:
            answer = why.explain(connection, large.principal.tenant_id, wanted, datetime.now(UTC))
        read = {sql: rows_read(connection, sql, given) for sql, given in statements}

    assert (answer.events != []) is (wanted != WANTED["nobody"])
    assert len(read) >= 8
    assert {sql: rows for sql, rows in read.items() if rows > MOST_ROWS} == {}


def test_a_former_name_is_found_where_many_changes_are_alike(engine: Engine) -> None:
    tenant = conftest.make_tenant(engine)
    given = {"tenant": tenant.principal.tenant_id, "token": tenant.principal.token_id, "changes": CHANGES}
    with database.transaction(engine) as connection:
        connection.execute(ALIKE, given)
    with database.autocommit(engine) as connection:
        connection.exec_driver_sql("VACUUM ANALYZE history")

    with database.transaction(engine) as connection:
        with recorded(connection) as statements:
            seeking.find(connection, tenant.principal.tenant_id, "nobody@crowd.example")
        read = {sql: rows_read(connection, sql, given) for sql, given in statements}

    assert {sql: rows for sql, rows in read.items() if rows > MOST_ROWS} == {}


def test_the_crowd_is_large(engine: Engine, large: Tenant) -> None:
    with database.transaction(engine, large.principal.tenant_id) as connection:
        sizes = [
            connection.scalar(select(func.count()).where(table.c.tenant_id == large.principal.tenant_id))
            for table in (tables.employee, tables.history)
        ]

    assert sizes == [PEOPLE, CHANGES]


@contextmanager
def recorded(connection: Connection) -> Iterator[list[tuple[str, Any]]]:
    """Write down the statements that run in the block, with their parameters."""
    statements: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        statements.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(connection, "before_cursor_execute", note)


def rows_read(connection: Connection, statement: str, parameters: Any) -> int:
    """Return how many rows of tables a statement reads, those included that it leaves out again."""
    [[plan]] = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).scalars()
    return sum(
        round(
            (node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0))
            * node["Actual Loops"]
        )
        for node in nodes(plan["Plan"])
        if node["Node Type"].endswith("Scan") and "Relation Name" in node
    )


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)
