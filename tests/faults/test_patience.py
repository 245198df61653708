"""Patient wakes: where nobody waits for the answer others are heard first, and nothing is forgotten."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Engine, text

from services.directory import database
from services.stack import children
from services.stack.supervisor import Stack
from shared import queue
from shared.settings import Settings
from tests import conftest, stacks
from tests.factories import Client, person

PATIENCE = 120.0
WRITES = 300
"""More than fit into one batch of a shard, so that the rest is rung for."""


@pytest.fixture
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with one shard, where no sweeper comes to help and nobody is sent away."""
    environ = {"MUSTER_SHARDS": "1", "MUSTER_SWEEP_SECONDS": "600", "MUSTER_ADMISSION_SECONDS": "3600"}
    with stacks.lean(tmp_path_factory.mktemp("own"), conftest.environment() | environ) as running:
        yield running


def test_patient_wakes_are_heard_last_and_each_kind_rings_once(servers: Settings) -> None:
    own = replace(servers, broker_url=servers.broker_url.replace("virtual_host=0", "virtual_host=5"))
    celery, redis = queue.create(own), queue.redis_client(own)
    redis.delete(*queue.LISTS)

    for is_patient in (True, True, False, False):
        assert queue.wake(celery, redis, 1, is_patient=is_patient)

    heard = []
    with celery.connection_for_read() as connection, connection.SimpleQueue(queue.QUEUE) as messages:
        for _ in range(2):
            message = messages.get_nowait()
            heard.append(message.payload[:2])
            message.ack()
    assert heard == [[[1], {}], [[1], {"patient": True}]]
    assert redis.llen(queue.LISTS[0]) == redis.llen(queue.LISTS[1]) == 0


def test_the_rest_of_a_backlog_needs_no_other_wake(own_stack: Stack, own_engine: Engine) -> None:
    os.kill(own_stack.child("worker").pid, signal.SIGSTOP)
    with Client(own_stack.settings.public_url, conftest.make_tenant(own_engine)) as client:
        for _ in range(WRITES):
            assert client.post("/Users", json=person(), headers={"Prefer": "respond-async"}).status_code == 202
        assert pending(own_engine) == WRITES

        os.kill(own_stack.child("worker").pid, signal.SIGCONT)

        assert children.until(lambda: pending(own_engine) == 0, PATIENCE)
        assert client.get("/Users").json()["totalResults"] == WRITES


def pending(engine: Engine) -> int:
    with database.transaction(engine) as connection:
        return int(connection.scalar(text("SELECT count(*) FROM operation WHERE state = 'pending'")) or 0)
