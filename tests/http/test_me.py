"""/Me is the User whom the token is bound to, and nothing for other tokens (RFC 7644 section 3.11)."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from services.directory import database, tokens
from shared.settings import Settings
from tests.factories import Client, Tenant, patch, person, replace


@pytest.fixture
def user(client: Client) -> dict[str, Any]:
    """The User whom the token is bound to."""
    return client.create_user(title="Clerk")


@pytest.fixture
def bound(stack: Settings, stack_engine: Engine, client: Client, user: dict[str, Any]) -> Iterator[Client]:
    """A client whose token is bound to the user."""
    with database.transaction(stack_engine) as connection:
        secret = tokens.create(connection, client.tenant.principal.tenant_id, "me", UUID(user["id"]))
        principal = tokens.authenticate(connection, secret)
    assert principal is not None
    with Client(stack.public_url, Tenant(principal=principal, secret=secret)) as http:
        yield http


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_token_that_is_bound_to_nobody_has_no_me(client: Client, method: str) -> None:
    assert client.request(method, "/Me", json={}).status_code == 501


def test_me_is_read_under_its_permanent_location(bound: Client, user: dict[str, Any]) -> None:
    response = bound.get("/Me")

    assert response.json() == user
    assert response.headers["Location"] == user["meta"]["location"]
    assert response.headers["ETag"] == user["meta"]["version"]


def test_me_is_projected_and_compared_as_a_user_is(bound: Client, user: dict[str, Any]) -> None:
    short = bound.get("/Me", params={"attributes": "title"})
    same = bound.get("/Me", params={"attributes": "title"}, headers={"If-None-Match": user["meta"]["version"]})

    assert set(short.json()) == {"schemas", "id", "title"}
    assert (same.status_code, same.headers["Location"]) == (304, user["meta"]["location"])


def test_me_is_changed(bound: Client, user: dict[str, Any]) -> None:
    changed = bound.patch("/Me", json=patch(replace("title", "Head")))
    replaced = bound.put("/Me", json=person(userName=user["userName"], title="Chief"))

    assert (changed.status_code, changed.json()["title"]) == (200, "Head")
    assert (replaced.status_code, replaced.json()["title"]) == (200, "Chief")
    assert changed.headers["Location"] == replaced.headers["Location"] == user["meta"]["location"]
    assert bound.get(f"/Users/{user['id']}").json() == replaced.json()


def test_me_is_not_changed_at_another_version(bound: Client, user: dict[str, Any]) -> None:
    response = bound.patch("/Me", json=patch(replace("title", "Head")), headers={"If-Match": 'W/"7"'})

    assert response.status_code == 412
    assert bound.get("/Me").json() == user


def test_me_is_changed_asynchronously_too(bound: Client) -> None:
    response = bound.patch("/Me", json=patch(replace("title", "Head")), headers={"Prefer": "respond-async"})

    assert response.status_code == 202
    assert response.headers["Location"].endswith(response.headers["Set-Txn"])


def test_a_deleted_me_is_gone(bound: Client, user: dict[str, Any]) -> None:
    deleted = bound.delete("/Me")

    assert (deleted.status_code, deleted.content) == (204, b"")
    assert deleted.headers["Location"] == user["meta"]["location"]
    assert bound.get("/Me").status_code == 404
    assert bound.patch("/Me", json=patch(replace("title", "Head"))).status_code == 404
    assert bound.delete("/Me").status_code == 404


def test_nobody_is_created_at_me(bound: Client) -> None:
    response = bound.post("/Me", json=person())

    assert response.status_code == 405
    assert response.headers["Allow"] == "DELETE, GET, PATCH, PUT"
