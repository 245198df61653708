"""Wakes: shards that are rung for at the same time share a message, and each that it names is drained."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from queue import Empty
from typing import Any

import pytest
from celery import Celery
from redis import Redis
from sqlalchemy import Engine, select, update

from services.directory import database, ids, journal, tables
from services.directory.drain import Drainer
from services.gateway.ringing import Ringer
from services.worker.tasks import Tasks
from shared import queue
from shared.settings import Settings
from tests.factories import Tenant, write

SHARDS = 6


@pytest.fixture
def own(servers: Settings) -> Settings:
    """A database of the broker that nobody else uses."""
    return replace(servers, broker_url=servers.broker_url.replace("virtual_host=0", "virtual_host=6"))


@pytest.fixture
def redis(own: Settings) -> Iterator[Redis]:
    client = queue.redis_client(own)
    client.flushdb()
    yield client
    client.close()


@pytest.fixture
def celery(own: Settings) -> Celery:
    return queue.create(own)


def messages(celery: Celery) -> list[Any]:
    """Take all messages; return what each names: the shards, and what it says of them."""
    found = []
    with celery.connection_for_read() as connection, connection.SimpleQueue(queue.QUEUE) as waiting, suppress(Empty):
        while True:
            message = waiting.get_nowait()
            found.append(message.payload[:2])
            message.ack()
    return found


def test_shards_that_are_rung_for_together_share_few_messages(celery: Celery, redis: Redis) -> None:
    assert queue.wake_all(celery, redis, range(SHARDS))

    assert messages(celery) == [[[0], {"also": [1, 2, 3]}], [[4], {"also": [5]}]]


def test_a_shard_that_rings_already_is_left_out(celery: Celery, redis: Redis) -> None:
    queue.wake(celery, redis, 1)

    queue.wake_all(celery, redis, [0, 1, 2])

    assert messages(celery) == [[[1], {}], [[0], {"also": [2]}]]


def test_a_wake_drains_each_shard_that_it_names(
    engine: Engine, own: Settings, celery: Celery, redis: Redis, tenant: Tenant
) -> None:
    shards = (1_000_001, 1_000_002)
    writes = [accepted(engine, tenant, shard) for shard in shards]
    drainer = Drainer(engine=engine, announce=lambda _: None, max_starts=3, ring=lambda _: None)
    tasks = Tasks(settings=own, engine=engine, redis=redis, drainer=drainer, celery=celery)
    queue.wake_all(celery, redis, shards)

    tasks.drain([shards[0], "no shard", shards[1]], is_patient=False)

    with database.transaction(engine) as connection:
        table = tables.operation
        states = connection.scalars(select(table.c.state).where(table.c.id.in_(writes))).all()
    assert list(states) == ["settled", "settled"]
    assert redis.keys("wake:*") == []


def test_what_comes_while_it_rings_is_rung_for_together() -> None:
    rung: list[Sequence[int]] = []
    is_ringing, may_end = threading.Event(), threading.Event()

    def wake_all(shards: Sequence[int]) -> None:
        rung.append(shards)
        is_ringing.set()
        may_end.wait()

    ringer = Ringer(wake_all)
    ringer.start()

    ringer.ring(3)
    is_ringing.wait()
    for shard in (2, 1, 2):
        ringer.ring(shard)
    may_end.set()
    ringer.stop()
    ringer.join()

    assert rung == [[3], [1, 2]]


def accepted(engine: Engine, tenant: Tenant, shard: int) -> Any:
    """Accept a write in a shard, and return its id."""
    sent = write(tenant, lane=ids.new())
    with database.transaction(engine) as connection:
        journal.accept(connection, [sent], shards=1)
        connection.execute(update(tables.operation).where(tables.operation.c.id == sent.id).values(shard=shard))
    return sent.id
