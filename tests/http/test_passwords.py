"""Passwords over HTTP: hashed before anything is written down, kept for the portal, and shown to nobody."""

from typing import Any
from uuid import uuid4

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import Engine, text

from services.directory import database
from tests.factories import Client, bulk, bulk_post, patch, person, replace
from tests.http.conftest import Journal, settled

FIRST, SECOND = "correct horse battery", "staple hinge lamp"


def kept(engine: Engine, user: dict[str, Any]) -> str | None:
    """Return what the directory keeps of somebody's password."""
    with database.transaction(engine) as connection:
        query = text("SELECT password FROM employee WHERE id = :id")
        found: str | None = connection.scalar(query, {"id": user["id"]})
    return found


def is_kept(engine: Engine, user: dict[str, Any], password: str) -> bool:
    """Whether what is kept is an argon2id hash of this password, by another implementation's reading."""
    found = kept(engine, user)
    if found is None or not found.startswith("$argon2id$"):
        return False
    try:
        return PasswordHasher().verify(found, password)
    except VerifyMismatchError:
        return False


def test_a_password_is_kept_as_a_hash_and_found_nowhere(
    client: Client, stack_engine: Engine, stack_operations: Journal
) -> None:
    created = client.create_user(password=FIRST)
    first = is_kept(stack_engine, created, FIRST)
    changed = client.patch(f"/Users/{created['id']}", json=patch(replace("password", SECOND)))

    assert changed.status_code == 200
    assert first
    assert is_kept(stack_engine, created, SECOND)
    assert FIRST not in stack_operations
    assert SECOND not in stack_operations
    assert "$argon2id$" not in stack_operations.outcomes()


@pytest.mark.parametrize("query", ["", "?attributes=password", "?attributes=userName,password"])
def test_a_password_is_never_returned(client: Client, query: str) -> None:
    created = client.create_user(password=FIRST)
    name = created["userName"]

    answers = [
        client.get(f"/Users/{created['id']}{query}"),
        client.get("/Users", params={"filter": f'userName eq "{name}"'}),
        client.put(f"/Users/{created['id']}{query}", json=person(userName=name, password=SECOND)),
        client.patch(f"/Users/{created['id']}{query}", json=patch(replace("password", FIRST))),
    ]

    assert [answer.status_code for answer in answers] == [200] * 4
    assert [answer.text for answer in answers if "password" in answer.text or "argon2" in answer.text] == []


def test_a_replacement_without_a_password_keeps_it_and_a_removal_removes_it(
    client: Client, stack_engine: Engine
) -> None:
    created = client.create_user(password=FIRST)
    url, body = f"/Users/{created['id']}", person(userName=created["userName"], title="x")

    replaced = client.put(url, json=body)
    after_replacement = is_kept(stack_engine, created, FIRST)
    removed = client.patch(url, json=patch({"op": "remove", "path": "password"}))

    assert (replaced.status_code, removed.status_code) == (200, 200)
    assert after_replacement
    assert kept(stack_engine, created) is None


def test_the_same_replacement_changes_nothing_and_another_password_does(client: Client) -> None:
    created = client.create_user()
    url, body = f"/Users/{created['id']}", person(userName=created["userName"])

    versions = [
        client.put(url, json=body | {"password": password}).json()["meta"]["version"]
        for password in (FIRST, FIRST, SECOND)
    ]

    assert versions == ['W/"2"', 'W/"2"', 'W/"3"']


def test_the_same_password_of_two_people_has_two_hashes(client: Client, stack_engine: Engine) -> None:
    ada, bob = client.create_user(password=FIRST), client.create_user(password=FIRST)
    ada_changed = client.patch(f"/Users/{ada['id']}", json=patch(replace("password", SECOND)))
    bob_changed = client.patch(f"/Users/{bob['id']}", json=patch(replace("password", SECOND)))

    assert (ada_changed.status_code, bob_changed.status_code) == (200, 200)
    assert kept(stack_engine, ada) != kept(stack_engine, bob)


@pytest.mark.parametrize("prefer", [{}, {"Prefer": "respond-async, wait=30"}, {"Prefer": "respond-async"}])
def test_passwords_in_bulk_requests_are_hashed_too(
    client: Client, stack_engine: Engine, stack_operations: Journal, prefer: dict[str, str]
) -> None:
    people = [person(password=f"{FIRST} {number}") for number in range(5)]

    response = client.post("/Bulk", json=bulk(*(bulk_post(p["userName"], "/Users", p) for p in people)), headers=prefer)
    if response.status_code == 202:
        settled(client, response.headers["Location"])

    found = [client.get("/Users", params={"filter": f'userName eq "{p["userName"]}"'}).json() for p in people]
    assert [
        is_kept(stack_engine, one["Resources"][0], p["password"]) for one, p in zip(found, people, strict=True)
    ] == [True] * 5
    assert FIRST not in stack_operations


def test_a_key_stands_for_a_request_with_its_password(client: Client) -> None:
    body, key = person(), {"Idempotency-Key": str(uuid4())}

    first = client.post("/Users", json=body | {"password": FIRST}, headers=key)
    again = client.post("/Users", json=body | {"password": FIRST}, headers=key)
    another = client.post("/Users", json=body | {"password": SECOND}, headers=key)

    assert (first.status_code, again.status_code, another.status_code) == (201, 201, 422)
    assert again.json()["id"] == first.json()["id"]


def test_a_leaver_who_is_taken_back_gets_the_new_password(client: Client, stack_engine: Engine) -> None:
    leaver = client.create_user(externalId="E-1", password=FIRST)
    client.patch(f"/Users/{leaver['id']}", json=patch(replace("active", value=False)))

    again = client.create_user(userName=leaver["userName"], externalId="E-1", password=SECOND)

    assert again["id"] == leaver["id"]
    assert is_kept(stack_engine, leaver, SECOND)
