"""Restarts under load: whatever part is replaced, each write is answered, and what was answered is there."""

import http.client
import itertools
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Self

import orjson
import psutil
import pytest
from sqlalchemy import Engine, text

from services.directory import database, runs
from services.stack import children, ports
from services.stack.children import Child, Program
from services.stack.supervisor import Stack
from shared import queue, settings
from tests import conftest, stacks
from tests.factories import Client, Tenant, person

CLIENTS = 8
BETWEEN = 40
"""So many writes are answered between two restarts, so that each happens under load."""

BOUND = 20_000
PARTS = ("worker", "beat", "flower", "valkey", "postgres", "gateway")


@pytest.fixture
def complaints() -> list[str]:
    """What the processes of the own stack say at the level of warnings and above."""
    return []


@pytest.fixture
def own_stack(tmp_path_factory: pytest.TempPathFactory, complaints: list[str]) -> Iterator[Stack]:
    """A stack that a test may damage; it is tended by nobody but the test."""
    with stacks.lean(
        tmp_path_factory.mktemp("own"),
        conftest.environment() | {"MUSTER_LOG_LEVEL": "WARNING"},
        "flower",
        sink=lambda name, line: complaints.append(f"{name}: {line}"),
    ) as running:
        yield running


class Writers:
    """Clients that create people; one half keep their connections open, the others open one for each request."""

    def __init__(self, address: str, tenant: Tenant) -> None:
        self._address, self._secret = address, tenant.secret
        self._numbers = itertools.count()
        self._stopping = threading.Event()
        self._answered = threading.Semaphore(0)
        self.answers: list[tuple[str, int]] = []
        self.errors: list[str] = []
        self.refusals: list[str] = []
        """What was said to those that were not created."""
        self._threads = [threading.Thread(target=self._write, args=(n % 2 == 0,)) for n in range(CLIENTS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def let_write(self, writes: int) -> None:
        """Return when so many more were answered."""
        for _ in range(writes):
            assert self._answered.acquire(timeout=120), self.errors

    def _write(self, keeps_open: bool) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=60)
        while not self._stopping.is_set():
            body = person(userName=f"person-{next(self._numbers)}@example.com")
            try:
                connection.request("POST", "/rest/scim/v2/Users", orjson.dumps(body), self._headers())
                response = connection.getresponse()
                said = response.read()
                self.answers.append((body["userName"], response.status))
                if response.status != http.client.CREATED:
                    self.refusals.append(said.decode(errors="replace"))
                if not keeps_open:
                    connection.close()
            except (OSError, http.client.HTTPException) as error:
                self.errors.append(repr(error))
                connection.close()
            self._answered.release()
        connection.close()

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._secret}", "Content-Type": "application/scim+json"}


def names(engine: Engine, tenant: Tenant) -> set[str]:
    query = text("SELECT user_name FROM employee WHERE tenant_id = :tenant")
    with database.transaction(engine) as connection:
        return set(connection.scalars(query, {"tenant": tenant.principal.tenant_id}))


def test_each_of_our_processes_is_restarted_under_load_and_nobody_notices(
    own_stack: Stack, own_engine: Engine, own_tenant: Tenant, complaints: list[str]
) -> None:
    with Writers(own_stack.settings.gateway_bind, own_tenant) as writers:
        for name in ("gateway", "worker", "beat", "flower", "gateway", "worker"):
            writers.let_write(BETWEEN)
            own_stack.restart(name)
        writers.let_write(BETWEEN)

    assert (writers.errors, writers.refusals) == ([], [])
    assert [said for said in complaints if "did not end" in said] == []
    assert Counter(status for _, status in writers.answers).keys() == {201}
    assert names(own_engine, own_tenant) == {name for name, _ in writers.answers}


def test_servers_are_restarted_under_load_and_what_is_refused_was_not_applied(
    own_stack: Stack, own_engine: Engine, own_tenant: Tenant
) -> None:
    with Writers(own_stack.settings.gateway_bind, own_tenant) as writers:
        for name in ("valkey", "postgres", "valkey", "postgres"):
            writers.let_write(BETWEEN)
            own_stack.restart(name)
        writers.let_write(BETWEEN)

    own_engine.dispose()
    assert writers.errors == []
    assert Counter(status for _, status in writers.answers).keys() <= {201, 503}
    assert names(own_engine, own_tenant) == {name for name, status in writers.answers if status == 201}


def test_whatever_is_killed_comes_back(own_stack: Stack, own_engine: Engine, own_tenant: Tenant) -> None:
    """A killed gateway takes its requests with it; connections that come meanwhile wait for the next one."""
    before = {name: own_stack.child(name).pid for name in PARTS}
    for name in PARTS:
        own_stack.child(name).signal(signal.SIGKILL)

    def is_back(name: str) -> bool:
        own_stack.tend()
        return own_stack.child(name).pid != before[name] and not own_stack.child(name).has_exited()

    for name in before:
        assert children.until(partial(is_back, name), 120), name
    assert children.until(partial(_is_ready, own_stack), 120), "a database that was killed recovers first"
    with Client(own_stack.settings.public_url, own_tenant) as client:
        created = client.create_user()
        assert client.get(f"/Users/{created['id']}").json() == created


def test_a_request_that_is_coming_in_is_answered_by_a_gateway_that_leaves(own_stack: Stack, own_tenant: Tenant) -> None:
    half, rest = _request(own_tenant)
    with _connected(own_stack) as coming, _connected(own_stack) as idle, _connected(own_stack) as kept:
        coming.sendall(half)
        leaving = own_stack.child("gateway")
        assert b"keep-alive" in _asked(kept).lower()

        leaving.signal(signal.SIGTERM)
        for _ in range(BOUND):
            if b"connection: close" in _asked(kept).lower():
                break
        ended = idle.recv(100)
        coming.sendall(rest)
        answer = _everything(coming)

    assert ended == b""
    assert answer.startswith(b"HTTP/1.1 201 ")
    assert b"connection: close" in answer.lower()
    assert children.until(leaving.has_exited, 60)
    assert leaving.reap() == 0


def test_a_gateway_that_reloads_answers_with_its_old_process_until_the_new_one_is_at_work(own_stack: Stack) -> None:
    first = psutil.Process(own_stack.child("gateway").pid)
    [old] = first.children()

    first.send_signal(signal.SIGHUP)
    assert children.until(lambda: len(first.children()) == 2, 60)
    [new] = set(first.children()) - {old}
    new.suspend()
    meanwhile = [_asked_once(own_stack) for _ in range(BETWEEN)]
    new.resume()

    assert children.until(lambda: first.children() == [new], 60)
    assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in [*meanwhile, _asked_once(own_stack)])


def test_gateways_behind_an_edge_are_restarted_one_after_the_other_and_nobody_notices(
    own_stack: Stack, own_engine: Engine, own_tenant: Tenant, complaints: list[str]
) -> None:
    second, front = ports.choose({"a": "127.0.0.1:0", "b": "127.0.0.1:0"}).values()
    passing = ("edge", "--listen", front, "--to", own_stack.settings.gateway_bind, "--to", second)
    with _program(own_stack, "edge", second, *passing):
        _await_connection(front)
        with Writers(front, own_tenant) as writers:
            for _ in range(2):
                with _program(own_stack, "gateway", second, "gateway"):
                    _await_answer(second)
                    writers.let_write(BETWEEN)
                    own_stack.restart("gateway")
                    writers.let_write(BETWEEN)

    assert (writers.errors, writers.refusals) == ([], []), complaints
    assert Counter(status for _, status in writers.answers).keys() == {201}
    assert names(own_engine, own_tenant) == {name for name, _ in writers.answers}


def test_a_request_waits_at_the_edge_for_a_gateway(own_stack: Stack, own_tenant: Tenant) -> None:
    second, front = ports.choose({"a": "127.0.0.1:0", "b": "127.0.0.1:0"}).values()
    answers: list[int] = []

    def ask() -> None:
        with Client(f"http://{front}", own_tenant) as client:
            answers.append(client.post("/Users", json=person()).status_code)

    with _program(own_stack, "edge", second, "edge", "--listen", front, "--to", second):
        _await_connection(front)
        asking = threading.Thread(target=ask)
        asking.start()
        with _program(own_stack, "gateway", second, "gateway"):
            asking.join()

    assert answers == [201]


def test_a_worker_that_leaves_finishes_its_task_and_hands_back_the_others(
    own_stack: Stack, own_engine: Engine, own_tenant: Tenant
) -> None:
    """Two shards are held, so both processes of the worker are busy; the other wakes are nobody's when it leaves."""
    redis, celery = queue.redis_client(own_stack.settings), queue.create(own_stack.settings)
    own_stack.child("beat").signal(signal.SIGSTOP)
    with own_engine.connect() as connection:
        connection.execute(text("SET idle_in_transaction_session_timeout = 0"))
        for shard in range(2):
            connection.execute(
                text("SELECT pg_advisory_lock(:space, :shard)"), {"space": runs.LOCK_SPACE, "shard": shard}
            )
        connection.commit()
        for shard in range(8):
            celery.send_task(queue.DRAIN, args=[shard], ignore_result=True)
        leaving = own_stack.child("worker")
        assert children.until(lambda: _waiting_for_locks(own_engine) == 2, 60)

        leaving.signal(signal.SIGTERM)
        leaving.signal(signal.SIGTERM)  # A second one changes nothing.
        connection.execute(text("SELECT pg_advisory_unlock_all()"))
        connection.commit()
        assert children.until(leaving.has_exited, 60)

    assert leaving.reap() == 0
    assert redis.hlen("unacked") == 0
    left = redis.llen(queue.QUEUE)
    assert isinstance(left, int)
    assert left > 0
    own_stack.restart("worker")
    assert children.until(lambda: redis.llen(queue.QUEUE) == 0, 120)
    own_stack.child("beat").signal(signal.SIGCONT)


def _waiting_for_locks(engine: Engine) -> int:
    query = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    with database.transaction(engine) as connection:
        return int(connection.scalar(query) or 0)


@contextmanager
def _program(stack: Stack, name: str, bind: str, *arguments: str) -> Iterator[Child]:
    """Run one more program of Muster beside a stack, and stop it as an operator would."""
    environ = conftest.environment() | settings.environment(replace(stack.settings, gateway_bind=bind))
    program = Program(name=name, argv=(sys.executable, "-m", "services.cli", *arguments), environment=environ)
    child = Child(program, children.quiet)
    try:
        yield child
    finally:
        children.stop([child], 60, children.quiet)


def _is_ready(stack: Stack) -> bool:
    with _connected(stack) as connection:
        connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: portal\r\nConnection: close\r\n\r\n")
        return _everything(connection).startswith(b"HTTP/1.1 200")


@contextmanager
def _connected(stack: Stack) -> Iterator[socket.socket]:
    with socket.create_connection(ports.split(stack.settings.gateway_bind), timeout=60) as connection:
        yield connection


def _request(tenant: Tenant) -> tuple[bytes, bytes]:
    """Return a request in two halves."""
    body = orjson.dumps(person())
    head = (
        "POST /rest/scim/v2/Users HTTP/1.1\r\nHost: x\r\nContent-Type: application/scim+json\r\n"
        f"Authorization: Bearer {tenant.secret}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode(), body


def _asked(connection: socket.socket) -> bytes:
    """Return the head of the answer to a small request."""
    connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    received = b""
    while b"\r\n\r\n" not in received or not received.endswith(b"}"):
        received += connection.recv(10_000)
    return received.partition(b"\r\n\r\n")[0]


def _asked_once(stack: Stack) -> bytes:
    """Return the head of the answer over a connection of its own, some time after the one before."""
    time.sleep(0.05)
    with _connected(stack) as connection:
        return _asked(connection)


def _everything(connection: socket.socket) -> bytes:
    received = b""
    while chunk := connection.recv(10_000):
        received += chunk
    return received


def _answers(address: str) -> bool:
    try:
        with socket.create_connection(ports.split(address), timeout=60) as connection:
            return _asked(connection).startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False


def _await_answer(address: str) -> None:
    assert children.until(lambda: _answers(address), 120)


def _await_connection(address: str) -> None:
    def takes_connections() -> bool:
        with suppress(OSError), socket.create_connection(ports.split(address), timeout=60):
            return True
        return False

    assert children.until(takes_connections, 120)
