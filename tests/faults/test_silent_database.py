"""A database that neither answers nor hangs up holds no request beyond its deadline."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psutil
import pytest

from services.directory import database
from services.stack import state
from services.stack.supervisor import Stack
from tests import conftest, stacks
from tests.factories import Client, person

CLIENTS = 30
"""More than the gateway has connections."""


@pytest.fixture
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that a test may damage."""
    environ = conftest.environment() | {"MUSTER_DEADLINE_SECONDS": "3"}
    with stacks.lean(tmp_path_factory.mktemp("own"), environ) as running:
        yield running


@pytest.fixture
def own_client(own_stack: Stack) -> Iterator[Client]:
    pool = database.connect(own_stack.settings.database_url, process="test")
    tenant = conftest.make_tenant(pool)
    pool.dispose()
    with Client(own_stack.settings.public_url, tenant) as http:
        yield http


@contextmanager
def frozen(stack: Stack) -> Iterator[None]:
    """Freeze PostgreSQL, all of it, for the duration of the block."""
    found = state.read(stack.data)
    assert found is not None
    server = psutil.Process(found.children["postgres"].pid)
    family = [server.pid, *(child.pid for child in server.children())]
    for pid in family:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in family:
            os.kill(pid, signal.SIGCONT)


def test_reads_and_writes_are_answered_while_the_database_is_frozen(own_stack: Stack, own_client: Client) -> None:
    bodies = [person() for _ in range(CLIENTS)]
    for body in bodies[:2]:
        own_client.post("/Users", json=body)

    with frozen(own_stack), ThreadPoolExecutor(2 * CLIENTS) as pool:
        reading = [pool.submit(own_client.get, "/Users") for _ in range(CLIENTS)]
        writing = [pool.submit(own_client.post, "/Users", json=body) for body in bodies[2:]]
        reads, writes = ({one.result().status_code for one in asked} for asked in (reading, writing))

    assert reads == {503}
    assert writes <= {503, 504}
    again = [own_client.post("/Users", json=body).status_code for body in bodies[2:]]
    assert set(again) <= {201, 409}
    assert own_client.get("/Users").json()["totalResults"] == CLIENTS
