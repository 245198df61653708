"""The worker's main process outlives what happens to Redis; nobody has to start it again."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from redis import Redis

from services.stack import state
from services.stack.state import Mark
from services.stack.supervisor import Stack
from shared import queue
from tests import conftest, stacks

TRIES = 3_000
WAKES = 50
REFUSALS = 40
WAKER = 2
"""The sockets over which kombu's event loop wakes itself; a child has them, too."""


@pytest.fixture
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that a test may damage."""
    environ = conftest.environment() | {"MUSTER_SWEEP_SECONDS": "3600"}
    with stacks.lean(tmp_path_factory.mktemp("own"), environ) as running:
        yield running


@pytest.fixture
def own_redis(own_stack: Stack) -> Iterator[Redis]:
    with queue.redis_client(own_stack.settings) as client:
        yield client


def worker_of(stack: Stack) -> Mark:
    found = state.read(stack.data)
    assert found is not None
    return found.children["worker"]


def wait_until(condition: Callable[[], bool], redis: Redis) -> None:
    """Wait until a condition holds; between two looks Redis lets us wait for what never comes."""
    for _ in range(TRIES):
        if condition():
            return
        redis.blpop(["nothing comes here"], timeout=0.02)
    raise AssertionError("it never came about")


def sockets_of(pid: int) -> set[str]:
    """Return the sockets that a process has open, by their numbers in the kernel; those of a fork are the same."""
    return {link for link in map(os.readlink, Path(f"/proc/{pid}/fd").iterdir()) if link.startswith("socket:")}


def refusals(redis: Redis) -> int:
    """Return how many commands Redis has refused for want of memory."""
    return int(redis.info("errorstats").get("errorstat_OOM", {"count": 0})["count"])


def test_a_worker_outlives_a_redis_without_memory(own_stack: Stack, own_redis: Redis) -> None:
    worker, celery = worker_of(own_stack), queue.create(own_stack.settings)
    os.kill(worker.pid, signal.SIGSTOP)
    for _ in range(WAKES):
        celery.send_task(queue.DRAIN, args=[1], ignore_result=True)
    own_redis.config_set("maxmemory", 1)

    os.kill(worker.pid, signal.SIGCONT)
    files = psutil.Process(worker.pid).num_fds()
    wait_until(lambda: refusals(own_redis) >= REFUSALS, own_redis)
    held = psutil.Process(worker.pid).num_fds()
    own_redis.config_set("maxmemory", 0)
    wait_until(lambda: own_redis.llen(queue.QUEUE) == 0, own_redis)

    assert worker.is_running()
    assert held < files + REFUSALS // 2


def test_a_new_process_of_the_pool_keeps_no_connection_of_its_parent(own_stack: Stack, own_redis: Redis) -> None:
    worker = psutil.Process(worker_of(own_stack).pid)
    before = {child.pid for child in worker.children()}

    os.kill(min(before), signal.SIGKILL)
    wait_until(lambda: len({child.pid for child in worker.children()} - before) == 1, own_redis)
    [new] = {child.pid for child in worker.children()} - before

    assert len(sockets_of(worker.pid)) > WAKER
    wait_until(lambda: len(sockets_of(worker.pid) & sockets_of(new)) <= WAKER, own_redis)
