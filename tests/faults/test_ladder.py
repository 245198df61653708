"""The ladder: who waits for an outcome gets it, or is told that the write was never applied, whoever is missing."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psutil
import pytest
from sqlalchemy import Engine, TextClause, func, select, text

from services.directory import database, journal, tables
from services.stack import state
from services.stack.supervisor import Stack
from tests import conftest, stacks
from tests.factories import Client, Tenant, bulk, bulk_post, patch, person, replace, role
from tests.shards import held

DEADLINE_SECONDS = 6
SHARDS = 100
"""More than there are."""


@pytest.fixture
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that a test may damage."""
    environ = conftest.environment() | {
        "MUSTER_DEADLINE_SECONDS": str(DEADLINE_SECONDS),
        "MUSTER_SWEEP_SECONDS": "3600",
    }
    with stacks.lean(tmp_path_factory.mktemp("own"), environ) as running:
        yield running


@pytest.fixture
def own_client(own_stack: Stack, own_tenant: Tenant) -> Iterator[Client]:
    with Client(own_stack.settings.public_url, own_tenant) as http:
        yield http


def kill(stack: Stack, name: str, number: int) -> None:
    """Send a signal to one process of a stack, by the id that the stack wrote down."""
    found = state.read(stack.data)
    assert found is not None
    os.kill(found.children[name].pid, number)


def team_of(number: int) -> dict[str, Any]:
    """Return a bulk request that creates people, and before them their group."""
    people = [bulk_post(f"u{n}", "/Users", person()) for n in range(number)]
    return bulk(bulk_post("team", "/Groups", role(members=[{"value": f"bulkId:u{n}"} for n in range(number)])), *people)


def states_of_all(engine: Engine) -> list[str]:
    with database.transaction(engine) as connection:
        return list(connection.scalars(select(tables.operation.c.state)))


_IS_BLOCKED = text("SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%lane%'")
_IS_QUIET = text("SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'muster-gateway'")


def wait_until(engine: Engine, query: TextClause) -> None:
    """Ask the server until something is so."""
    for _ in range(10_000):
        with database.transaction(engine) as connection:
            if connection.scalar(query):
                return
    raise AssertionError("it never came to that")


def test_writes_succeed_without_a_worker(own_stack: Stack, own_client: Client) -> None:
    kill(own_stack, "worker", signal.SIGKILL)

    created = own_client.create_user()
    changed = own_client.patch(f"/Users/{created['id']}", json=patch(replace("title", "x")))

    assert changed.status_code == 200
    assert own_client.get(f"/Users/{created['id']}").json() == changed.json()


def test_an_asynchronous_write_is_applied_without_a_worker_once_its_client_asks(
    own_stack: Stack, own_client: Client
) -> None:
    kill(own_stack, "worker", signal.SIGKILL)

    accepted = own_client.post("/Users", json=person(), headers={"Prefer": "respond-async"})
    answers = [accepted]
    while answers[-1].status_code == 202 and len(answers) < 10_000:
        answers.append(own_client.get(accepted.headers["Location"]))

    assert answers[-1].status_code == 200
    assert own_client.get("/Users").json()["totalResults"] == 1


def test_an_asynchronous_bulk_is_applied_without_a_worker_once_its_client_asks(
    own_stack: Stack, own_client: Client
) -> None:
    kill(own_stack, "worker", signal.SIGKILL)

    accepted = own_client.post("/Bulk", json=team_of(30), headers={"Prefer": "respond-async"})
    answers = [accepted]
    while answers[-1].status_code == 202 and len(answers) < 10_000:
        answers.append(own_client.get(accepted.headers["Location"]))

    assert answers[-1].status_code == 200
    assert len(answers[-1].json()["sets"]) == 31
    [group] = own_client.get("/Groups").json()["Resources"]
    assert len(group["members"]) == 30


@pytest.mark.parametrize("others", [(), ("valkey",)], ids=["without a worker", "without a broker too"])
def test_an_asynchronous_bulk_that_is_waited_for_ends_without_a_worker(
    own_stack: Stack, own_client: Client, others: tuple[str, ...]
) -> None:
    for name in ("worker", *others):
        kill(own_stack, name, signal.SIGKILL)

    accepted = own_client.post("/Bulk", json=team_of(30), headers={"Prefer": "respond-async, wait=1"})
    answer = own_client.get(accepted.headers["Location"]) if accepted.status_code == 202 else accepted
    while answer.status_code == 202:
        answer = own_client.get(accepted.headers["Location"])

    assert answer.status_code == 200
    assert own_client.get("/Users").json()["totalResults"] == 30


def test_an_accepted_bulk_outlives_its_gateway(own_stack: Stack, own_client: Client, own_engine: Engine) -> None:
    accepted = own_client.post("/Bulk", json=team_of(30), headers={"Prefer": "respond-async"})
    kill(own_stack, "gateway", signal.SIGKILL)

    states = states_of_all(own_engine)
    while journal.State.PENDING in states:
        states = states_of_all(own_engine)

    assert accepted.status_code == 202
    assert states == [journal.State.SETTLED] * 31
    with database.transaction(own_engine) as connection:
        assert connection.scalar(select(func.count()).select_from(tables.membership)) == 30


def test_a_bulk_whose_gateway_dies_while_it_is_accepted_is_wholly_absent(
    own_stack: Stack, own_client: Client, own_tenant: Tenant, own_engine: Engine
) -> None:
    """Somebody holds a lane, so the request stops after its POSTs, in the middle of its transaction."""
    user = own_client.create_user()
    last = {"method": "PATCH", "path": f"/Users/{user['id']}", "data": patch(replace("title", "x"))}
    request = team_of(3)
    request["Operations"].append(last)

    def send() -> None:
        with Client(own_stack.settings.public_url, own_tenant) as http, pytest.raises(httpx.TransportError):
            http.post("/Bulk", json=request, headers={"Prefer": "respond-async"})

    with own_engine.connect() as holder, ThreadPoolExecutor(1) as pool:
        holder.execute(text("SET idle_in_transaction_session_timeout = 0"))
        holder.execute(select(tables.lane).where(tables.lane.c.id == user["id"]).with_for_update())
        sent = pool.submit(send)
        wait_until(own_engine, _IS_BLOCKED)
        kill(own_stack, "gateway", signal.SIGKILL)
        sent.result()
        holder.rollback()
    wait_until(own_engine, _IS_QUIET)

    assert states_of_all(own_engine) == [journal.State.SETTLED]
    with database.transaction(own_engine) as connection:
        assert connection.scalar(select(func.count()).select_from(tables.lane)) == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_writes_succeed_without_a_broker(own_stack: Stack, own_client: Client, number: signal.Signals) -> None:
    before = own_client.create_user()
    kill(own_stack, "valkey", number)

    created = own_client.create_user()
    changed = own_client.patch(f"/Users/{before['id']}", json=patch(replace("title", "x")))

    assert changed.status_code == 200
    assert own_client.get(f"/Users/{created['id']}").json() == created
    if number == signal.SIGSTOP:
        kill(own_stack, "valkey", signal.SIGCONT)


def test_a_bulk_succeeds_without_worker_and_broker(own_stack: Stack, own_client: Client) -> None:
    kill(own_stack, "worker", signal.SIGKILL)
    kill(own_stack, "valkey", signal.SIGKILL)

    answer = own_client.post("/Bulk", json=team_of(30))

    results = answer.json()["Operations"]
    assert {result["status"] for result in results} == {"201"}
    assert len(own_client.get(results[0]["location"]).json()["members"]) == 30


def test_a_503_was_never_applied_and_never_will_be(own_client: Client, own_engine: Engine) -> None:
    """A shard that somebody holds is not drained; at the deadline its operation is cancelled."""
    with held(own_engine, SHARDS):
        key = {"Idempotency-Key": '"never"'}
        refused = own_client.post("/Users", json=person(userName="never@example.com"), headers=key)

    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) > 0
    accepted = own_client.post("/Users", json=person(userName="never@example.com"), headers=key)
    assert accepted.status_code == 201
    with database.transaction(own_engine) as connection:
        states = list(connection.scalars(select(tables.operation.c.state).order_by(tables.operation.c.id)))
    assert states == [journal.State.CANCELLED, journal.State.SETTLED]


def test_a_deadline_begins_when_a_request_arrives_and_not_when_it_is_accepted(
    own_stack: Stack, own_client: Client, own_engine: Engine
) -> None:
    """While the gateway's process is frozen or being replaced, requests wait in the kernel's queue."""
    [gateway] = psutil.Process(own_stack.child("gateway").pid).children()
    with held(own_engine, SHARDS), ThreadPoolExecutor(1) as sending:
        gateway.suspend()
        sent = sending.submit(
            httpx.post, f"{own_client.base_url}Users", headers=own_client.headers, json=person(), timeout=60
        )
        time.sleep(DEADLINE_SECONDS)
        gateway.resume()
        thawed = time.monotonic()
        refused = sent.result()
        seconds = time.monotonic() - thawed

    assert refused.status_code == 503
    assert seconds < DEADLINE_SECONDS


def test_what_a_bulk_does_not_settle_by_the_deadline_is_never_applied(own_client: Client, own_engine: Engine) -> None:
    with held(own_engine, SHARDS):
        answer = own_client.post(
            "/Bulk",
            json=bulk(
                bulk_post("late", "/Users", person()),
                bulk_post("dependent", "/Groups", role(members=[{"value": "bulkId:late"}])),
                bulk_post("a", "/Groups", role(members=[{"value": "bulkId:b"}])),
                bulk_post("b", "/Groups", role(members=[{"value": "bulkId:a"}])),
                bulk_post("refused", "/Users", person(active="perhaps")),
            ),
        )

    statuses = [result["status"] for result in answer.json()["Operations"]]
    assert (answer.status_code, statuses) == (200, ["503", "503", "503", "503", "400"])
    own_client.create_user()
    assert own_client.get("/Users").json()["totalResults"] == 1
    assert own_client.get("/Groups").json()["totalResults"] == 0
    with database.transaction(own_engine) as connection:
        of_creates = select(tables.operation.c.state).where(tables.operation.c.method == "POST")
        states = list(connection.scalars(of_creates.order_by(tables.operation.c.id)))
    assert states == [journal.State.CANCELLED] * 2 + [journal.State.SETTLED]
