"""Idempotency-Key: for a day a key stands for one write of its token, and for what became of it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from services.directory import database
from services.stack import children
from shared.settings import Settings
from tests import conftest
from tests.factories import Client, patch, person, replace


@pytest.fixture
def key() -> dict[str, str]:
    """The header with a key that nobody has used."""
    return {"Idempotency-Key": f'"{uuid4()}"'}


@pytest.fixture
def colleague(stack: Settings, stack_engine: Engine, client: Client) -> Iterator[Client]:
    """A client of the same tenant, with another token."""
    with Client(stack.public_url, conftest.another_token(stack_engine, client.tenant)) as http:
        yield http


def test_a_create_with_the_same_key_is_answered_as_the_first_time(client: Client, key: dict[str, str]) -> None:
    body = person()

    first, again = (client.post("/Users", json=body, headers=key) for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert (again.headers["Location"], again.headers["ETag"]) == (first.headers["Location"], first.headers["ETag"])
    assert client.get("/Users").json()["totalResults"] == 1


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_so_is_every_other_write_though_others_came_after_it(client: Client, key: dict[str, str], method: str) -> None:
    user = client.create_user()
    path, body = f"/Users/{user['id']}", BODIES[method]
    first = client.request(method, path, json=body, headers=key)
    client.patch(path, json=patch(replace("title", "Later")))

    again = client.request(method, path, json=body, headers=key)

    assert again.status_code == first.status_code < 300
    assert again.text == "" if method == "DELETE" else again.json() == first.json()


BODIES: dict[str, Any] = {
    "PUT": person(title="Countess"),
    "PATCH": patch(replace("title", "Countess")),
    "DELETE": None,
}


def test_a_refusal_is_answered_again_too(client: Client, key: dict[str, str]) -> None:
    body = person()
    user = client.create_user(**body)
    refused = client.post("/Users", json=body, headers=key)
    client.delete(f"/Users/{user['id']}")

    again = client.post("/Users", json=body, headers=key)

    assert (refused.status_code, again.status_code, again.json()["scimType"]) == (409, 409, "uniqueness")


def test_the_answer_is_shown_as_it_is_asked_for_now(client: Client, key: dict[str, str]) -> None:
    body = person(title="Countess")
    client.post("/Users", json=body, headers=key)

    again = client.post("/Users", params={"attributes": "title"}, json=body, headers=key)

    assert again.status_code == 201
    assert again.json()["title"] == "Countess"
    assert "userName" not in again.json()


@pytest.mark.parametrize("change", ["body", "path", "method", "condition", "preference"])
def test_a_key_of_another_request_is_refused(client: Client, key: dict[str, str], change: str) -> None:
    user, other = client.create_user(), client.create_user()
    path, body = f"/Users/{user['id']}", patch(replace("title", "x"))
    client.patch(path, json=body, headers=key)

    match change:
        case "body":
            refused = client.patch(path, json=patch(replace("title", "y")), headers=key)
        case "path":
            refused = client.patch(f"/Users/{other['id']}", json=body, headers=key)
        case "method":
            refused = client.delete(path, headers=key)
        case "condition":
            refused = client.patch(path, json=body, headers=key | {"If-Match": 'W/"1"'})
        case _:
            refused = client.patch(path, json=body, headers=key | {"Prefer": "respond-async"})

    assert (refused.status_code, refused.json()["status"]) == (422, "422")
    assert "Idempotency-Key" in refused.json()["detail"]
    assert client.get(path).json()["title"] == "x"


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_malformed_key_is_refused_and_nothing_applied(client: Client, method: str) -> None:
    user = client.create_user()
    path, body = ("/Users", person()) if method == "POST" else (f"/Users/{user['id']}", None)

    refused = client.request(method, path, json=body, headers={"Idempotency-Key": '"open'})

    assert (refused.status_code, refused.json()["scimType"]) == (400, "invalidValue")
    assert client.get("/Users").json()["totalResults"] == 1


def test_whoever_sends_a_key_at_the_same_time_gets_the_same_answer(client: Client, key: dict[str, str]) -> None:
    body = person()

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: client.post("/Users", json=body, headers=key), range(16)))

    assert {each.status_code for each in answers} == {201}
    assert len({each.json()["id"] for each in answers}) == 1
    assert client.get("/Users").json()["totalResults"] == 1


def test_a_key_is_its_tokens_own(client: Client, colleague: Client, key: dict[str, str]) -> None:
    mine = client.post("/Users", json=person(), headers=key)
    theirs = colleague.post("/Users", json=person(), headers=key)

    assert (mine.status_code, theirs.status_code) == (201, 201)
    assert mine.json()["id"] != theirs.json()["id"]


def test_a_key_is_forgotten_after_a_day(client: Client, stack_engine: Engine, key: dict[str, str]) -> None:
    body = person()
    client.post("/Users", json=body, headers=key)
    with database.transaction(stack_engine) as connection:
        yesterday = text(
            "UPDATE idempotency_key SET claimed_at = claimed_at - interval '24 hours' WHERE token_id = :token"
        )
        connection.execute(yesterday, {"token": client.tenant.principal.token_id})

    again = client.post("/Users", json=body, headers=key)
    other = client.post("/Users", json=person(), headers=key)

    assert (again.status_code, other.status_code) == (409, 422)


def test_a_key_whose_resource_never_existed_is_free(client: Client, key: dict[str, str]) -> None:
    nobody = client.delete(f"/Users/{uuid4()}", headers=key)
    created = client.post("/Users", json=person(), headers=key)

    assert (nobody.status_code, created.status_code) == (404, 201)


def test_a_key_stands_for_the_leaver_who_was_taken_back(client: Client, key: dict[str, str]) -> None:
    body = person(externalId="00u1")
    leaver = client.create_user(**body, active=False)

    first, again = (client.post("/Users", json=body, headers=key) for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["id"] == leaver["id"]
    assert again.json() == first.json()


def test_an_asynchronous_request_with_the_same_key_has_the_same_id(client: Client, key: dict[str, str]) -> None:
    wish, body = key | {"Prefer": "respond-async"}, person()

    first, again = (client.post("/Users", json=body, headers=wish) for _ in range(2))

    assert first.status_code == 202
    if again.status_code == 202:
        assert again.headers["Set-Txn"] == first.headers["Set-Txn"]
    else:
        assert again.status_code == 201
    assert children.until(lambda: client.get("/Users").json()["totalResults"] > 0, 120)
    assert client.get("/Users").json()["totalResults"] == 1
