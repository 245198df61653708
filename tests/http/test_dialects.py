"""Short lives as other clients than Entra ID and Okta live them, with the requests that they are known to send.

The sources stand with each; what is tolerated for whom, and what is not, is in docs/clients.md. Entra ID and Okta have
simulators of their own (test_simulators.py).
"""

from typing import Any

import pytest
from sqlalchemy import Engine

from services.directory import database, tolerance_uses
from services.stack import children
from shared.scim.schemas import enterprise, group, user
from tests.factories import Client, patch, person, role

MOST_SECONDS = 30
DRAFT_CORE = "urn:scim:schemas:core:2.0"
DRAFT_ENTERPRISE = "urn:scim:schemas:extension:enterprise:2.0"


def uses(engine: Engine, client: Client) -> set[str]:
    with database.transaction(engine) as connection:
        return {use.name for use in tolerance_uses.of(connection, client.tenant.principal.tenant_id)}


def are_used(engine: Engine, client: Client, *names: str) -> bool:
    """Whether exactly these tolerances are counted, sooner or later."""
    return children.until(lambda: uses(engine, client) == set(names), MOST_SECONDS)


def change(client: Client, endpoint: str, found: str, *operations: dict[str, Any]) -> dict[str, Any]:
    response = client.patch(f"{endpoint}/{found}", json=patch(*operations))
    assert response.status_code == 200, response.text
    changed: dict[str, Any] = response.json()
    return changed


def members(client: Client, group_id: str) -> set[str]:
    return {member["value"] for member in client.get(f"/Groups/{group_id}").json().get("members", [])}


def test_onelogin_replaces_users_with_the_urns_of_a_draft(client: Client, stack_engine: Engine) -> None:
    """goauthentik/authentik#11249 has its requests; that `emails` may be an object is known from django-scim2."""
    client.headers["User-Agent"] = ""
    body: dict[str, Any] = {
        "schemas": [DRAFT_CORE, DRAFT_ENTERPRISE],
        "userName": "onelogin-test-user01",
        "name": {"familyName": "User 01", "givenName": "AAA Test"},
        "emails": {"value": "aaa@example.com", "type": "work", "primary": True},
        "active": True,
        DRAFT_ENTERPRISE: {"department": "Sales"},
    }

    asked = client.get('/Users?filter=userName+eq+"onelogin-test-user01"&')
    created = client.post("/Users?", json=body)
    found = created.json()["id"]
    left = client.put(f"/Users/{found}?", json={**body, "active": False, DRAFT_ENTERPRISE: {"department": "HR"}})
    gone = client.delete(f"/Users/{found}?")

    assert (asked.status_code, asked.json()["totalResults"], created.status_code) == (200, 0, 201)
    assert created.json()["schemas"] == left.json()["schemas"] == [user.URN, enterprise.URN]
    assert created.json()["emails"] == [body["emails"]]
    assert (left.status_code, left.json()["active"], left.json()[enterprise.URN]) == (200, False, {"department": "HR"})
    assert gone.status_code == 204
    assert are_used(stack_engine, client, "draft-urn", "single-for-multiple")


def test_onelogin_changes_groups_by_patch(client: Client) -> None:
    """goauthentik/authentik#11249: groups are created by POST, and their members are changed by PATCH."""
    one = client.create_user()["id"]
    created = client.post("/Groups?", json={"schemas": [DRAFT_CORE], "displayName": "Sales"})
    path = f"/Groups/{created.json()['id']}?"

    added = client.patch(path, json=patch({"op": "add", "path": "members", "value": [{"value": one}]}))
    removed = client.patch(path, json=patch({"op": "remove", "path": f'members[value eq "{one}"]'}))

    assert (created.status_code, created.json()["schemas"]) == (201, [group.URN])
    assert ([member["value"] for member in added.json()["members"]], removed.status_code) == ([one], 200)
    assert "members" not in removed.json()


def test_jumpcloud_is_activated_with_a_test_user_and_a_test_group(client: Client) -> None:
    """JumpCloud, Custom SCIM Identity Management: both are created, and deleted again; and so at each activation."""
    test_user = person(userName="jumpcloud.test@example.com", name={"givenName": "Test", "familyName": "User"})
    test_group = role(displayName="jumpcloud_test_group")

    for _ in range(2):
        assert client.get("/Users", params={"startIndex": 1, "count": 1}).status_code == 200
        made, formed = client.post("/Users", json=test_user), client.post("/Groups", json=test_group)
        assert (made.status_code, formed.status_code) == (201, 201)
        user_id, group_id = made.json()["id"], formed.json()["id"]
        change(client, "/Groups", group_id, {"op": "add", "path": "members", "value": [{"value": user_id}]})
        change(client, "/Groups", group_id, {"op": "remove", "path": "members", "value": [{"value": user_id}]})
        put = client.put(f"/Users/{user_id}", json={**test_user, "active": False})
        assert (put.status_code, put.json()["active"]) == (200, False)
        assert client.delete(f"/Groups/{group_id}").status_code == 204
        assert client.delete(f"/Users/{user_id}").status_code == 204

    assert client.get(f"/Users/{user_id}").status_code == 404
    assert client.get("/Users").json()["totalResults"] == client.get("/Groups").json()["totalResults"] == 0


def test_jumpcloud_patches_one_attribute_at_a_time_and_members_without_a_filter(
    client: Client, stack_engine: Engine
) -> None:
    """JumpCloud's PATCH, as the tests of a public SCIM library record it: a path each, members by their bare ids."""
    found, other = client.create_user()["id"], client.create_user()["id"]
    team = client.create_group(members=[{"value": other}])["id"]

    changed = change(
        client,
        "/Users",
        found,
        {"op": "replace", "path": "name.givenName", "value": "John"},
        {"op": "replace", "path": "name.familyName", "value": "Doe"},
        {"op": "replace", "path": "active", "value": False},
    )
    change(client, "/Groups", team, {"op": "add", "path": "members", "value": [{"value": found}]})
    both = members(client, team)
    change(client, "/Groups", team, {"op": "remove", "path": "members", "value": [{"value": found}]})

    assert (changed["name"], changed["active"]) == ({"givenName": "John", "familyName": "Doe"}, False)
    assert (both, members(client, team)) == ({found, other}, {other})
    assert are_used(stack_engine, client, "remove-by-value")


@pytest.mark.parametrize("uses_patch", [True, False], ids=["usePatch", "PUT"])
def test_sailpoint_aggregates_then_changes_accounts_and_entitlements(client: Client, uses_patch: bool) -> None:
    """SailPoint's SCIM 2.0 connector: `usePatch` chooses between PATCH and PUT; there is no bulk."""
    created = [client.create_user(active=True) for _ in range(3)]
    team = client.create_group()["id"]
    first = created[0]

    kinds = [client.get(path).json()["totalResults"] for path in ("/Schemas", "/ResourceTypes")]
    pages = [client.get("/Users", params={"startIndex": n, "count": 2}).json() for n in (1, 3)]
    if uses_patch:
        disabled = change(client, "/Users", first["id"], {"op": "replace", "path": "active", "value": False})
    else:
        disabled = client.put(f"/Users/{first['id']}", json={**first, "active": False}).json()
    change(client, "/Groups", team, {"op": "add", "path": "members", "value": [{"value": first["id"]}]})
    entitled = client.get(f"/Users/{first['id']}").json()["groups"]
    change(client, "/Groups", team, {"op": "remove", "path": f'members[value eq "{first["id"]}"]'})

    assert min(kinds) > 0
    assert [u["id"] for page in pages for u in page["Resources"]] == [u["id"] for u in created]
    assert (disabled["active"], [g["value"] for g in entitled]) == (False, [team])
    assert members(client, team) == set()


@pytest.mark.parametrize("op", ["add", "replace", "remove"])
def test_sailpoint_is_told_that_groups_are_not_changed_through_users(client: Client, op: str) -> None:
    """`updateGroupsViaUsers` must stay off: `groups` is readOnly, and to pretend would leave access where it was."""
    found, team = client.create_user()["id"], client.create_group()["id"]
    operation = {"op": op, "path": "groups", "value": [{"value": team}]}

    refused = client.patch(f"/Users/{found}", json=patch(operation))

    assert (refused.status_code, refused.json()["scimType"]) == (400, "mutability")
    assert members(client, team) == set()


def test_google_suspends_without_an_op_and_sends_whole_lists_of_members(client: Client, stack_engine: Engine) -> None:
    """Google Workspace, by a single report: PATCH operations may lack `op`, members come as a whole."""
    found, other = client.create_user(title="Clerk")["id"], client.create_user()["id"]
    team = client.create_group(members=[{"value": other}])["id"]

    probe = client.get("/Users", params={"count": 1})
    suspended = change(client, "/Users", found, {"value": {"active": False, "name": {"givenName": "Ada"}}})
    change(client, "/Groups", team, {"op": "replace", "path": "members", "value": [{"value": found}]})

    assert probe.status_code == 200
    assert (suspended["active"], suspended["name"], suspended["title"]) == (False, {"givenName": "Ada"}, "Clerk")
    assert members(client, team) == {found}
    assert are_used(stack_engine, client, "missing-op")


@pytest.mark.parametrize(
    "operation",
    [
        {"path": "members", "value": []},
        {"path": "members", "value": [{"value": "x"}]},
        {"value": {"displayName": "New", "members": [{"value": "x"}]}},
        {"path": "displayName", "value": "New"},
        {"path": "displayName"},
        {"op": None},
    ],
)
def test_an_op_is_never_guessed_where_members_could_be_lost(client: Client, operation: dict[str, Any]) -> None:
    """Without `op` nobody can tell whether a list is added or replaces what is there."""
    one = client.create_user()["id"]
    team = client.create_group(members=[{"value": one}])

    refused = client.patch(f"/Groups/{team['id']}", json=patch(operation))

    assert (refused.status_code, refused.json()["scimType"]) == (400, "invalidSyntax")
    assert client.get(f"/Groups/{team['id']}").json() == team


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_google_finds_nobody_by_an_email_address_in_the_path(client: Client, method: str) -> None:
    """A name can pass to somebody else, whom a late DELETE would hit then; an id cannot (RFC 7643 section 3.1)."""
    name = "ada@example.com"
    found = client.create_user(userName=name, emails=[{"value": name, "type": "work"}])
    body = {"PUT": person(userName=name, active=False), "PATCH": patch({"op": "replace", "value": {"active": False}})}

    answer = client.request(method, f"/Users/{name}", json=body.get(method))

    assert answer.status_code == 404
    assert client.get(f"/Users/{found['id']}").json() == found


def test_authentik_puts_users_and_patches_groups(client: Client, stack_engine: Engine) -> None:
    """goauthentik/authentik, providers/scim/clients: users by PUT, groups by PATCH where it is supported."""
    is_patch_supported = client.get("/ServiceProviderConfig").json()["patch"]["supported"]
    body = person(
        externalId="uid-1", active=True, emails=[{"value": "a@example.com", "type": "other", "primary": True}]
    )
    found = client.post("/Users", json=body).json()["id"]
    put = client.put(f"/Users/{found}", json={**body, "id": found, "displayName": "Ada"})
    formed = client.post("/Groups", json=role(displayName="authentik Admins", externalId="pk-1")).json()["id"]
    again = client.post("/Groups", json=role(displayName="authentik Admins", externalId="pk-1"))
    matched = client.get("/Groups", params={"filter": 'displayName eq "authentik Admins"'}).json()["Resources"]
    change(client, "/Groups", formed, {"op": "add", "path": "members", "value": [{"value": found}]})
    whole = {"schemas": [group.URN], "id": formed, "externalId": "pk-1", "displayName": "Admins"}
    renamed = change(client, "/Groups", formed, {"op": "replace", "value": whole})
    left = change(client, "/Groups", formed, {"op": "remove", "path": "members", "value": [{"value": found}]})

    assert is_patch_supported
    assert (put.status_code, put.json()["displayName"], put.json()["id"]) == (200, "Ada", found)
    assert (again.status_code, [each["id"] for each in matched]) == (409, [formed])
    assert (renamed["displayName"], [m["value"] for m in renamed["members"]]) == ("Admins", [found])
    assert "members" not in left
    assert are_used(stack_engine, client, "read-only-attribute", "remove-by-value")


def test_authentik_is_told_404_of_what_is_deleted_and_of_nothing_else(client: Client) -> None:
    """goauthentik/authentik#16678: on 404 it forgets its mapping and creates anew."""
    found = client.create_user()
    body = {**person(userName=found["userName"]), "id": found["id"]}

    present = client.put(f"/Users/{found['id']}", json=body)
    client.delete(f"/Users/{found['id']}")
    gone = client.put(f"/Users/{found['id']}", json=body)
    anew = client.post("/Users", json=body)

    assert (present.status_code, gone.status_code, anew.status_code) == (200, 404, 201)
    assert anew.json()["id"] != found["id"]


def test_keycloak_disables_with_a_string_and_without_a_path(client: Client, stack_engine: Engine) -> None:
    """Extensions of Keycloak as clients: Metatavu/keycloak-scim-server#35, scim-for-keycloak#119."""
    found = client.create_user(active="true")

    changed = change(client, "/Users", found["id"], {"op": "replace", "value": {"active": "false"}})
    enabled = change(client, "/Users", found["id"], {"op": "replace", "value": {"active": "true", "attributes": {}}})

    assert (changed["active"], enabled["active"]) == (False, True)
    assert are_used(stack_engine, client, "string-boolean", "unknown-attribute")


def test_ping_matches_by_whatever_its_admin_configured(client: Client) -> None:
    """PingFederate's and PingOne's provisioners take the filter for matching from their configuration."""
    found = client.create_user(userName="Ada", externalId="E1", emails=[{"value": "a@example.com", "type": "work"}])
    filters = ['userName eq "ada"', 'externalId eq "E1"', 'emails.value eq "a@example.com"', 'username Eq "ADA"']

    hits = [client.get("/Users", params={"filter": text}).json()["Resources"] for text in filters]

    assert [[each["id"] for each in hit] for hit in hits] == [[found["id"]]] * len(filters)
