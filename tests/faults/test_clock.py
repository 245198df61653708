"""Beat goes on when somebody sets the clock back: nobody waits for the time to catch up."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from services.stack import children, plan, valkey
from services.stack.children import Child, Program
from services.stack.servers import Server
from shared import queue, settings
from shared.settings import Settings
from tests import conftest
from tests.faults import machine
from tests.faults.machine import Clocks

HOUR = 3600
PATIENCE = 120.0


@pytest.fixture
def clocks() -> Iterator[Clocks]:
    """A clock of beat's own."""
    with machine.clocks(("beat",)) as made:
        if made is None:
            pytest.skip("there is no C compiler, so no process can have a clock of its own")
        yield made


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[tuple[Redis, Server]]:
    """A Redis that nobody reads."""
    with valkey.start(tmp_path / "valkey") as server, queue.redis_client(Settings(broker_url=server.url)) as redis:
        yield redis, server


@pytest.fixture
def beat(clocks: Clocks, own_redis: tuple[Redis, Server], tmp_path: Path) -> Iterator[Child]:
    """Beat, with a sweep every second."""
    chosen = Settings(broker_url=own_redis[1].url, database_url="postgresql://nobody@127.0.0.1:1/none", sweep_seconds=1)
    own = {"MUSTER_DATA": str(tmp_path), "PATH": os.environ["PATH"], **clocks.environment("beat")}
    environ = conftest.environment() | settings.environment(chosen) | own
    child = Child(Program(name="beat", argv=plan.muster("beat"), environment=environ), children.quiet)
    yield child
    children.stop([child], 60, children.quiet)


def sends_more(redis: Redis) -> bool:
    """Whether another two sweeps are sent."""
    wanted = redis.llen(queue.QUEUE) + 2
    return children.until(lambda: redis.llen(queue.QUEUE) >= wanted, PATIENCE)


def test_sweeps_go_on_when_the_clock_is_set_back(beat: Child, clocks: Clocks, own_redis: tuple[Redis, Server]) -> None:
    redis, _ = own_redis
    assert sends_more(redis)

    clocks.shift("beat", HOUR)
    assert sends_more(redis)
    clocks.shift("beat", 0)

    assert sends_more(redis)
    assert not beat.has_exited()
