"""Bodies of POST and PUT become canonical resources, or are refused for what is wrong in them."""

import copy
import gc
from itertools import combinations
from typing import Any

import pytest
from marshmallow.schema import SchemaMeta

from shared.scim import validation
from shared.scim.attributes import ResourceType
from shared.scim.dialects import tolerances
from shared.scim.dialects.tolerances import Used
from shared.scim.errors import InvalidSyntaxError, InvalidValueError
from shared.scim.plaintext import Plaintext
from shared.scim.resource_types import ALL, GROUPS, USERS
from tests.unit.scim.bodies import ENTERPRISE, USER_URN, group, user


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (user(title="Dr."), {"title": "Dr."}),
        (user(TITLE="Dr."), {"title": "Dr."}),
        (user(active="True"), {"active": True}),
        (user(addresses=None, title="", emails=[], name={}, manager=None), {}),
        (user(id="x", meta={"resourceType": "User"}, groups=[]), {}),
        (user(shoeSize=42, **{"urn:unknown:2.0:User": {"x": 1}, "name.unknown": 1}), {}),
        (user(password="secret"), {"password": Plaintext("secret")}),
        (user(emails=[{"value": "a", "primary": True}, {"value": "b"}]), None),
        (user(**{ENTERPRISE: {"department": "d"}}), None),
        (user(**{ENTERPRISE.upper(): {"DEPARTMENT": "d"}}), {ENTERPRISE: {"department": "d"}}),
        (user(**{ENTERPRISE: {"manager": "M-1"}}), {ENTERPRISE: {"manager": {"value": "M-1"}}}),
        (user(**{ENTERPRISE: {"manager.value": "M-1"}}), {ENTERPRISE: {"manager": {"value": "M-1"}}}),
        (user(**{ENTERPRISE: None}), {}),
        (user(**{ENTERPRISE: {"department": ""}}), {}),
        (user(**{f"{ENTERPRISE}:department": "d"}), {ENTERPRISE: {"department": "d"}}),
        (user(manager={"value": "M-1"}), {ENTERPRISE: {"manager": {"value": "M-1"}}}),
        (user(**{USER_URN: {"title": "Dr."}}), {"title": "Dr."}),
        (user(**{"name.givenName": "A", "name.familyName": "L"}), {"name": {"givenName": "A", "familyName": "L"}}),
        (user(name={"givenName": "A"}, **{"name.familyName": "L"}), {"name": {"givenName": "A", "familyName": "L"}}),
        (user(name=None, **{"name.familyName": "L"}), {"name": {"familyName": "L"}}),
        (user(**{"emails.value": "a", 'emails[type eq "work"].value': "a"}), {}),
    ],
)
def test_a_user_becomes_canonical(body: dict[str, Any], expected: dict[str, Any] | None) -> None:
    if expected is None:
        expected = {key: value for key, value in body.items() if key not in {"schemas", "userName"}}

    assert validation.resource(USERS, body) == {"userName": "ada", **expected}


def test_a_group_keeps_the_members_that_it_is_sent_with() -> None:
    body = group(members=[{"value": "U1", "$ref": None, "display": None}])

    assert validation.resource(GROUPS, body) == {"displayName": "Engineers", "members": [{"value": "U1"}]}


def test_a_group_with_a_schema_of_microsofts_is_accepted() -> None:
    body = group()
    body["schemas"].append("http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group")

    assert validation.resource(GROUPS, body) == {"displayName": "Engineers"}


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"schemas": [USER_URN]}, "userName is required"),
        (user(userName=None), "userName is required"),
        (user(userName=""), "userName is required"),
        (user(userName=7), "userName must be a string"),
        (user(password=7), "password must be a string"),
        (user(emails=[{"value": "a", "primary": True}, {"value": "b", "primary": "true"}]), "emails has more than one"),
        (user(**{ENTERPRISE: "d"}), "must be an object"),
        (user(**{ENTERPRISE: {"department": 7}}), f"{ENTERPRISE}:department must be a string"),
        (user(**{"name.givenName": 7}), "name.givenName must be a string"),
    ],
)
def test_an_invalid_user_is_refused(body: dict[str, Any], detail: str) -> None:
    with pytest.raises(InvalidValueError, match=detail):
        validation.resource(USERS, body)


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "text",
        {},
        {"userName": "ada"},
        {"userName": "ada", "schemas": []},
        {"userName": "ada", "schemas": USER_URN},
        {"userName": "ada", "schemas": [ENTERPRISE]},
        {"userName": "ada", "schemas": [7]},
    ],
)
def test_a_body_that_is_no_user_is_refused(body: Any) -> None:
    with pytest.raises(InvalidSyntaxError):
        validation.resource(USERS, body)


def test_the_schema_is_known_in_any_case() -> None:
    body = {"SCHEMAS": [USER_URN.upper()], "userName": "ada"}

    assert validation.resource(USERS, body) == {"userName": "ada"}


def test_tolerances_are_noted() -> None:
    used: Used = set()

    validation.resource(USERS, user(active="True", shoeSize=42, manager="M-1", **{"name.givenName": "A"}), used)

    expected = (
        tolerances.STRING_BOOLEAN,
        tolerances.UNKNOWN_ATTRIBUTE,
        tolerances.UNQUALIFIED_EXTENSION,
        tolerances.BARE_VALUE,
        tolerances.DOTTED_KEY,
    )
    assert used == {tolerance.name for tolerance in expected}


def test_the_body_is_left_as_it_was() -> None:
    body = user(name={"givenName": "A"}, active="True", emails=[{"value": "a", "primary": "True"}])
    before = copy.deepcopy(body)

    validation.resource(USERS, body)

    assert body == before


@pytest.mark.parametrize("resource_type", ALL, ids=lambda resource_type: resource_type.name)
def test_read_only_attributes_are_ignored_in_every_resource_type(resource_type: ResourceType) -> None:
    body = user() | group() | {"schemas": [resource_type.schema.id]}
    read_only = [attribute for _, attribute in resource_type.walk() if not attribute.is_writable]

    valid = validation.resource(resource_type, body | {attribute.name: "x" for attribute in read_only})

    assert not valid.keys() & {attribute.name for attribute in read_only}


@pytest.mark.parametrize(
    ("resource", "detail"),
    [
        ({}, "userName is required"),
        ({"userName": "a", "emails": [{"value": "x", "primary": True}] * 2}, "emails has more than one primary value"),
    ],
)
def test_the_result_of_a_patch_must_be_valid(resource: dict[str, Any], detail: str) -> None:
    with pytest.raises(InvalidValueError, match=detail):
        validation.check(USERS, resource)


def test_a_group_without_its_members_is_valid() -> None:
    valid = {"displayName": "Engineers"}

    validation.check(GROUPS, valid)

    assert valid == {"displayName": "Engineers"}


def test_whoever_sends_other_attributes_each_time_takes_up_no_more_memory() -> None:
    names = [
        each.name for each in USERS.schema.attributes if each.is_writable and not (each.is_complex or each.required)
    ]
    sent = list(combinations(names, 5))

    for chosen in sent:
        validation.resource(USERS, user(**dict.fromkeys(chosen)))
    gc.collect()

    kept = sum(isinstance(each, SchemaMeta) for each in gc.get_objects())
    assert kept < validation.MOST_SHAPES + 100 < len(sent)
