"""Faults of PostgreSQL that its operators make: locked tables, terminated sessions, operations that cannot succeed."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from services.directory import database
from tests.faults import requests
from tests.faults.field import During, Field, repeated

TERMINATE_SECONDS = 0.5
TABLES = ("operation", "employee", "role", "lane", "history")

_TERMINATE = text("""
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name IN ('muster-gateway', 'muster-worker')
""")


@contextmanager
def table_locked(field: Field) -> Iterator[None]:
    """Lock a table as a migration without a lock timeout would."""
    table = field.chance.choice(TABLES)
    with field.engine.connect() as connection:
        while True:
            try:
                connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
                connection.execute(text("SET LOCAL lock_timeout = 0"))
                connection.execute(text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
                break
            except OperationalError:
                connection.rollback()
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
        with database.autocommit(field.engine) as connection:
            connection.execute(
                text(
                    "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS "
                    f"$$ BEGIN {statement}; RETURN NEW; END $$"
                )
            )
            connection.execute(
                text(
                    "CREATE TRIGGER poison BEFORE UPDATE ON employee FOR EACH ROW "
                    f"WHEN (NEW.title LIKE '{requests.POISON}%') EXECUTE FUNCTION poison()"
                )
            )
        try:
            with field.workload.crowd(1, requests.of_poison):
                yield
        finally:
            with database.autocommit(field.engine) as connection:
                connection.execute(text("DROP TRIGGER poison ON employee"))
                connection.execute(text("DROP FUNCTION poison"))

    return during
