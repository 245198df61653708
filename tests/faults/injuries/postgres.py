"""Faults of PostgreSQL that its operators make: locked tables, terminated sessions, operations that cannot succeed."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, text

from services.directory import database
from tests.faults import requests
from tests.faults.field import During, Field, repeated

TERMINATE_SECONDS = 0.5
TABLES = ("operation", "employee", "role", "lane", "history")

_TERMINATE = text("""
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name IN ('muster-gateway', 'muster-worker')
""")
_FUNCTION = """
CREATE OR REPLACE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {}; RETURN NEW; END $$
"""
_TRIGGER = f"""
CREATE OR REPLACE TRIGGER poison BEFORE UPDATE ON employee FOR EACH ROW
WHEN (NEW.title LIKE '{requests.POISON}%') EXECUTE FUNCTION poison()
"""


@contextmanager
def table_locked(field: Field) -> Iterator[None]:
    """Lock a table as a migration without a lock timeout would."""
    table = field.chance.choice(TABLES)
    with field.engine.connect() as connection:
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
        yield


@contextmanager
def backends_terminated(field: Field) -> Iterator[None]:
    """End every session of ours, again and again."""

    def terminate() -> None:
        with database.autocommit(field.engine) as connection:
            connection.execute(_TERMINATE)

    with repeated(terminate, TERMINATE_SECONDS):
        yield


def poisoned(statement: str) -> During:
    """Return a fault that lets PostgreSQL do something bad whenever a certain title is written, and writes it."""

    @contextmanager
    def during(field: Field) -> Iterator[None]:
        with _patient(field) as connection:
            connection.execute(text(_FUNCTION.format(statement)))
            connection.execute(text(_TRIGGER))
        try:
            with field.workload.crowd(1, requests.of_poison, patience=0):
                yield
        finally:
            # The trigger stays: to drop it would need a lock that an operation may hold for long.
            with _patient(field) as connection:
                connection.execute(text(_FUNCTION.format("NULL")))

    return during


@contextmanager
def _patient(field: Field) -> Iterator[Connection]:
    """Run statements in a session that waits for its locks as long as it takes."""
    with database.transaction(field.engine) as connection:
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        yield connection
