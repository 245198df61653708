"""The migrations make exactly the tables that the code describes."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from alembic import command
from sqlalchemy import Connection, Engine, text

from services.directory import database, every_table, migrating, tables
from shared.settings import Settings

COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name <> 'alembic_version' AND table_name !~ '_[0-9]{8}$'
ORDER BY 1, 2
"""
INDEXES = """
SELECT replace(indexdef, schemaname || '.', '') FROM pg_indexes
WHERE schemaname = current_schema() AND tablename <> 'alembic_version' AND tablename !~ '_[0-9]{8}$' ORDER BY 1
"""
CONSTRAINTS = """
SELECT conrelid::regclass::text, contype, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = current_schema()::regnamespace AND contype <> 'n' AND conrelid::regclass::text !~ '_[0-9]{8}$'
  AND conrelid::regclass::text <> 'alembic_version' ORDER BY 1, 2, 3
"""


@pytest.fixture
def empty(engine: Engine, servers: Settings) -> Iterator[Engine]:
    """A database without tables."""
    name = "empty"
    with database.autocommit(engine) as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    url = database.driver_url(servers.database_url).set(database=name).render_as_string(hide_password=False)
    pool = database.connect(url, process="test")
    yield pool
    pool.dispose()


@pytest.fixture
def described(empty: Engine) -> Engine:
    """A database whose tables were made from the descriptions, without the migrations."""
    assert {table.metadata for table in every_table.EVERY} == {tables.metadata}
    tables.metadata.create_all(empty)
    return empty


def upgrade_to(pool: Engine, revision: str) -> None:
    """Migrate as an older release did."""
    config = migrating._config()
    with pool.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def look(connection: Connection, query: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in connection.execute(text(query))]


@pytest.mark.parametrize("query", [COLUMNS, INDEXES, CONSTRAINTS], ids=["columns", "indexes", "constraints"])
def test_migrations_and_descriptions_agree(engine: Engine, described: Engine, query: str) -> None:
    with engine.connect() as migrated, described.connect() as made:
        found = look(migrated, query)
        expected = look(made, query)

    assert found == expected
    assert len(found) > 10


def test_migrating_twice_is_harmless(engine: Engine, servers: Settings) -> None:
    migrating.upgrade(engine, servers)

    with engine.connect() as connection:
        assert migrating.is_current(connection)


def test_an_empty_database_is_not_current(described: Engine) -> None:
    with described.connect() as connection:
        assert not migrating.is_current(connection)


def test_what_is_stored_is_cut_to_what_is_shown(empty: Engine, servers: Settings) -> None:
    """0007: before it times were stored with microseconds, and no client could compare with them."""
    upgrade_to(empty, "0006")
    with empty.begin() as connection:
        connection.execute(text("INSERT INTO tenant (id, slug) VALUES (gen_random_uuid(), 'old')"))
        connection.execute(
            text("""
            INSERT INTO employee (id, tenant_id, user_name, version, meta_created, meta_last_modified)
            SELECT gen_random_uuid(), id, 'ada', 1, '2026-01-02T03:04:05.678901Z', '2026-01-02T03:04:06.789999Z'
            FROM tenant
            """)
        )

    migrating.upgrade(empty, servers)

    with empty.connect() as connection:
        found = look(connection, "SELECT meta_created, meta_last_modified FROM employee")
    assert found == [(datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC), datetime(2026, 1, 2, 3, 4, 6, 789_000, UTC))]
