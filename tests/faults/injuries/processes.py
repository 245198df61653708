"""Faults of processes: killed, frozen, restarted, or there twice."""

import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import text

from services.directory import database
from services.directory.runs import LOCK_SPACE
from tests.faults import armed, faultpoints, requests
from tests.faults.field import During, Field

HELD_SECONDS = 20.0
AFTER_COMMIT = "accept.after_commit:40"

_HOLDERS = text("""
SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.classid = :space AND l.granted AND a.application_name = 'muster-worker'
""")


def ended(role: str, number: signal.Signals) -> During:
    """Return a fault that ends a role, and starts it again afterwards."""

    @contextmanager
    def during(field: Field) -> Iterator[None]:
        field.site.down(role, number)
        yield
        field.site.up(role)

    return during


def frozen(role: str) -> During:
    """Return a fault that freezes a role, and lets it go on afterwards."""

    @contextmanager
    def during(field: Field) -> Iterator[None]:
        field.site.signal(role, signal.SIGSTOP)
        try:
            yield
        finally:
            field.site.thaw(role)

    return during


@contextmanager
def prefork_child_killed(field: Field) -> Iterator[None]:
    """Kill one of the worker's processes; Celery starts another one."""
    _, *pool = field.site.family("worker")
    field.site.kill(field.chance.choice(pool))
    yield


@contextmanager
def frozen_with_the_lock(field: Field) -> Iterator[None]:
    """Freeze the worker at a moment at which it holds the lock of a shard."""
    end = time.monotonic() + HELD_SECONDS
    field.site.signal("worker", signal.SIGSTOP)
    try:
        with database.autocommit(field.engine) as connection:
            while not connection.scalar(_HOLDERS, {"space": LOCK_SPACE}) and time.monotonic() < end:
                field.site.thaw("worker")
                time.sleep(field.chance.uniform(0.001, 0.02))
                field.site.signal("worker", signal.SIGSTOP)
        yield
    finally:
        field.site.thaw("worker")


@contextmanager
def rolling_restart(field: Field) -> Iterator[None]:
    """Renew every process of ours, one role after another, as an upgrade does."""
    _, *old = field.site.family("gateway")
    field.site.signal("gateway", signal.SIGHUP)
    yield
    field.site.until(lambda: not set(old) & set(field.site.family("gateway")), "the gateway's new processes")
    for role in ("worker", "beat"):
        field.site.stop_role(role)
        field.site.up(role)


@contextmanager
def second_beat(field: Field) -> Iterator[None]:
    """Run another beat beside the first one."""
    field.site.up("beat2")
    yield
    field.site.stop_role("beat2")


@contextmanager
def killed_after_commit(field: Field) -> Iterator[None]:
    """Kill the gateway each time when it has accepted so many writes and told nobody."""
    with _armed(field, {faultpoints.VARIABLE: AFTER_COMMIT}, "gateway"):
        yield


@contextmanager
def poison_kills(field: Field) -> Iterator[None]:
    """Send operations that kill whatever process applies them."""
    with (
        _armed(field, {armed.POISON: requests.POISON}, "gateway", "worker"),
        field.workload.crowd(1, requests.of_poison, patience=0),
    ):
        yield


@contextmanager
def poison_kills_gateways(field: Field) -> Iterator[None]:
    """Send such operations while there is no worker, so that gateways have to apply them."""
    field.site.stop_role("worker")
    with (
        _armed(field, {armed.POISON: requests.POISON}, "gateway"),
        field.workload.crowd(1, requests.of_poison, patience=0),
    ):
        yield
    field.site.up("worker")


@contextmanager
def _armed(field: Field, ordered: Mapping[str, str], *roles: str) -> Iterator[None]:
    """Have roles run armed for the duration of the block."""
    field.site.extra = {**armed.ENVIRONMENT, **ordered}
    for role in roles:
        field.site.stop_role(role)
        field.site.up(role)
    yield
    field.site.extra = {}
    for role in roles:
        field.site.stop_role(role)
        field.site.up(role)
