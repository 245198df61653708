"""Lost replies: a write whose answer never reached its client is sent again, and answered as it was the first time."""

import http.client
import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import orjson
import psutil
import pytest
from sqlalchemy import Engine, Row, text

from services.directory import database
from services.stack import children, state
from services.stack.supervisor import Stack
from tests import conftest, stacks
from tests.factories import Client, Tenant, patch, person, replace, role
from tests.shards import held

SECONDS = 60.0
PROCESSES = 2
LEAVE, RETURN = patch(replace("active", value=False)), patch(replace("active", value=True))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with two gateway processes; one that is killed is started again by gunicorn's first process."""
    environ = conftest.environment() | {"MUSTER_SWEEP_SECONDS": "1", "MUSTER_GATEWAY_PROCESSES": str(PROCESSES)}
    with stacks.lean(tmp_path_factory.mktemp("two"), environ) as running:
        yield running


@pytest.fixture(scope="module")
def pool(two: Stack) -> Iterator[Engine]:
    engine = database.connect(two.settings.database_url, process="test")
    yield engine
    engine.dispose()


@pytest.fixture
def scim(two: Stack, pool: Engine) -> Iterator[Client]:
    """A client of a tenant of the test's own."""
    with Client(two.settings.public_url, conftest.make_tenant(pool)) as http_client:
        yield http_client


@dataclass(frozen=True, kw_only=True)
class Gateways:
    """The gateway processes of a stack, and a client that does not hear of its answers."""

    stack: Stack
    engine: Engine
    tenant: Tenant

    def lose(self, method: str, path: str, body: Any = None, *, settled: bool = True, **headers: str) -> Row[Any]:
        """Send a request, and kill its gateway process between commit and reply; return the operation.

        Unless `settled`, it is killed before anybody has applied the operation.
        """
        request_id = str(uuid4())
        with held(self.engine, self.stack.settings.shards):
            connection = self.send(method, path, body, request_id, headers)
            accepted = self.operation(request_id)
            gateway = self.answering(connection)
            gateway.suspend()
            if not settled:
                _kill(gateway)
        if settled:
            accepted = self.operation(request_id, settled=True)
            _kill(gateway)
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            connection.getresponse()
        return accepted

    def hang_up(self, method: str, path: str, body: Any = None, **headers: str) -> Row[Any]:
        """Send a request, and close the connection before the answer; return the operation once it is settled."""
        request_id = str(uuid4())
        with held(self.engine, self.stack.settings.shards):
            connection = self.send(method, path, body, request_id, headers)
            self.operation(request_id)
            connection.close()
        return self.operation(request_id, settled=True)

    def send(
        self, method: str, path: str, body: Any, request_id: str, headers: dict[str, str]
    ) -> http.client.HTTPConnection:
        """Send a request over a connection of its own, and wait for nothing."""
        connection = http.client.HTTPConnection(urlsplit(self.stack.settings.public_url).netloc, timeout=SECONDS)
        own = {"Authorization": f"Bearer {self.tenant.secret}", "X-Request-ID": request_id}
        content = None if body is None else orjson.dumps(body)
        connection.request(
            method, f"/rest/scim/v2{path}", content, own | {"Content-Type": "application/json"} | headers
        )
        return connection

    def operation(self, request_id: str, *, settled: bool = False) -> Row[Any]:
        """Wait until an operation of a request is in the journal, or has ended; return it."""
        statement = text(
            "SELECT * FROM operation WHERE request_id = :request_id AND (status IS NOT NULL OR NOT :settled)"
        )
        found: list[Row[Any]] = []

        def look() -> bool:
            with database.autocommit(self.engine) as connection:
                found.extend(connection.execute(statement, {"request_id": request_id, "settled": settled}))
            return bool(found)

        assert children.until(look, SECONDS)
        return found[-1]

    def answering(self, connection: http.client.HTTPConnection) -> psutil.Process:
        """Return the process at the other end of a connection."""
        assert isinstance(connection.sock, socket.socket)
        port = connection.sock.getsockname()[1]
        [found] = [
            each
            for each in self.all()
            if any(found.raddr and found.raddr.port == port for found in each.net_connections("tcp"))
        ]
        return found

    def all(self) -> list[psutil.Process]:
        """Return the processes that answer requests."""
        known = state.read(self.stack.data)
        assert known is not None
        return psutil.Process(known.children["gateway"].pid).children()


def _kill(process: psutil.Process) -> None:
    os.kill(process.pid, signal.SIGKILL)
    psutil.wait_procs([process], timeout=SECONDS)


@pytest.fixture
def gateways(two: Stack, pool: Engine, scim: Client) -> Gateways:
    return Gateways(stack=two, engine=pool, tenant=scim.tenant)


def applied(pool: Engine, lane: str) -> int:
    """Return how often a resource was changed, its creation included."""
    with database.autocommit(pool) as connection:
        found: int = connection.scalars(
            text("SELECT count(*) FROM history WHERE resource_id = :lane"), {"lane": lane}
        ).one()
        return found


@pytest.mark.parametrize("lose", ["lose", "hang_up"], ids=["killed gateway", "client gone"])
def test_a_create_whose_reply_was_lost_is_answered_again(
    scim: Client, gateways: Gateways, pool: Engine, lose: str
) -> None:
    body = person(userName="ada@example.com")
    lost = getattr(gateways, lose)("POST", "/Users", body)

    again = scim.post("/Users", json=body)

    assert (again.status_code, again.json()["id"]) == (201, str(lost.lane))
    read = scim.get(f"/Users/{lost.lane}")
    assert read.json() == again.json()
    assert again.headers["Location"] == read.json()["meta"]["location"]
    assert again.headers["ETag"] == read.headers["ETag"]
    assert applied(pool, str(lost.lane)) == 1
    answered = scim.post("/Users", json=body)
    assert (answered.status_code, answered.json()["scimType"]) == (409, "uniqueness")


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("PUT", person(userName="ada@example.com", title="Countess")),
        ("PATCH", patch(replace("title", "Countess"))),
        ("DELETE", None),
    ],
)
def test_other_writes_whose_reply_was_lost_are_answered_again_and_applied_once(
    scim: Client, gateways: Gateways, pool: Engine, method: str, body: Any
) -> None:
    user = scim.create_user(userName="ada@example.com")
    path, tag = f"/Users/{user['id']}", {"If-Match": user["meta"]["version"]}
    lost = gateways.lose(method, path, body, **tag)

    again = scim.request(method, path, json=body, headers=tag)
    late = scim.request(method, path, json=body, headers=tag)

    assert again.status_code == lost.status < 300
    assert late.status_code == (404 if method == "DELETE" else 412)
    assert applied(pool, user["id"]) == 2
    if method != "DELETE":
        assert again.json() == scim.get(path).json()
        assert again.json()["title"] == "Countess"


def test_what_was_not_settled_when_its_gateway_died_is_waited_for(
    scim: Client, gateways: Gateways, pool: Engine
) -> None:
    body, request_id = role(), str(uuid4())
    since = text("SELECT since FROM unanswered WHERE operation_id = :id")
    with ThreadPoolExecutor(1) as threads, held(pool, gateways.stack.settings.shards):
        connection = gateways.send("POST", "/Groups", body, request_id, {})
        lost = gateways.operation(request_id)
        with database.autocommit(pool) as looking:
            before = looking.scalar(since, {"id": lost.id})
        _kill(gateways.answering(connection))
        again = threads.submit(scim.post, "/Groups", json=body)

        def is_taken_over() -> bool:
            with database.autocommit(pool) as looking:
                return bool(looking.scalar(since, {"id": lost.id}) != before)

        assert children.until(is_taken_over, SECONDS)
        assert not again.done()
    connection.close()

    assert (again.result().status_code, again.result().json()["id"]) == (201, str(lost.lane))
    assert scim.get("/Groups").json()["totalResults"] == 1


def test_of_many_who_send_a_lost_write_again_one_is_answered_with_it(scim: Client, gateways: Gateways) -> None:
    body = person()
    lost = gateways.lose("POST", "/Users", body)

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: scim.post("/Users", json=body), range(16)))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 15
    assert [answer.json()["id"] for answer in answers if answer.status_code == 201] == [str(lost.lane)]


def test_of_identical_writes_that_are_all_lost_the_one_that_succeeded_is_answered(
    scim: Client, gateways: Gateways
) -> None:
    body = person()
    request_ids = [str(uuid4()) for _ in range(4)]
    with held(gateways.engine, gateways.stack.settings.shards):
        connections = [gateways.send("POST", "/Users", body, each, {}) for each in request_ids]
        for each in request_ids:
            gateways.operation(each)
        for process in gateways.all():
            _kill(process)
    [done] = [o for o in (gateways.operation(each, settled=True) for each in request_ids) if o.status == 201]

    again = scim.post("/Users", json=body)

    assert (again.status_code, again.json()["id"]) == (201, str(done.lane))
    assert scim.post("/Users", json=body).status_code == 409
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("attempt", range(3))
def test_identical_writes_at_the_same_time_are_not_lost_ones(scim: Client, attempt: int) -> None:
    body = person()

    with ThreadPoolExecutor(32) as threads:
        answers = list(threads.map(lambda _: scim.post("/Users", json=body).status_code, range(32)))

    assert sorted(answers) == [201] + [409] * 31


def test_a_client_that_was_answered_is_refused_though_its_gateway_was_killed_since(
    scim: Client, gateways: Gateways, pool: Engine
) -> None:
    body = person()
    assert scim.post("/Users", json=body).status_code == 201

    def is_noted() -> bool:
        with database.autocommit(pool) as connection:
            statement = text(
                "SELECT count(*) FROM unanswered JOIN operation ON id = operation_id WHERE tenant_id = :tenant"
            )
            return bool(connection.scalar(statement, {"tenant": scim.tenant.principal.tenant_id}) == 0)

    assert children.until(is_noted, SECONDS)
    for process in gateways.all():
        _kill(process)

    assert scim.post("/Users", json=body).status_code == 409


def test_a_lost_write_is_new_when_another_came_after_it(scim: Client, gateways: Gateways) -> None:
    """A leaver who was taken back, and leaves again, leaves."""
    user = scim.create_user()
    path = f"/Users/{user['id']}"
    gateways.lose("PATCH", path, LEAVE)
    assert scim.patch(path, json=RETURN).json()["active"] is True

    again = scim.patch(path, json=LEAVE)

    assert (again.status_code, again.json()["active"]) == (200, False)
    assert scim.get(path).json() == again.json()


def test_a_lost_create_is_new_when_its_resource_was_deleted_since(scim: Client, gateways: Gateways) -> None:
    body = person()
    lost = gateways.lose("POST", "/Users", body)
    assert scim.delete(f"/Users/{lost.lane}").status_code == 204

    again = scim.post("/Users", json=body)

    assert again.status_code == 201
    assert again.json()["id"] != str(lost.lane)
    assert scim.get(f"/Users/{again.json()['id']}").json() == again.json()


def test_a_refusal_that_was_lost_is_looked_at_anew(scim: Client, gateways: Gateways) -> None:
    body = person()
    user = scim.create_user(**body)
    lost = gateways.lose("POST", "/Users", body)
    scim.delete(f"/Users/{user['id']}")

    again = scim.post("/Users", json=body)

    assert (lost.status, again.status_code) == (409, 201)


@pytest.mark.parametrize("sender", ["another token", "another body", "another day"])
def test_only_the_same_write_of_the_same_day_is_recognised(
    scim: Client, gateways: Gateways, pool: Engine, two: Stack, sender: str
) -> None:
    body = person()
    lost = gateways.lose("POST", "/Users", body)
    if sender == "another day":
        with database.transaction(pool) as connection:
            yesterday = text("UPDATE operation SET accepted_at = accepted_at - interval '24 hours' WHERE id = :id")
            connection.execute(yesterday, {"id": lost.id})
        answer = scim.post("/Users", json=body)
    elif sender == "another body":
        answer = scim.post("/Users", json=body | {"title": "Countess"})
    else:
        with Client(two.settings.public_url, conftest.another_token(pool, scim.tenant)) as colleague:
            answer = colleague.post("/Users", json=body)

    assert answer.status_code == 409


def test_a_leaver_who_was_taken_back_by_a_lost_create_is_answered_again(
    scim: Client, gateways: Gateways, pool: Engine
) -> None:
    body = person(externalId="00u1", title="Head")
    leaver = scim.create_user(**body, active=False)
    gateways.hang_up("POST", "/Users", body)
    path = f"/Users/{leaver['id']}"
    assert children.until(lambda: bool(scim.get(path).json()["active"]), SECONDS)

    again = scim.post("/Users", json=body)

    assert again.status_code == 201
    assert again.json() == scim.get(path).json()
    assert applied(pool, leaver["id"]) == 2


def test_a_leaver_is_taken_back_though_the_refusal_of_the_create_was_lost(scim: Client, gateways: Gateways) -> None:
    body = person(externalId="00u1", title="Head")
    leaver = scim.create_user(**body, active=False)
    gateways.lose("POST", "/Users", body)

    again = scim.post("/Users", json=body)

    assert (again.status_code, again.json()["id"], again.json()["active"]) == (201, leaver["id"], True)


def test_an_asynchronous_write_whose_202_was_lost_has_the_same_id(scim: Client, gateways: Gateways) -> None:
    body, wish = person(), {"Prefer": "respond-async, wait=20"}
    lost = gateways.lose("POST", "/Users", body, settled=False, **wish)

    again = scim.post("/Users", json=body, headers={"Prefer": "respond-async"})

    assert again.status_code in {201, 202}
    if again.status_code == 202:
        assert again.headers["Set-Txn"] == str(lost.id)
    else:
        assert again.json()["id"] == str(lost.lane)
    assert scim.get("/Users").json()["totalResults"] == 1


@pytest.mark.parametrize("settled", [True, False])
def test_a_key_is_good_for_its_write_when_the_gateway_died(scim: Client, gateways: Gateways, settled: bool) -> None:
    body, key = person(), {"Idempotency-Key": f'"{uuid4()}"'}
    lost = gateways.lose("POST", "/Users", body, settled=settled, **key)

    answers = [scim.post("/Users", json=body, headers=key) for _ in range(3)]

    assert {(each.status_code, each.json()["id"]) for each in answers} == {(201, str(lost.lane))}
    assert [each.json() for each in answers[1:]] == [answers[0].json()] * 2
