"""The nastiest things that clients send, 1 to 15: types of values, and operations of PATCH.

Each case names where it broke a server; `owner/repository#number` is a thread on GitHub.
"""

from typing import Any

import httpx
import pytest

from shared.scim.schemas import enterprise, user
from tests.factories import Client, employee, patch, person, replace

WORK_MAIL = 'emails[type eq "work"].value'
MANAGER = f"{enterprise.URN}:manager"


def change(client: Client, user_id: str, *operations: dict[str, Any]) -> httpx.Response:
    return client.patch(f"/Users/{user_id}", json=patch(*operations))


@pytest.mark.parametrize(("text", "active"), [("False", False), ("false", False), ("FALSE", False), ("True", True)])
def test_a_boolean_may_be_a_string_in_any_case(client: Client, text: str, active: bool) -> None:
    """Case 1. AzureAD/SCIMReferenceCode#21, scimmyjs/scimmy#51 and #86, Captain-P-Goldfish/scim-for-keycloak#119."""
    created = client.create_user(active=text)
    other = client.create_user(active=not active)

    changed = change(client, other["id"], {"op": "Replace", "path": "active", "value": text})

    assert created["active"] is active
    assert (changed.status_code, changed.json()["active"]) == (200, active)


@pytest.mark.parametrize("value", ["no", "0", 0, "Falsch", [True, False]])
def test_what_is_no_boolean_is_refused_for_active(client: Client, value: Any) -> None:
    """Case 1, the other half: what is no boolean disables nobody, and enables nobody either."""
    created = client.create_user()

    changed = change(client, created["id"], replace("active", value))

    assert (changed.status_code, changed.json()["scimType"]) == (400, "invalidValue")
    assert client.get(f"/Users/{created['id']}").json() == created


@pytest.mark.parametrize("op", ["Add", "add", "ADD", "Replace", "rEpLaCe"])
def test_add_and_replace_of_a_single_value_are_the_same_in_any_case(client: Client, op: str) -> None:
    """Case 2. rancher/rancher#54025; RFC 7644 section 3.5.2.1."""
    created = client.create_user(title="Clerk")

    changed = change(
        client,
        created["id"],
        {"op": op, "path": "active", "value": "False"},
        {"op": op, "path": "title", "value": "Head"},
    )

    assert changed.status_code == 200
    assert (changed.json()["active"], changed.json()["title"]) == (False, "Head")


@pytest.mark.parametrize("op", ["add", "Replace"])
def test_a_value_path_that_matches_nothing_makes_the_element(client: Client, op: str) -> None:
    """Case 3. scim-for-keycloak#73, Metatavu/keycloak-scim-server#35, SCIM-SDK#416, wireapp/wire-server#5419."""
    created = client.create_user(emails=[{"type": "home", "value": "h@example.com"}])

    changed = change(client, created["id"], {"op": op, "path": WORK_MAIL, "value": "w@example.com"})

    assert changed.json()["emails"] == [
        {"type": "home", "value": "h@example.com"},
        {"type": "work", "value": "w@example.com"},
    ]


@pytest.mark.parametrize("selection", ['type ne "work"', 'type eq "work" or type eq "x"', "display pr"])
def test_a_value_path_that_describes_no_element_has_no_target(client: Client, selection: str) -> None:
    """Case 3, where the filter describes no element."""
    created = client.create_user()

    changed = change(client, created["id"], replace(f"emails[{selection}].value", "w@example.com"))

    assert (changed.status_code, changed.json()["scimType"]) == (400, "noTarget")


def test_operations_on_one_filter_make_one_element(client: Client) -> None:
    """Case 4. SCIM-SDK#680, SimpleIdServer#376."""
    created = client.create_user()
    parts = {"streetAddress": "1 Main St", "locality": "Linz", "country": "AT"}

    changed = change(
        client,
        created["id"],
        *({"op": "Add", "path": f'addresses[type eq "work"].{p}', "value": v} for p, v in parts.items()),
    )

    assert changed.json()["addresses"] == [{"type": "work", **parts}]


def test_a_replaced_element_leaves_the_others_alone(client: Client) -> None:
    """Case 5. SCIM-SDK#668."""
    phones = [{"type": "work", "value": "+1"}, {"type": "mobile", "value": "+2"}, {"type": "fax", "value": "+3"}]
    created = client.create_user(phoneNumbers=phones)

    changed = change(client, created["id"], replace('phoneNumbers[type eq "mobile"].value', "+9"))

    assert changed.json()["phoneNumbers"] == [phones[0], {"type": "mobile", "value": "+9"}, phones[2]]


@pytest.mark.parametrize(
    "value",
    [
        {"name.givenName": "A", "displayName": "B", f"{enterprise.URN}:employeeNumber": "7"},
        {"name": {"givenName": "A"}, "displayName": "B", enterprise.URN: {"employeeNumber": "7"}},
        {"NAME.GIVENNAME": "A", "DisplayName": "B", f"{enterprise.URN.upper()}:EmployeeNumber": "7"},
    ],
    ids=["dotted", "nested", "another case"],
)
def test_keys_without_a_path_may_be_paths(client: Client, value: dict[str, Any]) -> None:
    """Case 6. scim-patch#132, pond/scimitar#123, scim-for-keycloak#26."""
    created = client.create_user(name={"givenName": "X", "familyName": "F"})

    changed = change(client, created["id"], {"op": "replace", "value": value}).json()

    assert changed["name"] == {"givenName": "A", "familyName": "F"}
    assert (changed["displayName"], changed[enterprise.URN]) == ("B", {"employeeNumber": "7"})
    assert set(changed) - set(created) == {"displayName", enterprise.URN}


def test_the_dot_in_a_urn_is_no_dot_of_a_path(client: Client) -> None:
    """Case 7. wso2/product-is#6015 and #11678, imulab/go-scim#72, directory-scimple#704."""
    created = client.create_user()

    changed = change(
        client,
        created["id"],
        replace(f"{enterprise.URN}:department", "Sales"),
        replace(f"{user.URN}:name.givenName", "Ada"),
        replace(f"{user.URN}:title", "Head"),
    ).json()

    assert changed[enterprise.URN] == {"department": "Sales"}
    assert (changed["name"], changed["title"]) == ({"givenName": "Ada"}, "Head")
    assert set(changed["schemas"]) == {user.URN, enterprise.URN}


@pytest.mark.parametrize("value", [["x"], [{"$ref": None, "value": "x"}], {"value": "x"}])
def test_a_single_value_may_be_wrapped(client: Client, value: Any) -> None:
    """Case 8. MicrosoftDocs/azure-docs#42220, simstudioai/sim#7567."""
    created = client.create_user()

    changed = change(client, created["id"], {"op": "Add", "path": "displayName", "value": value})

    assert (changed.status_code, changed.json()["displayName"]) == (200, "x")


@pytest.mark.parametrize("path", ["manager", MANAGER])
@pytest.mark.parametrize("shape", ["bare", "object", "array"])
def test_a_manager_may_be_a_bare_id_an_object_or_an_array(client: Client, path: str, shape: str) -> None:
    """Cases 8 and 9. SCIM-SDK#686, directory-scimple#1244, gallery test 25."""
    boss, created = client.create_user(), client.create_user()
    reference = {"$ref": boss["meta"]["location"], "value": boss["id"]}
    value = {"bare": boss["id"], "object": reference, "array": [reference]}[shape]

    changed = change(client, created["id"], {"op": "Add", "path": path, "value": value})

    assert changed.status_code == 200, changed.text
    assert changed.json()[enterprise.URN]["manager"]["value"] == boss["id"]


@pytest.mark.parametrize("value", ["", {"value": ""}, None, [], {"value": None}])
def test_an_empty_manager_is_no_manager(client: Client, value: Any) -> None:
    """Case 10. Gallery test 25."""
    boss = client.create_user()["id"]
    created = client.create_user(**employee(**{enterprise.URN: {"manager": {"value": boss}, "department": "Sales"}}))

    changed = change(client, created["id"], {"op": "Replace", "path": MANAGER, "value": value})

    assert changed.status_code == 200, changed.text
    assert changed.json()[enterprise.URN] == {"department": "Sales"}


def test_a_role_may_be_json_in_a_string(client: Client) -> None:
    """Case 11. SCIM-SDK#516, MicrosoftDocs/azure-docs#50772."""
    created = client.create_user()
    text = '{"id":"1","value":"admin","displayName":"Administrator"}'

    changed = change(client, created["id"], {"op": "Add", "path": "roles", "value": [{"value": text}]})

    assert changed.json()["roles"] == [{"value": "admin", "display": "Administrator"}]


def test_a_boolean_in_a_filter_may_be_a_string(client: Client) -> None:
    """Case 12. pingidentity/scim2#239; Entra's SingleAppRoleAssignment."""
    created = client.create_user(roles=[{"primary": True, "type": "WindowsAzureActiveDirectoryRole", "value": "User"}])

    changed = change(client, created["id"], replace('roles[primary eq "True"].value', "Admin"))

    assert changed.status_code == 200, changed.text
    assert [(role["primary"], role["value"]) for role in changed.json()["roles"]] == [(True, "Admin")]
    assert client.get("/Users", params={"filter": 'active eq "True"'}).json()["totalResults"] == 1


def test_added_roles_leave_the_old_ones(client: Client) -> None:
    """Case 13. entra-docs, customize-application-attributes.md: AppRoleAssignmentsComplex only adds; nothing else is
    inferred.
    """
    created = client.create_user(roles=[{"value": "old"}])

    added = change(client, created["id"], {"op": "Add", "path": "roles", "value": [{"value": "new"}]}).json()
    replaced = change(client, created["id"], replace("roles", [{"value": "only"}])).json()

    assert [role["value"] for role in added["roles"]] == ["old", "new"]
    assert [role["value"] for role in replaced["roles"]] == ["only"]


@pytest.mark.parametrize("body", [patch(), {"schemas": patch()["schemas"]}, {**patch(), "Operations": None}])
def test_a_patch_without_operations_is_refused(client: Client, body: dict[str, Any]) -> None:
    """Case 14. scimmy#59."""
    created = client.create_user()

    changed = client.patch(f"/Users/{created['id']}", json=body)

    assert (changed.status_code, changed.json()["scimType"]) == (400, "invalidSyntax")


# The rest of section 2.1: what is nulled out is cleared, and nulls in a create are nothing
def test_nulls_and_empty_strings_clear(client: Client) -> None:
    created = client.create_user(**person(title="Clerk", nickName="Addie", addresses=None, manager=None))

    changed = change(client, created["id"], replace("title", ""), replace("nickName", None)).json()

    assert "addresses" not in created
    assert not {"title", "nickName"} & set(changed)
