"""Keep shards from being drained, and leave nothing in them that other tests left pending."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, delete, text, update

from services.directory import runs, tables


@contextmanager
def held(engine: Engine, shards: int) -> Iterator[None]:
    """Keep everybody from draining."""
    with engine.connect() as connection:
        connection.execute(text("SET idle_in_transaction_session_timeout = 0"))
        for shard in range(shards):
            connection.execute(
                text("SELECT pg_advisory_lock(:space, :shard)"), {"space": runs.LOCK_SPACE, "shard": shard}
            )
        connection.commit()
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock_all()"))


def empty(connection: Connection) -> None:
    """Cancel all that is pending, and forget which runs were begun."""
    table = tables.operation
    connection.execute(update(table).where(table.c.state == "pending").values(state="cancelled"))
    connection.execute(delete(tables.shard))
