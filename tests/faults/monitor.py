"""Watch a run from beside it: what is pending for how long, and what the processes hold."""

import threading
from collections.abc import Iterable
from contextlib import suppress

import psutil
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from services.directory import database
from tests.faults.records import Overdue, Usage
from tests.faults.site import OURS, Site

LOOK_SECONDS = 0.25
SLACK_SECONDS = 2.0

_PENDING = text("SELECT id FROM operation WHERE state = 'pending'")
_CONNECTIONS = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = :name")


class Monitor(threading.Thread):
    """Looks into the journal again and again, on a connection that no fault touches but those of the server itself."""

    def __init__(self, site: Site, engine: Engine) -> None:
        super().__init__(name="monitor", daemon=True)
        self.overdue: list[Overdue] = []
        self._site, self._engine = site, engine
        self._limit = site.settings.sweep_seconds + SLACK_SECONDS
        self._well_since: float | None = None
        self._seen: dict[str, float] = {}
        self._told: set[str] = set()
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            with suppress(SQLAlchemyError):
                self._look()

    def stop(self) -> None:
        """Stop looking."""
        self._stopped.set()
        self.join()

    def all_is_well(self) -> None:
        """Take note that from now on nothing may wait for long."""
        self._well_since = self._site.clock.now()

    def something_is_wrong(self) -> None:
        """Take note that from now on things may wait."""
        self._well_since = None

    def pending(self) -> int:
        """Return how many operations were pending at the last look."""
        return len(self._seen)

    def _look(self) -> None:
        well_since, now = self._well_since, self._site.clock.now()
        with database.autocommit(self._engine) as connection:
            pending = [str(operation_id) for operation_id in connection.scalars(_PENDING)]
        self._seen = {operation_id: self._seen.get(operation_id, now) for operation_id in pending}
        if well_since is None:
            return
        for operation_id, first_seen in self._seen.items():
            waited = now - max(first_seen, well_since)
            if waited > self._limit and operation_id not in self._told:
                self._told.add(operation_id)
                self.overdue.append(Overdue(operation_id=operation_id, at=now, seconds=waited))


def usage(site: Site, engine: Engine) -> tuple[Usage, ...]:
    """Return what the processes of each of our roles hold now."""
    with database.autocommit(engine) as connection:
        return tuple(
            Usage(
                role=role,
                megabytes=sum(_megabytes(site.family(role))),
                files=sum(_files(site.family(role))),
                connections=connection.scalar(_CONNECTIONS, {"name": f"muster-{role}"}) or 0,
            )
            for role in OURS
        )


def _megabytes(pids: Iterable[int]) -> Iterable[float]:
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            yield psutil.Process(pid).memory_info().rss / 1e6


def _files(pids: Iterable[int]) -> Iterable[int]:
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            yield psutil.Process(pid).num_fds()
