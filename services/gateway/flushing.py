"""Note what requests need and use, and write the sums down off their path, every few seconds.

What was not written down yet is lost when the process is killed: the last few seconds, which nobody will miss.
"""

import logging
import threading
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from services.directory import database, tokens, tolerance_uses
from services.directory.flusher import Flusher

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 3.0


class Sums(Flusher):
    """Writes down what was noted since the last time; after a failure it is kept for the next."""

    def __init__(self, engine: Engine, name: str) -> None:
        super().__init__(name, FLUSH_SECONDS)
        self._engine = engine
        self._lock = threading.Lock()

    def flush(self) -> None:
        """Write down what was noted."""
        try:
            with database.across(self._engine) as connection:
                self._write(connection)
        except SQLAlchemyError as error:
            logger.warning("sums not written down yet", extra={"of": self.name, "error": type(error).__name__})

    @abstractmethod
    def _write(self, connection: Connection) -> None:
        """Write down what was noted, and put it back when that fails."""


class ToleranceCounter(Sums):
    """Sums up the tolerances that the requests of this process needed, by tenant."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine, "tolerance-counter")
        self._counts: Counter[tuple[UUID, str]] = Counter()

    def note(self, tenant_id: UUID, names: Iterable[str]) -> None:
        """Count one use of each of these tolerances."""
        with self._lock:
            self._counts.update((tenant_id, name) for name in names)

    def flush(self) -> None:
        if self._counts:
            super().flush()

    def _write(self, connection: Connection) -> None:
        with self._lock:
            counts, self._counts = self._counts, Counter()
        try:
            tolerance_uses.add(connection, counts)
        except SQLAlchemyError:
            with self._lock:
                self._counts.update(counts)
            raise


class TokenUses(Sums):
    """Remembers when each token was last used in this process, and from which address."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine, "token-uses")
        self._uses: dict[UUID, tuple[datetime, str]] = {}

    def note(self, token_id: UUID, address: str) -> None:
        """Note that a token is used now."""
        self._uses[token_id] = (datetime.now(UTC), address)

    def flush(self) -> None:
        if self._uses:
            super().flush()

    def _write(self, connection: Connection) -> None:
        uses, self._uses = self._uses, {}
        try:
            tokens.note_uses(connection, uses)
        except SQLAlchemyError:
            self._uses = uses | self._uses
            raise
