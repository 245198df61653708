"""Make operations fail for real: a trigger in PostgreSQL does something evil whenever a marked employee is written."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import Engine, select, text

from services.directory import database, journal, tables
from services.directory.drain import Drainer
from services.directory.journal import Write

MARK = "poison"
"""The title of an employee whom the trigger is after."""

RAISES = "RAISE EXCEPTION 'an error that may quote %%', NEW.user_name"
TAKES_TOO_LONG = "PERFORM pg_sleep(3600)"
SHARD = 0


@contextmanager
def spread(engine: Engine, evil: str) -> Iterator[None]:
    """Let a statement of PL/pgSQL run for each marked employee that is written, until the block ends."""
    body = f"BEGIN {evil}; RETURN NEW; END"
    function = f"CREATE OR REPLACE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $${body}$$"
    trigger = (
        "CREATE OR REPLACE TRIGGER poison BEFORE INSERT OR UPDATE ON employee FOR EACH ROW "
        f"WHEN (NEW.title = '{MARK}') EXECUTE FUNCTION poison()"
    )
    with database.transaction(engine) as connection:
        connection.exec_driver_sql(function)
        connection.exec_driver_sql(trigger)
    try:
        yield
    finally:
        cure(engine)


def cure(engine: Engine) -> None:
    """Take the trigger away."""
    with database.transaction(engine) as connection:
        connection.execute(text("DROP TRIGGER IF EXISTS poison ON employee"))


def die(engine: Engine, *writes: Write) -> None:
    """Accept writes of marked employees, and let each die at its first start."""
    with database.transaction(engine) as connection:
        shards = set(journal.accept(connection, writes, shards=1).shards.values())
    drainer = Drainer(engine=engine, announce=lambda _: None, max_starts=1, ring=lambda _: None)
    with spread(engine, RAISES):
        while set(states(engine, [write.id for write in writes])) != {"dead"}:
            for shard in shards:
                drainer.drain(shard)


def states(engine: Engine, operation_ids: Sequence[UUID]) -> list[str]:
    """Return the states of operations, in no order."""
    with database.transaction(engine) as connection:
        return list(
            connection.scalars(select(tables.operation.c.state).where(tables.operation.c.id.in_(operation_ids)))
        )
