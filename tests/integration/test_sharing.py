"""Counts of limits that several processes share through a real Valkey; and what they do while it is away or frozen."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from limits import RateLimitItemPerSecond
from redis import Redis

from services.gateway import sharing
from services.gateway.sharing import Sharing
from services.gateway.windows import Windows
from services.stack import valkey
from services.stack.servers import Server
from shared import metrics, queue
from shared.settings import Settings

LIMIT, WINDOW = 40, 3600
TIMEOUT_SECONDS = 0.25


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A Valkey that may be frozen and ended."""
    with valkey.start(tmp_path / "valkey") as running:
        yield running


@pytest.fixture
def redis(server: Server) -> Iterator[Redis]:
    client = queue.redis_client(Settings(broker_url=server.url), TIMEOUT_SECONDS)
    yield client
    client.close()


def process(redis: Redis, item: RateLimitItemPerSecond) -> tuple[Sharing, Windows]:
    """Return what a gateway process has."""
    shared = Sharing(redis, 1)
    counted = Windows(item, shared.processes)
    shared.share([counted])
    return shared, counted


@pytest.fixture
def item() -> RateLimitItemPerSecond:
    """A limit of the test's own, whose window does not end meanwhile."""
    return RateLimitItemPerSecond(LIMIT, WINDOW, namespace=str(uuid4()))


def test_two_processes_share_one_limit(redis: Redis, item: RateLimitItemPerSecond) -> None:
    (one, here), (two, there) = process(redis, item), process(redis, item)
    for each in (one, two, one):
        each._told_at = -sharing.GONE_SECONDS
        each.exchange()
    taken = [sum(counted.take("a") for _ in range(15)) for counted in (here, there)]

    one.exchange()
    two.exchange()
    here.add("a")
    one.exchange()
    rest = sum(here.take("a") for _ in range(LIMIT))
    one.exchange()
    there.add("a")
    two.exchange()

    assert (taken, rest) == ([15, 15], LIMIT - 31)
    assert not there.take("a")


def test_a_process_that_is_alone_shares_nothing(redis: Redis, item: RateLimitItemPerSecond) -> None:
    alone, counted = process(redis, item)

    assert sum(counted.take("a") for _ in range(2 * LIMIT)) == LIMIT
    alone.exchange()

    assert redis.keys("limit*") == []
    assert redis.zcard(sharing.PROCESSES) == 1


def test_while_redis_is_frozen_each_has_its_share_and_nobody_waits(
    redis: Redis, server: Server, item: RateLimitItemPerSecond, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exchanges end in errors; requests are decided meanwhile, by a thread that never touches Redis."""
    (one, here), (two, _) = process(redis, item), process(redis, item)
    two.exchange()
    one.exchange()
    before = metrics.BOOK.take()
    failed: list[int] = []
    decided = 0

    os.kill(server.pid, signal.SIGSTOP)
    try:
        one._told_at = -sharing.GONE_SECONDS
        exchanging = threading.Thread(target=one.exchange)
        exchanging.start()
        while exchanging.is_alive():
            decided += here.take("b") or True
        failed.append(metrics.BOOK.take().get((metrics.UNSHARED.name, ""), 0))
        monkeypatch.setattr(sharing, "GONE_SECONDS", 0.0)
        share = sum(here.take("a") for _ in range(LIMIT))
    finally:
        os.kill(server.pid, signal.SIGCONT)
        metrics.BOOK.give_back(before)

    assert failed == [1]
    assert decided > 1000
    assert share == LIMIT // 2
    one._again_at = 0.0
    one.exchange()
    monkeypatch.undo()
    assert here.take("a")


def test_a_process_that_says_nothing_any_more_is_not_counted(redis: Redis, item: RateLimitItemPerSecond) -> None:
    (one, _), (two, _) = process(redis, item), process(redis, item)
    redis.zadd(sharing.PROCESSES, {"gone": time.time() - sharing.GONE_SECONDS - 1, two._name: time.time()})

    one.exchange()

    assert one._known == 2
