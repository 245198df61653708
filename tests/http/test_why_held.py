"""Why a write has no effect although it was accepted: held, tried again, given up, discarded, cancelled, throttled."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from services.directory import database, dead
from services.directory.why import Answer
from services.stack.supervisor import Stack
from tests import conftest, poison, stacks, why
from tests.factories import Client, patch, person, replace
from tests.shards import held

ASYNC = {"Prefer": "respond-async"}
PASSES = "RAISE EXCEPTION 'a deadlock' USING ERRCODE = '40P01'"
MOST = 20_000


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack in which whatever fails once is given up, and nobody waits for long."""
    environ = conftest.environment() | {
        "MUSTER_MAX_STARTS": "1",
        "MUSTER_DEADLINE_SECONDS": "2",
        "MUSTER_SWEEP_SECONDS": "1",
        "MUSTER_SHARDS": "1",
    }
    data = tmp_path_factory.mktemp("held")
    with stacks.lean(data, environ) as running:
        yield running


@pytest.fixture
def victim(own_stack: Stack, own_engine: Engine) -> Iterator[Client]:
    """A client of the test's own tenant."""
    with Client(own_stack.settings.public_url, conftest.make_tenant(own_engine)) as http:
        yield http


def test_a_write_that_was_given_up_and_then_discarded(victim: Client, own_engine: Engine) -> None:
    body = person(title=poison.MARK, externalId="poisoned")
    with poison.spread(own_engine, poison.RAISES):
        refused = victim.post("/Users", json=body)

    given_up = why.explained(own_engine, victim.tenant, body["userName"], "dead")
    decided = given_up.events[0].operation_id
    assert decided is not None
    with database.transaction(own_engine) as connection:
        dead.discard(connection, decided, by="tests", why="a test")

    assert refused.status_code == 500
    assert [each.reason.code for each in given_up.events] == ["dead"]
    assert why.explained(own_engine, victim.tenant, "poisoned", "discarded").subjects == []


def test_a_write_that_is_tried_again_and_one_that_waits_behind_it(victim: Client, own_engine: Engine) -> None:
    user = victim.create_user()
    url = f"/Users/{user['id']}"

    def retrying(found: Answer) -> bool:
        return found.reason.code == "retrying"

    with poison.spread(own_engine, PASSES):
        victim.patch(url, json=patch(replace("title", poison.MARK)), headers=ASYNC)
        first = why.until(own_engine, victim.tenant, user["userName"], retrying)
        victim.patch(url, json=patch(replace("nickName", "x")), headers=ASYNC)
        second = why.ask(own_engine, victim.tenant, user["userName"])

    assert first.reason.code == "retrying"
    assert [each.reason.code for each in second.events] == ["held", "retrying", "provisioned"]
    assert second.reason.code == "held"
    assert why.explained(own_engine, victim.tenant, user["userName"], "provisioned").events[0].is_pending is False


def test_a_write_that_nobody_got_to_in_time(victim: Client, own_stack: Stack, own_engine: Engine) -> None:
    body = person()
    with held(own_engine, own_stack.settings.shards):
        refused = victim.post("/Users", json=body)

        assert refused.status_code == 503
        assert why.explained(own_engine, victim.tenant, body["userName"], "cancelled").subjects == []


def test_a_write_that_waits(victim: Client, own_stack: Stack, own_engine: Engine) -> None:
    body = person(externalId="waiting")
    with held(own_engine, own_stack.settings.shards):
        accepted = victim.post("/Users", json=body, headers=ASYNC)

        assert accepted.status_code == 202
        answer = why.explained(own_engine, victim.tenant, "waiting", "waiting")
    assert answer.events[0].is_pending


def test_a_write_that_was_too_many(victim: Client, own_stack: Stack, own_engine: Engine) -> None:
    def send() -> tuple[int, str]:
        body = person()
        return victim.post("/Users", json=body, headers=ASYNC).status_code, body["userName"]

    with held(own_engine, own_stack.settings.shards):
        throttled = next(user for status, user in (send() for _ in range(MOST)) if status == 429)

        answer = why.explained(own_engine, victim.tenant, throttled, "throttled")

    assert answer.subjects == []
    assert answer.decisive is not None
    assert answer.decisive.status == 429
