"""The nastiest things that clients send, 16 to 28: groups and their members.

Each case names where it broke a server; `owner/repository#number` is a thread on GitHub.
"""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.factories import Client, patch, replace, role


@pytest.fixture
def users(client: Client) -> list[str]:
    return [client.create_user()["id"] for _ in range(3)]


@pytest.fixture
def group(client: Client, users: list[str]) -> dict[str, Any]:
    """A group of the first two users."""
    return client.create_group(members=[{"value": i} for i in users[:2]])


def change(client: Client, group: dict[str, Any], *operations: dict[str, Any]) -> httpx.Response:
    return client.patch(f"/Groups/{group['id']}", json=patch(*operations))


def members(client: Client, group: dict[str, Any]) -> set[str]:
    return {member["value"] for member in client.get(f"/Groups/{group['id']}").json().get("members", [])}


@pytest.mark.parametrize("reference", [{}, {"$ref": None}, {"display": None, "type": "User"}])
def test_a_remove_with_values_removes_those_and_no_others(
    client: Client, group: dict[str, Any], users: list[str], reference: dict[str, Any]
) -> None:
    """Case 16. MicrosoftDocs/azure-docs#30826, directory-scimple#436, SCIM-SDK#149, scim-patch#959,
    pingidentity/scim2#174.
    """
    operation = {"op": "Remove", "path": "members", "value": [{"value": users[0], **reference}]}

    assert change(client, group, operation).status_code == 200
    assert members(client, group) == {users[1]}


def test_a_remove_of_nothing_listed_empties_nothing(client: Client, group: dict[str, Any], users: list[str]) -> None:
    """Case 16: the only remove that empties has neither a value nor a filter; an empty list removes nothing."""
    removal = {"op": "Remove", "path": "members"}
    nothing = change(client, group, {**removal, "value": []}, {**removal, "value": ""})
    kept = members(client, group)
    everything = change(client, group, {"op": "Remove", "path": "members"})

    assert (nothing.status_code, kept) == (200, set(users[:2]))
    assert (everything.status_code, members(client, group)) == (200, set())


def test_a_remove_with_a_filter_and_values_removes_who_is_in_both(
    client: Client, group: dict[str, Any], users: list[str]
) -> None:
    """Case 53 for members: a value that contradicts the filter removes nobody."""
    operation = {"op": "remove", "path": f'members[value eq "{users[0]}"]'}

    contradicting = change(client, group, {**operation, "value": [{"value": users[1]}]})
    kept = members(client, group)
    agreeing = change(client, group, {**operation, "value": [{"value": users[0]}]})

    assert (contradicting.status_code, kept) == (200, set(users[:2]))
    assert (agreeing.status_code, members(client, group)) == (200, {users[1]})


def test_nulls_beside_a_member_are_absent(client: Client, group: dict[str, Any], users: list[str]) -> None:
    """Case 17. different-ai/openwork#4691, SCIM-SDK#149, wso2 charon#438."""
    null = {"value": users[2], "$ref": None, "display": None, "type": None}

    changed = change(client, group, {"op": "Add", "path": "members", "value": [null]})

    assert changed.status_code == 200, changed.text
    assert members(client, group) == set(users)
    assert all(None not in member.values() for member in changed.json()["members"])


def test_removing_who_is_not_there_changes_nothing(client: Client, group: dict[str, Any], users: list[str]) -> None:
    """Case 18. Infisical/infisical#6471; RFC 7644 section 3.5.2.2."""
    operations: list[dict[str, Any]] = [
        {"op": "remove", "path": f'members[value eq "{users[2]}"]'},
        {"op": "Remove", "path": "members", "value": [{"value": users[2]}]},
        {"op": "remove", "path": f'members[value eq "{uuid.uuid4()}"]'},
        {"op": "remove", "path": 'members[value eq "nobody"]'},
    ]

    answers = [change(client, group, operation) for operation in operations]

    assert [answer.status_code for answer in answers] == [200] * 4
    assert client.get(f"/Groups/{group['id']}").json() == group


def test_a_member_is_there_once_however_often_it_is_added(
    client: Client, group: dict[str, Any], users: list[str]
) -> None:
    """Case 19. AzureAD/SCIMReferenceCode#10, wso2/product-is#5333."""
    twice = {"op": "Add", "path": "members", "value": [{"value": users[0]}, {"value": users[0]}]}

    changed = change(client, group, twice, twice)

    assert (changed.status_code, changed.json()) == (200, group)


def test_okta_renames_a_group_without_a_path_and_with_its_id(client: Client, group: dict[str, Any]) -> None:
    """Case 20. Metatavu/keycloak-scim-server#113, goauthentik/authentik#23950."""
    value = {"id": group["id"], "displayName": f"{group['displayName']} 2"}

    changed = change(client, group, {"op": "replace", "value": value})

    assert changed.status_code == 200, changed.text
    assert (changed.json()["displayName"], changed.json()["id"]) == (value["displayName"], group["id"])


def test_a_replace_that_lacks_members_keeps_them(client: Client, group: dict[str, Any], users: list[str]) -> None:
    """Case 21. langwatch/langwatch#7131."""
    change(client, group, {"op": "replace", "value": {"externalId": "x"}})
    change(client, group, {"op": "Replace", "path": "displayName", "value": f"{group['displayName']} 3"})

    assert members(client, group) == set(users[:2])


@pytest.mark.parametrize("operation", [replace("members", []), {"op": "replace", "value": {"members": []}}])
def test_replacing_by_an_empty_list_empties(client: Client, group: dict[str, Any], operation: dict[str, Any]) -> None:
    """Case 22. SCIM-SDK#757, jelhub/scimgateway#113."""
    assert change(client, group, operation).status_code == 200
    assert members(client, group) == set()


def test_replacing_by_a_list_leaves_exactly_those(client: Client, group: dict[str, Any], users: list[str]) -> None:
    """Case 22, Okta's full push."""
    pushed = [{"value": i, "display": "someone@example.com"} for i in users[1:]]

    assert change(client, group, replace("members", pushed)).status_code == 200
    assert members(client, group) == set(users[1:])


@pytest.mark.parametrize("agent", ["Okta SCIM Client 1.0.0", "", "anything"])
def test_put_replaces_the_members_whoever_sends_it(
    client: Client, group: dict[str, Any], users: list[str], agent: str
) -> None:
    """Case 23. Metatavu/keycloak-scim-server#111, bitwarden/server#2919, OpenTranscribe#582."""
    body = role(displayName=group["displayName"], members=[{"value": users[2]}])

    client.put(f"/Groups/{group['id']}", json=body, headers={"User-Agent": agent})

    assert members(client, group) == {users[2]}


def test_members_that_come_and_go_at_once_are_all_minded(client: Client) -> None:
    """Case 24. scimmyjs/scimmy#79, fleetdm/fleet#50724, FusionAuth#2869, BerriAI/litellm#17513."""
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: client.create_user()["id"], range(24)))
        group = client.create_group(members=[{"value": i} for i in ids[:12]])

        def move(member: str) -> int:
            op = {"op": "Remove" if member in ids[:12] else "Add", "path": "members", "value": [{"value": member}]}
            return change(client, group, op).status_code

        answers = list(pool.map(move, ids))

    assert set(answers) == {200}
    assert members(client, group) == set(ids[12:])


def test_a_member_that_does_not_exist_is_named_and_nothing_is_changed(
    client: Client, group: dict[str, Any], users: list[str]
) -> None:
    """Case 25. fleetdm/fleet#52600, Metatavu/keycloak-scim-server#107, pulumi/docs#13236."""
    unknown = str(uuid.uuid4())
    value = [{"value": users[2]}, {"value": unknown}]

    for operation in ({"op": "Add", "path": "members", "value": value}, replace("members", value)):
        changed = change(client, group, operation)

        assert (changed.status_code, changed.json()["scimType"]) == (400, "invalidValue")
        assert unknown in changed.json()["detail"]
        assert client.get(f"/Groups/{group['id']}").json() == group


def test_what_a_member_does_not_have_is_ignored(client: Client, group: dict[str, Any], users: list[str]) -> None:
    """Case 26. AzureAD/SCIMReferenceCode#20, imulab/go-scim#60."""
    strange = {"value": users[2], "displayName": "X", "shoeSize": 7}

    changed = change(client, group, {"op": "Add", "path": "members", "value": [strange]})

    assert changed.status_code == 200
    assert members(client, group) == set(users)


@pytest.mark.parametrize("value", [[{}], [{"display": "X"}], [{"value": None}], [{"value": ""}]])
def test_a_member_without_an_id_is_refused(client: Client, group: dict[str, Any], value: Any) -> None:
    """Case 26. SCIM-SDK#747."""
    changed = change(client, group, {"op": "Add", "path": "members", "value": value})

    assert (changed.status_code, changed.json()["scimType"]) == (400, "invalidValue"), changed.text
    assert client.get(f"/Groups/{group['id']}").json() == group


def test_groups_in_a_circle_are_read_to_an_end(client: Client, users: list[str]) -> None:
    """Case 27. SimpleIdServer#850 and #837."""
    inner = client.create_group(members=[{"value": users[0]}])
    outer = client.create_group(members=[{"value": inner["id"]}])

    closed = change(client, inner, {"op": "Add", "path": "members", "value": [{"value": outer["id"]}]})
    itself = change(client, inner, {"op": "Add", "path": "members", "value": [{"value": inner["id"]}]})

    assert (closed.status_code, itself.status_code) == (200, 400)
    assert members(client, inner) == {users[0], outer["id"]}
    assert members(client, outer) == {inner["id"]}
    assert [g["value"] for g in client.get(f"/Users/{users[0]}").json()["groups"]] == [inner["id"]]


def test_no_list_of_members_is_an_empty_one(client: Client) -> None:
    """Case 28. AzureAD/SCIMReferenceCode#58."""
    null = client.post("/Groups", json=role(members=None))
    absent = client.post("/Groups", json=role())

    assert (null.status_code, absent.status_code) == (201, 201)
    assert members(client, null.json()) == members(client, absent.json()) == set()
    assert client.put(f"/Groups/{null.json()['id']}", json=role(members=None)).status_code == 200


# Section 2.1: Entra's legacy schema of groups is no error
def test_a_group_may_list_a_schema_that_nobody_knows(client: Client) -> None:
    legacy = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"

    created = client.create_group(schemas=[*role()["schemas"], legacy])

    assert created["schemas"] == role()["schemas"]
