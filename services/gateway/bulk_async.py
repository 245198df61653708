"""Take a bulk request into the journal as a whole, and follow it there, for a client that does not wait.

The ladder is that of a single write: the message; a look and another ring; after a second in which nothing ended this
process drains what is due. It is walked while a request waits, and each time that somebody asks.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from services.directory import backoff, bulk_journal, database, ids, journal, results
from services.directory.bulk_journal import Part
from services.directory.results import Result, Standing
from services.directory.tokens import Principal
from services.gateway import writing
from services.gateway.writing import Writer

logger = logging.getLogger(__name__)

HELP_SECONDS = 5.0
"""Who asks works no longer than this on what nobody else does."""


@dataclass(frozen=True, kw_only=True)
class BulkFollower:
    """Accepts bulk requests and tells how far they are, to the token that sent them."""

    writer: Writer
    shards: int

    def submit(self, parts: Sequence[Part], deadline: float) -> None:
        """Take a request into the journal, all of it, and ring the shards that can begin.

        The deadline is one on the monotonic clock. Raises UnavailableError when nothing of it was or will be applied,
        OutcomeUnknownError when the database cannot be asked.
        """
        for shard in sorted(self._accept(parts, deadline)):
            self.writer.wake_patiently(shard)

    def wait(self, principal: Principal, group: UUID, until: float) -> list[Result] | None:
        """Return what the operations of a request ended in by then, helping it along, or None if that takes longer.

        Raises nothing: the request is in the journal, and will be applied.
        """
        is_rung = False
        while (left := until - time.monotonic()) > 0:
            try:
                found = self._look(principal, group)
                if found is not None and not found.pending:
                    return self.results(principal, group)
                if found is not None and found.idle_seconds > writing.LOOK_SECONDS and not is_rung:
                    self._act(principal, group, self.writer.wake, until)
                    is_rung = True
                if found is not None and found.idle_seconds > writing.DRAIN_SECONDS:
                    self._act(principal, group, self.writer.drain, until)
            except SQLAlchemyError as error:
                logger.warning("journal not readable", extra={"fault": backoff.classify(error).name})
            time.sleep(min(writing.PAUSE_SECONDS, left))
        return None

    def help(self, principal: Principal, group: UUID) -> Standing | None:
        """Return how far a request is; when nothing has ended for a second, work on it first, while that helps."""
        found = self._look(principal, group)
        if found is None or found.idle_seconds <= writing.DRAIN_SECONDS:
            return found
        until = time.monotonic() + HELP_SECONDS
        while found is not None and found.pending and time.monotonic() < until:
            before = found.pending
            self._act(principal, group, self.writer.drain, until)
            found = self._look(principal, group)
            if found is not None and found.pending == before:
                break
        return found

    def results(self, principal: Principal, group: UUID) -> list[Result]:
        """Return what the operations of a request ended in, in its order."""
        with database.transaction(self.writer.engine, principal.tenant_id) as connection:
            return results.find_parts(connection, group, tenant_id=principal.tenant_id, token_id=principal.token_id)

    def _look(self, principal: Principal, group: UUID) -> Standing | None:
        with database.transaction(self.writer.engine, principal.tenant_id) as connection:
            return results.standing(connection, group, tenant_id=principal.tenant_id, token_id=principal.token_id)

    def _act(self, principal: Principal, group: UUID, act: Callable[[int], object], until: float) -> None:
        """Ring or drain the shards that have the request's next operations; at each one the time may be over."""
        with database.transaction(self.writer.engine, principal.tenant_id) as connection:
            shards = bulk_journal.pending_shards(connection, group)
        for shard in sorted(shards):
            if time.monotonic() < until:
                act(shard)

    def _accept(self, parts: Sequence[Part], deadline: float) -> set[int]:
        """Accept a request, and after a fault that passes try again, for its commit may have happened all the same."""
        while time.monotonic() < deadline:
            try:
                with database.transaction(self.writer.engine, parts[0].write.tenant_id) as connection:
                    return bulk_journal.accept(connection, parts, self.shards)
            except IntegrityError:
                # The ids are there already: the commit had gone through, only its answer was lost.
                break
            except SQLAlchemyError as error:
                fault = backoff.classify(error)
                if not fault.is_passing:
                    raise
                logger.warning("accept is tried again", extra={"fault": fault.name})
                time.sleep(writing.PAUSE_SECONDS)
        return self._last_word(parts)

    def _last_word(self, parts: Sequence[Part]) -> set[int]:
        """Prevent what is not in the journal: all of it is, or nothing."""
        first = parts[0].write
        try:
            with database.transaction(self.writer.engine, first.tenant_id) as connection:
                if not journal.forestall(connection, first):
                    return bulk_journal.pending_shards(connection, ids.group_of(first.id))
        except SQLAlchemyError as error:
            raise writing.unknown() from error
        logger.warning("bulk request prevented at the deadline")
        raise writing.unavailable()
