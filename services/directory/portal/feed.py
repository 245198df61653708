"""Let the live pages of a process share one listener, and what they show: each part is made once, however many show it.

The listener runs while somebody looks. What it hears is only that something is new of a tenant: pages look again then,
and now and then by themselves, for a notification may be lost.
"""

import hashlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import psycopg
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from services.directory import database, live

logger = logging.getLogger(__name__)

MOST_PAGES = 400
"""Pages that are live at a time, of all tenants."""

MOST_OF_ONE = 20
"""Live pages of one session."""

LISTEN_SECONDS = 2.0
"""So long the listener outlives the last page, at most; and it waits so long after it has lost the database."""


class FullError(Exception):
    """There are too many live pages already."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A part of a page as it was made at a moment; the same content has the same id, in every process."""

    id: str
    content: str
    news: int
    made_at: float


class _Part:
    """A part that pages share while one of them is open."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.shown: Shown | None = None


class Feed:
    """What all live pages of a process share."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._changed = engine, threading.Condition()
        self._pages: Counter[UUID] = Counter()
        self._sessions: Counter[str] = Counter()
        self._viewers: Counter[Hashable] = Counter()
        self._parts: dict[Hashable, _Part] = {}
        self._news: Counter[UUID] = Counter()
        self._listens = False
        self.is_leaving = False

    @contextmanager
    def open(self, tenant_id: UUID, session: str, part: Hashable) -> Iterator[None]:
        """Keep a page live for the duration of the block. Raises FullError."""
        with self._changed:
            if self._pages.total() >= MOST_PAGES or self._sessions[session] >= MOST_OF_ONE:
                raise FullError
            self._count(tenant_id, session, part, 1)
            self._parts.setdefault(part, _Part())
            self._begin_to_listen()
        try:
            yield
        finally:
            with self._changed:
                self._count(tenant_id, session, part, -1)
                self._forget(tenant_id, session, part)

    def news(self, tenant_id: UUID) -> int:
        """Return how often something new was heard of a tenant."""
        with self._changed:
            return self._news[tenant_id]

    def wait(self, tenant_id: UUID, known: int, seconds: float) -> None:
        """Wait until there is other news of a tenant than is known, the process is to end, or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self.is_leaving or self._news[tenant_id] != known, seconds)

    def look(self, tenant_id: UUID, part: Hashable, seconds: float, make: Callable[[], str]) -> Shown:
        """Return an open part as it is now: made anew when there is news, or when it is so old."""
        kept = self._parts[part]
        with kept.lock:
            news, now = self.news(tenant_id), time.monotonic()
            if kept.shown is None or kept.shown.news != news or now - kept.shown.made_at >= seconds:
                kept.shown = _shown(make(), news, now)
            return kept.shown

    def leave(self) -> None:
        """Let every page end, and take no more."""
        with self._changed:
            self.is_leaving = True
            self._changed.notify_all()

    def _count(self, tenant_id: UUID, session: str, part: Hashable, change: int) -> None:
        self._pages[tenant_id] += change
        self._sessions[session] += change
        self._viewers[part] += change

    def _forget(self, tenant_id: UUID, session: str, part: Hashable) -> None:
        """Keep nothing of what nobody looks at any more."""
        if not self._sessions[session]:
            del self._sessions[session]
        if not self._viewers[part]:
            del self._viewers[part], self._parts[part]
        if not self._pages[tenant_id]:
            del self._pages[tenant_id], self._news[tenant_id]

    def _begin_to_listen(self) -> None:
        if not self._listens:
            self._listens = True
            threading.Thread(target=self._listen, name="live", daemon=True).start()

    def _listen(self) -> None:
        while self._is_needed():
            try:
                with database.autocommit(self._engine) as connection:
                    self._hear(connection)
            except (psycopg.Error, SQLAlchemyError):
                logger.warning("live pages hear nothing", extra={"again_in_seconds": LISTEN_SECONDS})
                time.sleep(LISTEN_SECONDS)
            except Exception:
                logger.exception("live pages hear nothing")
                time.sleep(LISTEN_SECONDS)

    def _hear(self, connection: Connection) -> None:
        try:
            live.listen(connection)
            with self._changed:
                self._tell(self._pages)  # Something may have happened before.
            while self._is_needed():
                heard = live.heard(connection, LISTEN_SECONDS)
                with self._changed:
                    self._tell(heard & self._pages.keys())
        finally:
            connection.invalidate()  # In the pool it would go on listening, and nobody would take what it hears.

    def _tell(self, tenant_ids: Iterable[UUID]) -> None:
        self._news.update(list(tenant_ids))
        self._changed.notify_all()

    def _is_needed(self) -> bool:
        with self._changed:
            self._listens = bool(self._pages) and not self.is_leaving
            return self._listens


def _shown(content: str, news: int, now: float) -> Shown:
    return Shown(id=hashlib.sha256(content.encode()).hexdigest()[:16], content=content, news=news, made_at=now)
