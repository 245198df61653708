"""Poison: an operation that raises, takes too long, hangs, or ends its process dies in the end, and nobody else does.

The evil is real: a trigger in PostgreSQL, signals to the worker's processes, and a process that hangs.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
import psutil
import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.exc import OperationalError

from services.directory import database, failures, journal, runs, tables
from services.directory.drain import Drainer
from services.directory.failures import Failure
from services.directory.journal import Write
from services.stack import state
from services.stack.supervisor import Stack
from shared.outcomes import Reply
from tests import conftest, poison, shards, stacks
from tests.factories import Client, Tenant, patch, person, replace, write

MAX_STARTS = 2
GATE = 4711
"""An advisory lock that the trigger waits for."""

WAITS = f"PERFORM pg_advisory_xact_lock_shared({GATE})"


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def max_starts() -> int:
    return MAX_STARTS


@pytest.fixture
def own_stack(tmp_path_factory: pytest.TempPathFactory, lines: list[str], max_starts: int) -> Iterator[Stack]:
    """A stack with one shard and one process for its worker, so that all operations share their runs."""
    environ = conftest.environment() | {
        "MUSTER_MAX_STARTS": str(max_starts),
        "MUSTER_SHARDS": "1",
        "MUSTER_WORKER_PROCESSES": "1",
        "MUSTER_SWEEP_SECONDS": "1",
        "MUSTER_DEADLINE_SECONDS": "50",
    }
    data = tmp_path_factory.mktemp("poisoned")
    with stacks.lean(data, environ, sink=lambda _, line: lines.append(line)) as running:
        yield running


@pytest.fixture
def own_client(own_stack: Stack, own_engine: Engine) -> Iterator[Client]:
    with Client(own_stack.settings.public_url, conftest.make_tenant(own_engine)) as http:
        yield http


def test_an_operation_that_raises_dies_and_the_others_of_its_batch_and_lane_go_on(
    own_client: Client, own_engine: Engine
) -> None:
    lane = own_client.create_user()["id"]

    with poison.spread(own_engine, poison.RAISES), ThreadPoolExecutor(12) as pool:
        with held(own_engine):
            evil = pool.submit(own_client.patch, f"/Users/{lane}", json=patch(replace("title", poison.MARK)))
            until(lambda: count(own_engine, "pending") == 1)
            after = pool.submit(own_client.patch, f"/Users/{lane}", json=patch(replace("nickName", "after")))
            others = [pool.submit(own_client.post, "/Users", json=person()) for _ in range(8)]
            until(lambda: count(own_engine, "pending") == 10)
        statuses = [other.result().status_code for other in others]

    assert evil.result().status_code == 500
    assert statuses == [201] * 8
    assert (after.result().status_code, after.result().json()["nickName"]) == (200, "after")
    assert [(each.error, each.counts) for each in failed_starts(own_engine)] == [("RaiseException P0001", True)] * 2
    assert own_client.get(f"/Users/{lane}").json()["meta"]["version"] == 'W/"2"'


def test_an_operation_that_takes_too_long_dies_and_the_others_go_on(own_client: Client, own_engine: Engine) -> None:
    with poison.spread(own_engine, poison.TAKES_TOO_LONG), ThreadPoolExecutor(8) as pool:
        evil = pool.submit(own_client.post, "/Users", json=person(title=poison.MARK))
        until(lambda: count(own_engine, "pending") == 1)
        others = [pool.submit(own_client.post, "/Users", json=person()) for _ in range(5)]
        statuses = [other.result().status_code for other in others]

    assert statuses == [201] * 5
    assert evil.result().status_code == 500
    kept = failed_starts(own_engine)
    assert [(each.error, each.counts) for each in kept] == [("QueryCanceled 57014", True)] * MAX_STARTS
    assert all((each.where or "").startswith("services.directory.store.") for each in kept)
    assert own_client.get("/Users").json()["totalResults"] == 5


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGALRM], ids=["killed", "ended by the watch"])
def test_an_operation_that_ends_its_process_dies_and_the_others_go_on(
    own_stack: Stack, own_client: Client, own_engine: Engine, number: signal.Signals
) -> None:
    lane = own_client.create_user()["id"]
    later = {"Prefer": "respond-async"}

    with poison.spread(own_engine, WAITS), gate(own_engine):
        with held(own_engine):
            evil = own_client.patch(f"/Users/{lane}", json=patch(replace("title", poison.MARK)), headers=later)
            after = own_client.patch(f"/Users/{lane}", json=patch(replace("nickName", "after")), headers=later)
            others = [own_client.post("/Users", json=person(), headers=later) for _ in range(5)]
        until(lambda: end_whoever_is_at_work(own_stack, own_engine, number) or count(own_engine, "dead") == 1)
        until(lambda: count(own_engine, "pending") == 0)

    assert [status(own_engine, answer) for answer in (evil, after, *others)] == [500, 200, *[201] * 5]
    assert own_client.get(f"/Users/{lane}").json()["nickName"] == "after"
    assert own_client.get("/Users").json()["totalResults"] == 6
    counted = [each.error for each in failed_starts(own_engine) if each.counts]
    assert counted == [failures.UNFINISHED.name] * MAX_STARTS
    assert count(own_engine, "dead") == 1


@pytest.mark.parametrize("max_starts", [3])
def test_an_operation_that_had_its_second_chance_ends_no_gateway(
    own_stack: Stack, own_client: Client, own_engine: Engine, max_starts: int
) -> None:
    """There is no worker, so gateways drain by themselves."""
    for each in (*children(own_stack), psutil.Process(own_stack.child("worker").pid)):
        each.kill()

    with poison.spread(own_engine, WAITS), gate(own_engine), ThreadPoolExecutor(1) as pool:
        for title in (poison.MARK, None):
            lost = pool.submit(own_client.post, "/Users", json=person(title=title))
            until(lambda: bool(at_work(own_engine)))
            [serving] = children(own_stack, "gateway")
            end(own_engine, serving, signal.SIGKILL)
            with pytest.raises(httpx.TransportError):
                lost.result()
        sound = pool.submit(own_client.post, "/Users", json=person())
        until(lambda: bool(at_work(own_engine)))
        [serving] = children(own_stack, "gateway")
        [outside] = serving.children()
        end(own_engine, outside, signal.SIGKILL)
        status = sound.result().status_code

    assert (status, children(own_stack, "gateway")) == (201, [serving])
    assert [each.error for each in failed_starts(own_engine)] == [failures.UNFINISHED.name] * max_starts
    assert own_client.get("/Users").json()["totalResults"] == 2


def test_a_frozen_worker_frees_its_lane_and_can_commit_nothing_later(
    own_stack: Stack, own_client: Client, own_engine: Engine, lines: list[str]
) -> None:
    with poison.spread(own_engine, WAITS), ThreadPoolExecutor(1) as pool:
        with gate(own_engine):
            slow = pool.submit(own_client.post, "/Users", json=person(title=poison.MARK))
            until(lambda: bool(at_work(own_engine)))
            frozen = children(own_stack)
            for child in frozen:
                child.suspend()
        answer = slow.result()
    before = own_client.get(f"/Users/{answer.json()['id']}").json()
    for child in frozen:
        child.resume()
    until(lambda: any("batch failed" in line for line in lines))

    # The worker goes on, and what it held is as others left it.
    changed = own_client.patch(f"/Users/{before['id']}", json=patch(replace("nickName", "x")))
    assert (answer.status_code, before["meta"]["version"]) == (201, 'W/"1"')
    assert (changed.status_code, changed.json()["meta"]["version"]) == (200, 'W/"2"')
    with database.transaction(own_engine) as connection:
        entries = connection.scalar(select(func.count()).select_from(tables.history))
        starts = connection.scalars(select(tables.operation.c.starts).order_by(tables.operation.c.id)).all()
    assert entries == 2
    assert list(starts) == [2, 1]


def test_a_hanging_process_frees_its_lane_while_it_hangs(engine: Engine, tenant: Tenant) -> None:
    poor = write(tenant)
    replies: list[Reply] = []
    alone(engine)
    accept(engine, poor)
    healthy = Drainer(engine=engine, announce=replies.extend, max_starts=3, ring=lambda _: None)

    with hanging_process(engine, max_starts=3, seconds=3600) as process:
        # PostgreSQL ends the transaction of the one that hangs, and with it the lock of the shard.
        until(lambda: drained(healthy) == 1)
        is_still_hanging = process.poll() is None
        process.send_signal(signal.SIGALRM)

    assert is_still_hanging
    assert [reply.outcome.status for reply in replies] == [201]
    assert row(engine, poor.id).starts == 2
    assert [each.error for each in failures.read(row(engine, poor.id).failures)] == [failures.UNFINISHED.name]
    assert version(engine, poor.lane) == 1


def test_an_operation_that_always_hangs_dies(engine: Engine, tenant: Tenant) -> None:
    evil = write(tenant)
    replies: list[Reply] = []
    alone(engine)
    accept(engine, evil)

    for _ in range(MAX_STARTS):
        with hanging_process(engine, max_starts=MAX_STARTS, seconds=0.5):
            pass
    Drainer(engine=engine, announce=replies.extend, max_starts=MAX_STARTS, ring=lambda _: None).drain(0)

    assert [reply.outcome.status for reply in replies] == [500]
    assert (row(engine, evil.id).state, row(engine, evil.id).starts) == ("dead", MAX_STARTS)
    assert version(engine, evil.lane) is None


@contextmanager
def hanging_process(engine: Engine, *, max_starts: int, seconds: float) -> Iterator["subprocess.Popen[str]"]:
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    argv = [sys.executable, "-m", "tests.faults.hangs", url, str(max_starts), str(seconds)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "hangs\n"
        yield process
        assert "hangs.py" in process.stderr.read()
    assert process.returncode == -signal.SIGALRM


@contextmanager
def gate(engine: Engine) -> Iterator[None]:
    """Keep whoever comes to the trigger waiting until the block ends."""
    with database.autocommit(engine) as connection:
        connection.execute(text("SELECT pg_advisory_lock(:gate)"), {"gate": GATE})
        yield
        connection.execute(text("SELECT pg_advisory_unlock(:gate)"), {"gate": GATE})


@contextmanager
def held(engine: Engine) -> Iterator[None]:
    """Keep everybody from draining the shard until the block ends, so that what comes meanwhile is one batch."""
    lock = {"space": runs.LOCK_SPACE, "shard": 0}
    with database.autocommit(engine) as connection:
        connection.execute(text("SELECT pg_advisory_lock(:space, :shard)"), lock)
        yield
        connection.execute(text("SELECT pg_advisory_unlock(:space, :shard)"), lock)


def end_whoever_is_at_work(stack: Stack, engine: Engine, number: signal.Signals) -> bool:
    """Send a signal to the worker's processes if one of them is at the trigger; never true."""
    if at_work(engine):
        for child in children(stack):
            end(engine, child, number)
    return False


def end(engine: Engine, process: psutil.Process, number: signal.Signals) -> None:
    """End a process that is at the trigger."""
    waiting = at_work(engine)
    process.send_signal(number)
    process.wait()
    with database.transaction(engine) as connection:
        # The server would only see at the end of its statement that nobody is there any more.
        connection.execute(text("SELECT pg_terminate_backend(pid) FROM unnest(:pids) AS pid"), {"pids": waiting})
    until(lambda: not set(waiting) & set(at_work(engine)))


def at_work(engine: Engine) -> list[int]:
    """Return the server's processes that wait at the trigger."""
    waiting = text("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = :gate AND NOT granted")
    with database.transaction(engine) as connection:
        return list(connection.scalars(waiting, {"gate": GATE}))


def children(stack: Stack, part: str = "worker") -> list[psutil.Process]:
    found = state.read(stack.data)
    assert found is not None
    return psutil.Process(found.children[part].pid).children()


def until(condition: Callable[[], bool]) -> None:
    """Look until a condition holds, some minutes at most."""
    for _ in range(10_000):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it does not come true")


def drained(drainer: Drainer) -> int:
    """Drain, even if the shard's lock is not to be had just now."""
    try:
        return drainer.drain(0)
    except OperationalError:
        return 0


def alone(engine: Engine) -> None:
    """Let nothing of other tests be pending."""
    with database.transaction(engine) as connection:
        shards.empty(connection)


def accept(engine: Engine, *writes: Write) -> None:
    with database.transaction(engine) as connection:
        journal.accept(connection, writes, shards=1)


def count(engine: Engine, state_: str) -> int:
    table = tables.operation
    with database.transaction(engine) as connection:
        return connection.scalars(select(func.count()).select_from(table).where(table.c.state == state_)).one()


def failed_starts(engine: Engine) -> list[Failure]:
    """Return the failed starts of the one operation that is dead."""
    table = tables.operation
    with database.transaction(engine) as connection:
        return failures.read(connection.scalars(select(table.c.failures).where(table.c.state == "dead")).one())


def status(engine: Engine, accepted: httpx.Response) -> int:
    """Return what became of a write that nobody waited for."""
    found: int = row(engine, UUID(accepted.headers["Set-Txn"])).status
    return found


def row(engine: Engine, operation_id: UUID) -> Any:
    with database.transaction(engine) as connection:
        return connection.execute(select(tables.operation).where(tables.operation.c.id == operation_id)).one()


def version(engine: Engine, lane: UUID) -> int | None:
    with database.transaction(engine) as connection:
        return connection.scalar(select(tables.employee.c.version).where(tables.employee.c.id == lane))
