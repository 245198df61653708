"""The ladder: who waits for an outcome gets it, or is told that the write was never applied, whoever is missing."""

import os
import signal
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, select, text

from services.directory import database, drain, journal, tables
from services.stack import state, supervisor
from services.stack.supervisor import Stack
from tests import conftest
from tests.factories import Client, Tenant, bulk, bulk_post, patch, person, replace, role

DEADLINE_SECONDS = 3


@pytest.fixture
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that a test may damage."""
    environ = conftest.environment() | {
        "MUSTER_DEADLINE_SECONDS": str(DEADLINE_SECONDS),
        "MUSTER_SWEEP_SECONDS": "3600",
    }
    with supervisor.running(tmp_path_factory.mktemp("own"), gateway_port=0, flower_port=0, environ=environ) as running:
        yield running


@pytest.fixture
def own_engine(own_stack: Stack) -> Iterator[Engine]:
    pool = database.connect(own_stack.settings.database_url, process="test")
    yield pool
    pool.dispose()


@pytest.fixture
def own_tenant(own_engine: Engine) -> Tenant:
    return conftest.make_tenant(own_engine)


@pytest.fixture
def own_client(own_stack: Stack, own_tenant: Tenant) -> Iterator[Client]:
    with Client(own_stack.settings.public_url, own_tenant) as http:
        yield http


def kill(stack: Stack, name: str, number: int) -> None:
    """Send a signal to one process of a stack, by the id that the stack wrote down."""
    found = state.read(stack.data)
    assert found is not None
    os.kill(found.children[name].pid, number)


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

    people = [bulk_post(f"u{n}", "/Users", person()) for n in range(30)]
    team = bulk_post("team", "/Groups", role(members=[{"value": f"bulkId:u{n}"} for n in range(30)]))
    answer = own_client.post("/Bulk", json=bulk(team, *people))

    results = answer.json()["Operations"]
    assert {result["status"] for result in results} == {"201"}
    assert len(own_client.get(results[0]["location"]).json()["members"]) == 30


def test_a_503_was_never_applied_and_never_will_be(own_client: Client, own_engine: Engine) -> None:
    """A shard that somebody holds is not drained; at the deadline its operation is cancelled."""
    shards = range(100)
    with own_engine.connect() as connection:
        connection.execute(text("SET idle_in_transaction_session_timeout = 0"))
        for shard in shards:
            connection.execute(
                text("SELECT pg_advisory_lock(:space, :shard)"), {"space": drain.LOCK_SPACE, "shard": shard}
            )
        connection.commit()

        key = {"Idempotency-Key": '"never"'}
        refused = own_client.post("/Users", json=person(userName="never@example.com"), headers=key)
        connection.execute(text("SELECT pg_advisory_unlock_all()"))

    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) > 0
    accepted = own_client.post("/Users", json=person(userName="never@example.com"), headers=key)
    assert accepted.status_code == 201
    with database.transaction(own_engine) as connection:
        states = list(connection.scalars(select(tables.operation.c.state).order_by(tables.operation.c.id)))
    assert states == [journal.State.CANCELLED, journal.State.SETTLED]


def test_what_a_bulk_does_not_settle_by_the_deadline_is_never_applied(own_client: Client, own_engine: Engine) -> None:
    with own_engine.connect() as connection:
        connection.execute(text("SET idle_in_transaction_session_timeout = 0"))
        for shard in range(100):
            connection.execute(
                text("SELECT pg_advisory_lock(:space, :shard)"), {"space": drain.LOCK_SPACE, "shard": shard}
            )
        connection.commit()

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
        connection.execute(text("SELECT pg_advisory_unlock_all()"))

    statuses = [result["status"] for result in answer.json()["Operations"]]
    assert (answer.status_code, statuses) == (200, ["503", "503", "503", "503", "400"])
    own_client.create_user()
    assert own_client.get("/Users").json()["totalResults"] == 1
    assert own_client.get("/Groups").json()["totalResults"] == 0
    with database.transaction(own_engine) as connection:
        of_creates = select(tables.operation.c.state).where(tables.operation.c.method == "POST")
        states = list(connection.scalars(of_creates.order_by(tables.operation.c.id)))
    assert states == [journal.State.CANCELLED] * 2 + [journal.State.SETTLED]
