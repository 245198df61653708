"""A resource that is named by its URI alone is the one whose id ends the URI, and nothing is dropped without a word."""

from typing import Any

import pytest

from shared.scim import patch, validation
from shared.scim.dialects import tolerances
from shared.scim.dialects.tolerances import Used
from shared.scim.errors import InvalidValueError, MutabilityError
from shared.scim.resource_types import GROUPS, USERS
from tests.unit.scim.bodies import ENTERPRISE, group, message, operation, patched, user

URIS = [
    ("https://hr.example.com/rest/scim/v2/Users/M-1", "M-1"),
    ("../Users/M-1", "M-1"),
    ("/Users/M-1", "M-1"),
    ("https://hr.example.com/scim/v2/Users/a%2F%C3%A9", "a/é"),
]
FOREIGN = [
    "https://hr.example.com",
    "https://hr.example.com/Users/",
    "https://hr.example.com/Users/M-1/more",
    "https://hr.example.com/Groups/M-1",
    "https://hr.example.com/users/M-1",
    "https://hr.example.com/Users/bulkId:boss",
    "M-1",
    7,
]


@pytest.mark.parametrize(("uri", "expected"), URIS)
@pytest.mark.parametrize("key", ["$ref", "$REF"])
def test_a_manager_is_named_by_a_uri_alone(key: str, uri: str, expected: str) -> None:
    used: Used = set()

    created = validation.resource(USERS, user(**{ENTERPRISE: {"manager": {key: uri}}}), used)

    assert created[ENTERPRISE] == {"manager": {"value": expected}}
    assert used == {tolerances.REFERENCE_ALONE.name}


@pytest.mark.parametrize(
    "sent",
    [
        operation("add", "manager", value={"$ref": "../Users/M-1"}),
        operation("replace", "manager", value=[{"$ref": "../Users/M-1"}]),
        operation("replace", f"{ENTERPRISE}:manager.$ref", value="../Users/M-1"),
        operation("replace", value={ENTERPRISE: {"manager": {"$ref": "../Users/M-1"}}}),
    ],
)
def test_a_manager_is_changed_by_a_uri_alone(sent: dict[str, Any]) -> None:
    assert patched({"userName": "ada"}, sent)[ENTERPRISE] == {"manager": {"value": "M-1"}}


@pytest.mark.parametrize("uri", FOREIGN)
def test_a_uri_of_something_else_is_refused(uri: Any) -> None:
    with pytest.raises(InvalidValueError, match=r"manager has a '\$ref'"):
        validation.resource(USERS, user(**{ENTERPRISE: {"manager": {"$ref": uri}}}))
    with pytest.raises(InvalidValueError, match=r"manager.* has a '\$ref'"):
        patch.parse(message(operation("replace", "manager.$ref", value=uri)), USERS)


@pytest.mark.parametrize(
    ("manager", "expected"),
    [
        ({"$ref": "https://example.com", "value": "M-1"}, {"manager": {"value": "M-1"}}),
        ({"$ref": "../Users/M-2", "Value": "M-1"}, {"manager": {"value": "M-1"}}),
        ({"$ref": "../Users/M-2", "value": ""}, None),
        ({"$ref": None}, None),
        ({"$ref": ""}, None),
        ({"displayName": "Boss"}, None),
    ],
)
def test_a_value_comes_before_a_uri(manager: dict[str, Any], expected: dict[str, Any] | None) -> None:
    assert validation.resource(USERS, user(**{ENTERPRISE: {"manager": manager}})).get(ENTERPRISE) == expected


def test_members_are_named_by_uris_alone() -> None:
    members = [{"$ref": "../Users/U-1"}, {"$ref": "../Groups/G-1", "type": "Group"}]

    created = validation.resource(GROUPS, group(members=members))

    assert created["members"] == [{"value": "U-1"}, {"value": "G-1", "type": "Group"}]


def test_a_member_is_not_made_another_by_its_uri() -> None:
    change = operation("replace", 'members[value eq "U-1"].$ref', value="../Users/U-2")

    with pytest.raises(MutabilityError):
        patch.parse(message(change), GROUPS)


def test_a_uri_that_is_removed_or_null_changes_nothing() -> None:
    sent = [operation("remove", "manager.$ref"), operation("replace", "manager.$ref", value=None)]

    assert patch.parse(message(*sent), USERS) == ()
