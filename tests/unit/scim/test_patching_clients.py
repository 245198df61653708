"""Operations do what clients expect where the RFC is silent, or where they do not follow it."""

from typing import Any

import pytest

from shared.scim.dialects import tolerances
from shared.scim.dialects.tolerances import Used
from shared.scim.resource_types import GROUPS
from tests.unit.scim.bodies import ENTERPRISE, HOME, MANAGED, NAMED, operation, patched


@pytest.mark.parametrize("text", ["False", "false", "FALSE"])
def test_a_leaver_is_disabled_by_the_string_false(text: str) -> None:
    assert patched({"active": True}, operation("Replace", "active", value=text)) == {"active": False}


def test_add_on_a_singular_attribute_replaces_it() -> None:
    assert patched({"active": True}, operation("Add", "active", value="False")) == {"active": False}


@pytest.mark.parametrize("op", ["Add", "Replace"])
def test_an_element_that_a_filter_describes_is_created_if_it_is_absent(op: str) -> None:
    used: Used = set()

    after = patched({"emails": [HOME]}, operation(op, 'emails[type eq "work"].value', value="n"), used=used)

    assert after == {"emails": [HOME, {"type": "work", "value": "n"}]}
    assert tolerances.CREATE_ON_ABSENT.name in used


@pytest.mark.parametrize(
    ("selection", "element"),
    [
        ("primary eq true", {"primary": True, "display": "d"}),
        ('type eq "work" and primary eq "True"', {"type": "work", "primary": True, "display": "d"}),
        ('type eq "work" and value eq null', {"type": "work", "display": "d"}),
    ],
)
def test_an_element_is_created_from_all_equalities(selection: str, element: dict[str, Any]) -> None:
    assert patched({}, operation("add", f"emails[{selection}].display", value="d")) == {"emails": [element]}


def test_a_whole_element_is_created_if_it_is_absent() -> None:
    after = patched({}, operation("replace", 'addresses[type eq "work"]', value={"country": "AT"}))

    assert after == {"addresses": [{"type": "work", "country": "AT"}]}


def test_later_operations_find_the_element_that_an_earlier_one_made() -> None:
    after = patched(
        {},
        operation("Add", 'addresses[type eq "work"].locality', value="Wien"),
        operation("Add", 'addresses[type eq "work"].country', value="AT"),
        operation("Add", 'addresses[type eq "other"].formatted', value="Office 7"),
    )

    assert after == {
        "addresses": [
            {"type": "work", "locality": "Wien", "country": "AT"},
            {"type": "other", "formatted": "Office 7"},
        ]
    }


def test_a_path_less_replace_takes_dotted_keys_and_urns() -> None:
    after = patched(
        {**NAMED, **MANAGED},
        operation(
            "replace",
            value={"name.givenName": "A", f"{ENTERPRISE}:employeeNumber": "7", "DISPLAYNAME": "B"},
        ),
    )

    assert after == {
        "name": {"givenName": "A", "familyName": "Lovelace"},
        ENTERPRISE: {"department": "Engines", "manager": {"value": "M-1"}, "employeeNumber": "7"},
        "displayName": "B",
    }


def test_a_urn_is_not_split_at_its_version() -> None:
    after = patched({}, operation("Add", f"{ENTERPRISE}:manager.value", value="M-1"))

    assert after == {ENTERPRISE: {"manager": {"value": "M-1"}}}


@pytest.mark.parametrize(
    "value", ["M-2", {"value": "M-2"}, [{"value": "M-2"}], [{"$ref": "https://example.com/M-2", "value": "M-2"}]]
)
@pytest.mark.parametrize("path", ["manager", f"{ENTERPRISE}:manager"])
def test_a_manager_may_be_a_bare_id_an_object_or_an_array_of_one(path: str, value: Any) -> None:
    after = patched(MANAGED, operation("Replace", path, value=value))

    assert after == {ENTERPRISE: {"department": "Engines", "manager": {"value": "M-2"}}}


@pytest.mark.parametrize("value", ["", None, {"value": ""}, {"value": None}, [{"value": ""}], []])
def test_an_empty_manager_is_unassigned(value: Any) -> None:
    after = patched(MANAGED, operation("replace", f"{ENTERPRISE}:manager", value=value))

    assert after == {ENTERPRISE: {"department": "Engines"}}


@pytest.mark.parametrize("sent", [operation("remove", ENTERPRISE), operation("replace", value={ENTERPRISE: None})])
def test_an_extension_can_be_removed_as_a_whole(sent: dict[str, Any]) -> None:
    assert patched({**NAMED, **MANAGED}, sent) == NAMED


def test_only_the_named_attributes_of_an_extension_change() -> None:
    after = patched(MANAGED, operation("replace", ENTERPRISE, value={"department": "Looms"}))

    assert after == {ENTERPRISE: {"department": "Looms", "manager": {"value": "M-1"}}}


ROLE = '{"id":"18d14569","value":"25","displayName":"Role 25"}'


def test_a_role_in_json_text_is_read() -> None:
    after = patched({}, operation("Add", "roles", value=[{"value": ROLE}]))

    assert after == {"roles": [{"value": "25", "display": "Role 25"}]}


def test_a_role_is_selected_by_a_boolean_in_quotes() -> None:
    before = {"roles": [{"value": "24", "primary": True}, {"value": "reader"}]}

    after = patched(before, operation("Replace", 'roles[primary eq "True"].value', value=ROLE))

    assert after == {"roles": [{"value": "25", "primary": True}, {"value": "reader"}]}


@pytest.mark.parametrize(
    "sent",
    [
        operation("Add", "members", value=[{"$ref": None, "value": "U1"}]),
        operation("Remove", "members", value=[{"$ref": None, "value": "U1"}]),
        operation("remove", 'members[value eq "U1"]'),
        operation("remove", "members"),
        operation("replace", "members", value=[]),
    ],
)
def test_membership_is_left_to_the_directory(sent: dict[str, Any]) -> None:
    group = {"displayName": "g", "members": [{"value": "U1"}, {"value": "U2"}]}

    assert patched(group, sent, resource_type=GROUPS) == group


@pytest.mark.parametrize(
    "sent",
    [
        operation("replace", value={"id": "G", "displayName": "New"}),
        operation("Replace", "displayName", value="New"),
        operation("Replace", "displayName", value=[{"$ref": None, "value": "New"}]),
    ],
)
def test_a_group_is_renamed_and_keeps_its_members(sent: dict[str, Any]) -> None:
    after = patched({"displayName": "Old", "members": [{"value": "U1"}]}, sent, resource_type=GROUPS)

    assert after == {"displayName": "New", "members": [{"value": "U1"}]}
