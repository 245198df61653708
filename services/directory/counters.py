"""Add up over all processes, and for good, what each of them counts; any process can tell the sums.

What was counted and not written down yet is lost when a process is killed: the last few seconds.
"""

import logging

from sqlalchemy import Connection, Engine, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from services.directory import database, tables
from services.directory.flusher import Flusher
from shared.metrics import Book, Counts

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 3.0


def add(connection: Connection, counts: Counts) -> None:
    """Add to the sums; rows are locked in one order, so that two processes cannot deadlock."""
    table = tables.counter
    new = insert(table)
    statement = new.on_conflict_do_update(
        index_elements=[table.c.name, table.c.label], set_={"total": table.c.total + new.excluded.total}
    )
    connection.execute(statement, [{"name": n, "label": v, "total": counts[n, v]} for n, v in sorted(counts)])


def totals(connection: Connection) -> Counts:
    """Return all sums."""
    table = tables.counter
    statement = select(table.c.name, table.c.label, table.c.total).order_by(table.c.name, table.c.label)
    return {(row.name, row.label): row.total for row in connection.execute(statement)}


class CounterWriter(Flusher):
    """Writes down what this process counts, every few seconds and at its end."""

    def __init__(self, engine: Engine, book: Book) -> None:
        super().__init__("counter-writer", FLUSH_SECONDS)
        self._engine, self._book = engine, book

    def flush(self) -> None:
        """Write down what was counted since the last time; after a failure it is kept for the next."""
        counts = self._book.take()
        if not counts:
            return
        try:
            with database.transaction(self._engine) as connection:
                add(connection, counts)
        except SQLAlchemyError as error:
            logger.warning("counters not written yet", extra={"error": type(error).__name__})
            self._book.give_back(counts)
