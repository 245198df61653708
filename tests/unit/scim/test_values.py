"""Values are typed strictly, save for the tolerances that have a name."""

from typing import Any

import pytest

from shared.scim import validation, values
from shared.scim.attributes import Attribute
from shared.scim.dialects import tolerances
from shared.scim.dialects.tolerances import Tolerance, Used
from shared.scim.errors import InvalidValueError
from shared.scim.resource_types import GROUPS, USERS
from tests.unit.scim.bodies import THINGS, group, user

ATTRIBUTES: dict[str, Attribute] = {
    f"{resource_type.name}.{attribute.name}": attribute
    for resource_type in (USERS, GROUPS, THINGS)
    for _, attribute in resource_type.walk()
}


def coerced(name: str, value: Any, used: Used | None = None) -> Any:
    return values.coerce(ATTRIBUTES[name], value, name, used)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("User.title", "Dr."),
        ("User.title", " "),
        ("User.title", "x" * 8_192),
        ("User.userName", "x" * 512),
        ("User.active", True),
        ("User.active", False),
        ("User.profileUrl", "https://example.com"),
        ("User.emails", [{"value": "a", "type": "anything", "primary": True}]),
        ("User.x509Certificates", [{"value": "QUJD" * 10_000}]),
        ("User.name", {"givenName": "Ada"}),
        ("Thing.count", 7),
        ("Thing.count", -(2**63)),
        ("Thing.weight", 0.5),
        ("Thing.weight", 7),
        ("Thing.bought", "2026-01-02T03:04:05Z"),
        ("Thing.bought", "2026-01-02T03:04:05.123456789+01:00"),
        ("Thing.bought", "2026-01-02T03:04:05"),
        ("Thing.picture", "QQ=="),
        ("Thing.nickNames", ["a", "b"]),
    ],
)
def test_a_valid_value_is_kept_as_it_is(name: str, value: Any) -> None:
    used: Used = set()

    assert coerced(name, value, used) == value
    assert used == set()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("User.title", 7),
        ("User.title", True),
        ("User.title", {"display": "x"}),
        ("User.title", ["a", "b"]),
        ("User.title", "a\0b"),
        ("User.title", "\ud800"),
        ("User.title", "x" * 8_193),
        ("User.userName", "x" * 513),
        ("User.active", "yes"),
        ("User.active", 1),
        ("User.active", [True, False]),
        ("User.name", "Ada"),
        ("User.name", 7),
        ("User.name", [{"givenName": "a"}, {"givenName": "b"}]),
        ("User.name", {"givenName": 7}),
        ("User.emails", [7]),
        ("User.emails", [["a"]]),
        ("User.emails", [{"value": 7}]),
        ("User.emails", [{"value": "a", "primary": "maybe"}]),
        ("User.emails", [{"value": "a"}] * 501),
        ("User.x509Certificates", [{"value": "not base64"}]),
        ("User.x509Certificates", [{"value": "ä"}]),
        ("User.x509Certificates", [{"value": "QUJD" * 40_000}]),
        ("User.manager", 7),
        ("Group.members", [{}]),
        ("Group.members", [{"display": "x"}]),
        ("Group.members", [{"value": ""}]),
        ("Group.members", [{"value": None, "type": "User"}]),
        ("Group.members", {}),
        ("Thing.count", "7"),
        ("Thing.count", 7.0),
        ("Thing.count", True),
        ("Thing.count", 2**63),
        ("Thing.weight", "0.5"),
        ("Thing.weight", False),
        ("Thing.weight", float("nan")),
        ("Thing.weight", float("inf")),
        ("Thing.bought", "2026-01-02"),
        ("Thing.bought", "2026-02-30T00:00:00Z"),
        ("Thing.bought", "2026-W01-1T00:00:00Z"),
        ("Thing.bought", 7),
        ("Thing.picture", "Q"),
        ("Thing.nickNames", [7]),
        ("Thing.maker", {"town": "Wien"}),
    ],
)
def test_a_value_of_another_type_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidValueError, match=rf"^{name}"):
        coerced(name, value)


def test_the_detail_names_the_sub_attribute_and_not_the_value() -> None:
    with pytest.raises(InvalidValueError) as caught:
        coerced("User.emails", [{"value": ["secret", "secret"]}])

    assert caught.value.detail == "User.emails.value must be a string"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("User.title", None),
        ("User.title", ""),
        ("User.title", []),
        ("User.title", [None]),
        ("User.name", {}),
        ("User.name", {"givenName": None, "familyName": ""}),
        ("User.manager", ""),
        ("User.manager", {"value": ""}),
        ("User.manager", [{"$ref": None, "value": None}]),
        ("User.emails", None),
        ("User.emails", []),
        ("User.emails", [None]),
        ("User.emails", [{}]),
        ("User.emails", [{"value": ""}]),
        ("Group.members", None),
        ("Group.members", []),
    ],
)
def test_null_empty_and_absent_are_one_state(name: str, value: Any) -> None:
    assert coerced(name, value) is None


@pytest.mark.parametrize(
    ("name", "value", "expected", "tolerance"),
    [
        ("User.active", "False", False, tolerances.STRING_BOOLEAN),
        ("User.active", "tRUE", True, tolerances.STRING_BOOLEAN),
        ("User.active", ["false"], False, tolerances.WRAPPED_SINGLE),
        ("User.emails", [{"value": "a", "primary": "True"}], [{"value": "a", "primary": True}], None),
        ("User.displayName", [{"$ref": None, "value": "x"}], "x", tolerances.WRAPPED_SINGLE),
        ("User.displayName", {"value": "x"}, "x", tolerances.VALUE_OBJECT),
        ("User.name", [{"givenName": "Ada"}], {"givenName": "Ada"}, tolerances.WRAPPED_SINGLE),
        ("User.manager", "M-1", {"value": "M-1"}, tolerances.BARE_VALUE),
        ("User.manager", [{"$ref": "https://x", "value": "M-1"}], {"value": "M-1"}, tolerances.WRAPPED_SINGLE),
        ("User.emails", {"value": "a"}, [{"value": "a"}], tolerances.SINGLE_FOR_MULTIPLE),
        ("User.emails", ["a"], [{"value": "a"}], tolerances.BARE_VALUE),
        ("Group.members", "U1", [{"value": "U1"}], tolerances.SINGLE_FOR_MULTIPLE),
        ("User.emails", [{"value": "a", "unknown": 1}], [{"value": "a"}], tolerances.UNKNOWN_ATTRIBUTE),
    ],
)
def test_a_tolerance_is_used_and_noted(name: str, value: Any, expected: Any, tolerance: Tolerance | None) -> None:
    used: Used = set()

    assert coerced(name, value, used) == expected
    assert (tolerance or tolerances.STRING_BOOLEAN).name in used


def test_sub_attributes_are_known_in_any_case() -> None:
    assert coerced("User.name", {"GIVENNAME": "Ada"}) == {"givenName": "Ada"}


def test_null_and_computed_and_read_only_parts_of_a_member_are_left_out() -> None:
    member = {"value": "U1", "$ref": None, "display": "Ada", "type": "User"}

    assert coerced("Group.members", [member]) == [{"value": "U1", "type": "User"}]


ROLE = '{"id":"18d14569","value":"25","displayName":"Role 25"}'


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([{"value": ROLE}], [{"value": "25", "display": "Role 25"}]),
        ([{"value": ROLE, "type": "t", "display": "own"}], [{"value": "25", "display": "own", "type": "t"}]),
        ([ROLE], [{"value": "25", "display": "Role 25"}]),
        ([{"value": '{"value":"25"}'}], [{"value": "25"}]),
        ([{"value": "{text}"}], [{"value": "{text}"}]),
        ([{"value": '{"value":25}'}], [{"value": '{"value":25}'}]),
        ([{"value": '{"id":"25"}'}], [{"value": '{"id":"25"}'}]),
    ],
)
def test_a_role_written_as_json_text_is_read(value: Any, expected: Any) -> None:
    assert coerced("User.roles", value) == expected


def test_json_text_that_is_nested_too_deep_stays_text() -> None:
    text = '{"value":' + "[" * 4_000

    assert coerced("User.roles", [{"value": text}]) == [{"value": text}]


def test_a_group_may_have_very_many_members() -> None:
    members = [{"value": str(number)} for number in range(20_000)]

    assert coerced("Group.members", members) == members


@pytest.mark.parametrize("blank", [" ", "\t\n", "\u00a0"])
def test_what_is_required_is_not_blank(blank: str) -> None:
    with pytest.raises(InvalidValueError, match="userName must not be blank"):
        validation.resource(USERS, user(userName=blank))
    with pytest.raises(InvalidValueError, match="displayName must not be blank"):
        validation.resource(GROUPS, group(displayName=blank))
    assert validation.resource(USERS, user(title=blank))["title"] == blank
