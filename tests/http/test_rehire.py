"""A POST for somebody who left takes them back; one for somebody who is there is refused."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared.scim import versions
from tests.factories import Client, patch, person, replace

NAMES = {"userName": "ada@example.com", "externalId": "00u1"}


@pytest.fixture
def leaver(client: Client) -> dict[str, Any]:
    """A disabled user in a group."""
    user = client.create_user(**NAMES, title="Clerk", nickName="Addie")
    client.create_group(members=[{"value": user["id"]}])
    disabled: dict[str, Any] = client.patch(f"/Users/{user['id']}", json=patch(replace("active", value=False))).json()
    return disabled


@pytest.mark.parametrize("attributes", [{}, {"active": True}, {"userName": "ADA@example.com"}])
def test_a_leaver_is_taken_back_and_replaced(client: Client, leaver: dict[str, Any], attributes: Any) -> None:
    response = client.post("/Users", json=person(**NAMES, title="Head") | attributes)

    back = response.json()
    assert response.status_code == 201
    assert response.headers["Location"] == back["meta"]["location"] == leaver["meta"]["location"]
    assert (back["id"], back["active"], back["title"]) == (leaver["id"], True, "Head")
    assert versions.number(back["meta"]["version"]) == versions.number(leaver["meta"]["version"]) + 1
    assert "nickName" not in back
    assert back["groups"] == leaver["groups"]
    assert client.get(f"/Users/{leaver['id']}").json() == back
    assert client.get("/Users").json()["totalResults"] == 1


@pytest.mark.parametrize(
    "attributes", [{"externalId": "00u2"}, {"externalId": "00U1"}, {"externalId": None}], ids=["other", "case", "none"]
)
def test_a_leaver_with_another_external_id_is_not_meant(
    client: Client, leaver: dict[str, Any], attributes: dict[str, Any]
) -> None:
    response = client.post("/Users", json=person(**NAMES) | attributes)

    assert (response.status_code, response.json()["scimType"]) == (409, "uniqueness")
    assert client.get(f"/Users/{leaver['id']}").json() == leaver


def test_who_is_active_is_not_replaced(client: Client) -> None:
    created = client.create_user(**NAMES)

    response = client.post("/Users", json=person(**NAMES, title="Head"))

    assert (response.status_code, response.json()["scimType"]) == (409, "uniqueness")
    assert client.get(f"/Users/{created['id']}").json() == created


def test_a_leaver_of_another_tenant_is_not_touched(client: Client, stranger: Client, leaver: dict[str, Any]) -> None:
    created = stranger.create_user(**NAMES)

    assert created["id"] != leaver["id"]
    assert client.get(f"/Users/{leaver['id']}").json() == leaver


def test_a_leaver_is_taken_back_once(client: Client, leaver: dict[str, Any]) -> None:
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda n: client.post("/Users", json=person(**NAMES, title=str(n))), range(5)))

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    [taken] = [answer.json() for answer in answers if answer.status_code == 201]
    assert client.get(f"/Users/{leaver['id']}").json() == taken


@pytest.mark.parametrize("is_active", [True, False])
@pytest.mark.parametrize(
    "operation", [{"op": "replace", "path": "active", "value": ""}, {"op": "replace", "value": {"active": None}}]
)
def test_no_value_neither_enables_nor_disables(client: Client, operation: dict[str, Any], *, is_active: bool) -> None:
    created = client.create_user(active=is_active)

    patched = client.patch(f"/Users/{created['id']}", json=patch(operation))
    put = client.put(f"/Users/{created['id']}", json=person(userName=created["userName"], active=None))

    assert (patched.json()["active"], put.json()["active"]) == (is_active, is_active)


@pytest.mark.parametrize("is_active", [True, False])
@pytest.mark.parametrize(
    "attributes",
    [
        {"userName": "eve@example.com", "emails": [{"value": "ada@example.com", "type": "work", "primary": True}]},
        {"userName": "ada.l@example.com", "emails": [{"value": "ada@example.com"}]},
        {"userName": "new@example.com", "externalId": "00u1", "emails": [{"value": "ada@example.com"}]},
        {"userName": "ada@example.com.", "externalId": "00u1"},
    ],
    ids=["another name", "a name like it", "the same externalId", "nearly the name"],
)
def test_nobody_is_taken_over_by_an_e_mail_address(
    client: Client, attributes: dict[str, Any], *, is_active: bool
) -> None:
    """Accounts were stolen elsewhere by an address that somebody else could claim: here it means nobody."""
    known = client.create_user(
        **NAMES, active=is_active, title="Clerk", emails=[{"value": "ada@example.com", "type": "work"}]
    )

    response = client.post("/Users", json=person(**attributes, title="Thief"))

    assert response.status_code == 201
    assert response.json()["id"] != known["id"]
    assert client.get(f"/Users/{known['id']}").json() == known
    assert client.get("/Users").json()["totalResults"] == 2
