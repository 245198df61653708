"""Count the tolerances that requests needed, and write the sums down off their path.

A count that was not written down yet is lost when the process ends: the last few seconds, which nobody will miss.
"""

import logging
import threading
from collections import Counter
from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from services.directory import database, tolerance_uses

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 3.0


class ToleranceCounter(threading.Thread):
    """Sums up what the requests of this process needed, by tenant."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(name="tolerance-counter", daemon=True)
        self._engine = engine
        self._lock = threading.Lock()
        self._counts: Counter[tuple[UUID, str]] = Counter()
        self._stopped = threading.Event()

    def note(self, tenant_id: UUID, names: Iterable[str]) -> None:
        """Count one use of each of these tolerances."""
        with self._lock:
            self._counts.update((tenant_id, name) for name in names)

    def run(self) -> None:
        while not self._stopped.wait(FLUSH_SECONDS):
            self.flush()

    def stop(self) -> None:
        """Stop, and write down what is left."""
        self._stopped.set()
        self.flush()

    def flush(self) -> None:
        """Write down what was counted since the last time; after a failure it is kept for the next."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            with database.transaction(self._engine) as connection:
                tolerance_uses.add(connection, counts)
        except SQLAlchemyError as error:
            logger.warning("tolerances not counted yet", extra={"error": type(error).__name__})
            with self._lock:
                self._counts.update(counts)
