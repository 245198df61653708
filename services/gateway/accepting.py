"""Accept writes into the journal; those that come at the same time share one transaction.

A request is told after the commit. While one transaction is on its way the next requests gather, so the busier the
gateway is, the cheaper each accept becomes.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace
from queue import Empty, SimpleQueue

from sqlalchemy import Engine

from services.directory import database, idempotency, journal
from services.directory.journal import Accepted, Write
from shared import metrics

logger = logging.getLogger(__name__)

LARGEST_GROUP = 100


class RepeatedError(Exception):
    """A write was not accepted, for it may be an earlier one that is sent again."""


class Ticket:
    """A write on its way into the journal: its shard once it is there, or the error that kept it out."""

    def __init__(self, write: Write) -> None:
        self.write = write
        self.done = threading.Event()
        self.shard: int | None = None
        self.error: Exception | None = None


class Accepter(threading.Thread):
    """Commits the writes of this process in groups."""

    def __init__(self, engine: Engine, shards: int, answering: int) -> None:
        super().__init__(name="accepter", daemon=True)
        self._engine, self._shards, self._answering = engine, shards, answering
        self._tickets: SimpleQueue[Ticket | None] = SimpleQueue()

    def accept(self, write: Write, seconds: float) -> int | None:
        """Return the shard of a write that is committed now; None when its resource never existed.

        Raises what the database raised, or TimeoutError; the write may be in the journal all the same then. Raises
        RepeatedError for a write that may be an earlier one.
        """
        ticket = Ticket(write)
        self._tickets.put(ticket)
        if not ticket.done.wait(seconds):
            raise TimeoutError
        if ticket.error is not None:
            raise ticket.error
        return ticket.shard

    def run(self) -> None:
        while True:
            group = self._gather()
            if not group:
                return
            self._commit(group)

    def stop(self) -> None:
        """Stop after the writes that came before."""
        self._tickets.put(None)

    def _gather(self) -> list[Ticket]:
        """Wait for a write, and take what else is there; nothing says that this is the end."""
        group: list[Ticket] = []
        ticket = self._tickets.get()
        while ticket is not None:
            group.append(ticket)
            if len(group) == LARGEST_GROUP:
                break
            try:
                ticket = self._tickets.get_nowait()
            except Empty:
                break
        else:
            if group:
                self._tickets.put(None)
        return group

    def _commit(self, group: Sequence[Ticket]) -> None:
        try:
            accepted = self._accept([ticket.write for ticket in group])
        except Exception as error:
            if len(group) > 1:
                # One bad write must not take the others with it.
                for ticket in group:
                    self._commit([ticket])
                return
            logger.warning("accept failed", extra={"error": type(error).__name__})
            group[0].error = error
        else:
            for ticket in group:
                ticket.shard = accepted.shards.get(ticket.write.id)
                ticket.error = RepeatedError() if ticket.write.id in accepted.repeated else None
            metrics.count(metrics.ACCEPTED, times=len(accepted.shards))
        for ticket in group:
            ticket.done.set()

    def _accept(self, writes: Sequence[Write]) -> Accepted:
        """Accept writes in one transaction; those whose keys stand for others are left out.

        Without keys it is one statement, which commits by itself: no BEGIN and COMMIT go to the server and back.
        """
        is_one_statement = all(write.key is None for write in writes)
        begin = database.autocommit if is_one_statement else database.across
        with begin(self._engine) as connection:
            others = idempotency.claim(connection, writes)
            chosen = [write for write in writes if write.id not in others]
            accepted = journal.accept(connection, chosen, self._shards, self._answering)
        return replace(accepted, repeated={*accepted.repeated, *others})
