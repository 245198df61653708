"""An answer shows what it always shows, what it shows by default, and what was asked for."""

from typing import Any

import pytest

from shared.scim import paths, projection
from shared.scim.attributes import ResourceType
from shared.scim.dialects import tolerances
from shared.scim.dialects.tolerances import Used
from shared.scim.errors import InvalidPathError, InvalidValueError
from shared.scim.resource_types import GROUPS, USERS
from tests.unit.scim.bodies import ENTERPRISE, THINGS, USER_URN

USER: dict[str, Any] = {
    "schemas": [USER_URN, ENTERPRISE],
    "id": "1",
    "userName": "ada",
    "name": {"givenName": "Ada", "familyName": "Lovelace"},
    "emails": [{"value": "a", "type": "work"}, {"type": "home"}],
    ENTERPRISE: {"department": "d", "manager": {"value": "M", "displayName": "Boss"}},
    "meta": {"resourceType": "User", "version": 'W/"1"'},
    "password": "never",
}
ALWAYS = {"schemas": USER["schemas"], "id": "1"}
DEFAULT = {key: value for key, value in USER.items() if key != "password"}


def without(*names: str) -> dict[str, Any]:
    return {key: value for key, value in DEFAULT.items() if key not in names}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (None, DEFAULT),
        ("", DEFAULT),
        ("userName", {**ALWAYS, "userName": "ada"}),
        ("USERNAME, id", {**ALWAYS, "userName": "ada"}),
        (f"{USER_URN}:userName", {**ALWAYS, "userName": "ada"}),
        ("name.givenName", {**ALWAYS, "name": {"givenName": "Ada"}}),
        ("name.givenName,name", {**ALWAYS, "name": USER["name"]}),
        ("name.middleName", ALWAYS),
        ("emails.value", {**ALWAYS, "emails": [{"value": "a"}]}),
        ("emails.display", ALWAYS),
        ("meta.version", {**ALWAYS, "meta": {"version": 'W/"1"'}}),
        (ENTERPRISE, {**ALWAYS, ENTERPRISE: USER[ENTERPRISE]}),
        (f"{ENTERPRISE}:department", {**ALWAYS, ENTERPRISE: {"department": "d"}}),
        (f"{ENTERPRISE}:manager.value", {**ALWAYS, ENTERPRISE: {"manager": {"value": "M"}}}),
        ("manager", {**ALWAYS, ENTERPRISE: {"manager": USER[ENTERPRISE]["manager"]}}),
        (f"{ENTERPRISE}:division", ALWAYS),
        ("password", ALWAYS),
        ("unknown", ALWAYS),
        ("userName,unknown,,", {**ALWAYS, "userName": "ada"}),
    ],
)
def test_attributes_names_what_is_shown(attributes: str | None, expected: dict[str, Any]) -> None:
    chosen = projection.parse(attributes, None, USERS)

    assert projection.apply(chosen, USER, USERS) == expected


@pytest.mark.parametrize(
    ("excluded", "expected"),
    [
        ("", DEFAULT),
        ("emails", without("emails")),
        ("id,schemas", DEFAULT),
        ("meta,NAME", without("meta", "name")),
        ("name.givenName", {**DEFAULT, "name": {"familyName": "Lovelace"}}),
        ("name.givenName,name.familyName", without("name")),
        ("emails.type", {**DEFAULT, "emails": [{"value": "a"}]}),
        ("emails.type,emails.value", without("emails")),
        (ENTERPRISE, without(ENTERPRISE)),
        ("manager", {**DEFAULT, ENTERPRISE: {"department": "d"}}),
        ("unknown", DEFAULT),
    ],
)
def test_excluded_attributes_names_what_is_not_shown(excluded: str, expected: dict[str, Any]) -> None:
    chosen = projection.parse(None, excluded, USERS)

    assert projection.apply(chosen, USER, USERS) == expected


def test_the_two_parameters_exclude_each_other() -> None:
    with pytest.raises(InvalidValueError):
        projection.parse("userName", "emails", USERS)


@pytest.mark.parametrize(
    ("attributes", "excluded", "expected"),
    [
        (None, None, True),
        (None, "members", False),
        (None, "members.display", True),
        ("members", None, True),
        ("members.value", None, True),
        ("displayName", None, False),
    ],
)
def test_the_directory_is_told_whether_members_are_wanted(
    attributes: str | None, excluded: str | None, *, expected: bool
) -> None:
    members = paths.reference("members", GROUPS).attribute

    assert projection.wants(projection.parse(attributes, excluded, GROUPS), members) is expected


def test_what_no_schema_knows_is_not_shown() -> None:
    shown = projection.apply(projection.Projection(), {"id": "1", "unknown": 1, ENTERPRISE: {"unknown": 1}}, USERS)

    assert shown == {"id": "1"}


THING = {"id": "1", "count": 7, "hint": "h", "maker": {"name": "n", "town": "t", "secret": "s", "note": "x"}}


@pytest.mark.parametrize(
    ("attributes", "excluded", "expected"),
    [
        (None, None, {"id": "1", "count": 7, "maker": {"name": "n", "town": "t"}}),
        (None, "maker,maker.name,count", {"id": "1", "maker": {"name": "n", "town": "t"}}),
        ("hint", None, {"id": "1", "hint": "h", "maker": {"name": "n", "town": "t"}}),
        ("maker.note", None, {"id": "1", "maker": {"name": "n", "town": "t", "note": "x"}}),
        ("maker.secret,count", None, {"id": "1", "count": 7, "maker": {"name": "n", "town": "t"}}),
    ],
)
def test_the_characteristic_returned_is_kept(
    attributes: str | None, excluded: str | None, expected: dict[str, Any]
) -> None:
    chosen = projection.parse(attributes, excluded, THINGS)

    assert projection.apply(chosen, THING, THINGS) == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ('emails[type eq "work"]', {**ALWAYS, "emails": USER["emails"]}),
        (
            ' userName , emails[value eq "a,b" or primary pr].value',
            {**ALWAYS, "userName": "ada", "emails": [{"value": "a"}]},
        ),
        ("emails[]", {**ALWAYS, "emails": USER["emails"]}),
    ],
)
def test_a_value_path_in_attributes_is_its_attribute(attributes: str, expected: dict[str, Any]) -> None:
    used: Used = set()

    chosen = projection.parse(attributes, None, USERS, used)

    assert projection.apply(chosen, USER, USERS) == expected
    assert used == {tolerances.SELECTED_ATTRIBUTE.name}


@pytest.mark.parametrize(
    ("attributes", "excluded", "expected"),
    [
        (None, 'emails[type eq "work"]', DEFAULT),
        ('shoes[type eq "work"]', None, ALWAYS),
        ('shoes[size eq "[9]"].value,userName', None, {**ALWAYS, "userName": "ada"}),
        ("userName", None, {**ALWAYS, "userName": "ada"}),
    ],
)
def test_nothing_is_hidden_by_a_value_path_and_nonsense_shows_nothing(
    attributes: str | None, excluded: str | None, expected: dict[str, Any]
) -> None:
    used: Used = set()

    assert projection.apply(projection.parse(attributes, excluded, USERS, used), USER, USERS) == expected
    assert used == set()


MEMBER = USER | {"groups": [{"value": "9", "display": "Team"}]}
ALONE = {key: value for key, value in USER.items() if key != ENTERPRISE}
NAMED: dict[str, Any] = {"id": "1", "displayName": "Team", "members": [{"value": "1"}, {"value": "2", "display": "B"}]}
TEAM: dict[str, Any] = {"id": "1", "displayName": "Team", "members": [{"value": "1"}]}
BOSS = [USER[ENTERPRISE]["manager"]["displayName"]]


@pytest.mark.parametrize(
    ("resource_type", "resource", "attributes", "excluded", "expected"),
    [
        (USERS, MEMBER, None, None, [MEMBER["groups"], BOSS]),
        (USERS, USER, "userName", None, []),
        (USERS, MEMBER, "groups.value", None, [[{"value": "9"}]]),
        (USERS, MEMBER, None, "groups", [BOSS]),
        (USERS, MEMBER, None, "groups,manager.displayName", []),
        (USERS, USER, "manager.value", None, []),
        (USERS, USER, "manager", None, [BOSS]),
        (USERS, ALONE, None, None, []),
        (GROUPS, NAMED, None, None, [[None, "B"]]),
        (GROUPS, NAMED, "members.value,members.type", None, []),
        (GROUPS, NAMED, None, "members", []),
        (GROUPS, TEAM, None, None, []),
        (GROUPS, {"id": "1", "displayName": "Empty"}, None, None, []),
    ],
)
def test_what_is_shown_of_other_resources_is_known(
    resource_type: ResourceType,
    resource: dict[str, Any],
    attributes: str | None,
    excluded: str | None,
    expected: list[Any],
) -> None:
    shown = projection.apply(projection.parse(attributes, excluded, resource_type), resource, resource_type)

    assert projection.of_others(shown, resource_type) == expected


@pytest.mark.parametrize("name", ["emails[type", "nope[", "[type pr]", "emails]", "]", "emails[type pr]value", "[" * 9])
def test_brackets_that_are_no_value_path_are_refused(name: str) -> None:
    with pytest.raises(InvalidPathError, match="'attributes' has brackets"):
        projection.parse(f"userName, {name}", None, USERS)
    with pytest.raises(InvalidPathError, match="'excludedAttributes' has brackets"):
        projection.parse(None, name, USERS)


def test_the_resource_is_left_as_it_was() -> None:
    projection.apply(projection.parse("name.givenName", None, USERS), USER, USERS)

    assert USER["name"] == {"givenName": "Ada", "familyName": "Lovelace"}
