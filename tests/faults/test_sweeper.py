"""The sweeper: it finds what nobody was woken for, and does no harm twice, late, or beside a drain."""

import os
import signal
import sys
from collections.abc import Iterator
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from services.directory import counters, database, journal
from services.stack import children
from services.stack.children import Child, Program
from services.stack.supervisor import Stack
from shared import metrics, queue, settings
from tests import conftest, factories, stacks
from tests.factories import Client, Tenant
from tests.shards import held

PATIENCE = 120.0
WRITES = 30


@pytest.fixture
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose sweeper comes every second."""
    environ = conftest.environment() | {"MUSTER_SWEEP_SECONDS": "1"}
    with stacks.lean(tmp_path_factory.mktemp("own"), environ) as running:
        yield running


def test_two_beats_do_what_one_does(own_stack: Stack, own_engine: Engine, own_tenant: Tenant) -> None:
    environ = conftest.environment() | settings.environment(own_stack.settings)
    schedule = str(own_stack.data / "second-beat")
    argv = (sys.executable, "-m", "services.cli", "beat", "--schedule", schedule)
    second = Child(Program(name="beat", argv=argv, environment=environ), children.quiet)

    lanes = unwoken(own_engine, own_tenant)

    assert children.until(lambda: pending(own_engine) == 0, PATIENCE)
    assert versions(own_engine, lanes) == [1] * WRITES
    assert children.until(lambda: swept(own_engine) > 0, PATIENCE)
    assert not second.has_exited()
    children.stop([second], 60, children.quiet)


def test_without_a_beat_writes_go_on_and_what_is_left_is_found_later(
    own_stack: Stack, own_engine: Engine, own_tenant: Tenant
) -> None:
    beat = own_stack.child("beat")
    os.kill(beat.pid, signal.SIGSTOP)

    with Client(own_stack.settings.public_url, own_tenant) as client:
        created = client.create_user()
        assert client.get(f"/Users/{created['id']}").json() == created
    lanes = unwoken(own_engine, own_tenant)
    os.kill(beat.pid, signal.SIGCONT)

    assert children.until(lambda: pending(own_engine) == 0, PATIENCE)
    assert versions(own_engine, lanes) == [1] * WRITES


def test_sweeping_during_a_drain_doubles_nothing(own_stack: Stack, own_engine: Engine, own_tenant: Tenant) -> None:
    celery = queue.create(own_stack.settings)
    with held(own_engine, own_stack.settings.shards):
        lanes = unwoken(own_engine, own_tenant)
        assert children.until(lambda: waiting_for_locks(own_engine) > 0, PATIENCE)
        for _ in range(20):
            celery.send_task(queue.SWEEP, ignore_result=True)

    assert children.until(lambda: pending(own_engine) == 0, PATIENCE)
    redis = queue.redis_client(own_stack.settings)
    assert children.until(lambda: redis.llen(queue.QUEUE) == 0, PATIENCE)
    assert versions(own_engine, lanes) == [1] * WRITES


def unwoken(engine: Engine, tenant: Tenant) -> list[UUID]:
    """Put writes into the journal, as a gateway does that dies before it rings; return their lanes."""
    writes = [factories.write(tenant) for _ in range(WRITES)]
    with database.transaction(engine) as connection:
        journal.accept(connection, writes, 8)
    return [write.lane for write in writes]


def pending(engine: Engine) -> int:
    return count(engine, "SELECT count(*) FROM operation WHERE state = 'pending'")


def waiting_for_locks(engine: Engine) -> int:
    return count(engine, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")


def count(engine: Engine, query: str) -> int:
    with database.transaction(engine) as connection:
        return int(connection.scalar(text(query)) or 0)


def versions(engine: Engine, lanes: list[UUID]) -> list[int]:
    query = text("SELECT version FROM employee WHERE id = ANY(:lanes)")
    with database.transaction(engine) as connection:
        return list(connection.scalars(query, {"lanes": lanes}))


def swept(engine: Engine) -> int:
    with database.transaction(engine) as connection:
        return counters.totals(connection).get((metrics.SWEPT.name, ""), 0)
