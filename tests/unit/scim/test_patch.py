"""PATCH messages become operations with resolved paths and typed values, or are refused by the RFC's own names."""

import json
from typing import Any

import orjson
import pytest

from shared.scim import messages, patch
from shared.scim.attributes import ResourceType
from shared.scim.dialects import tolerances
from shared.scim.dialects.tolerances import Used
from shared.scim.errors import (
    InvalidFilterError,
    InvalidPathError,
    InvalidSyntaxError,
    InvalidValueError,
    MutabilityError,
    NoTargetError,
    PayloadTooLargeError,
    SCIMError,
)
from shared.scim.patch import Op
from shared.scim.plaintext import Plaintext
from shared.scim.resource_types import ALL, GROUPS, USERS
from tests.unit.scim.bodies import ENTERPRISE, THINGS, USER_URN, message, operation


def parsed(*operations: dict[str, Any], resource_type: ResourceType = USERS) -> list[tuple[Op, str, Any]]:
    found = patch.parse(message(*operations), resource_type)
    return [(one.op, one.path.text, one.value) for one in found]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (operation("add", "title", value="x"), [(Op.ADD, "title", "x")]),
        (operation("Replace", " TITLE ", value="x"), [(Op.REPLACE, "title", "x")]),
        (operation("replace", "active", value="False"), [(Op.REPLACE, "active", False)]),
        (operation("remove", "title"), [(Op.REMOVE, "title", None)]),
        (operation("remove", "active"), [(Op.REMOVE, "active", None)]),
        (operation("replace", "active", value=None), []),
        (operation("replace", "active", value=[]), []),
        (operation("add", "active", value=""), []),
        (operation("replace", "title", value=None), [(Op.REMOVE, "title", None)]),
        (operation("replace", "title", value=""), [(Op.REMOVE, "title", None)]),
        (operation("add", "title", value=""), [(Op.REMOVE, "title", None)]),
        (operation("add", "emails", value=[]), []),
        (operation("add", "emails", value=None), []),
        (operation("replace", "emails", value=[]), [(Op.REMOVE, "emails", None)]),
        (operation("replace", "emails", value="a"), [(Op.REPLACE, "emails", [{"value": "a"}])]),
        (operation("remove", "emails", value=[]), []),
        (operation("remove", 'emails[type eq "work"]', value=[]), [(Op.REMOVE, "emails[...]", None)]),
        (operation("remove", "emails", value=""), []),
        (operation("remove", 'emails[type eq "work"]', value=""), [(Op.REMOVE, "emails[...]", None)]),
        (operation("remove", "emails", value="a"), [(Op.REMOVE, "emails", [{"value": "a"}])]),
        (operation("remove", "title", value="x"), [(Op.REMOVE, "title", "x")]),
        (operation("remove", "manager", value="M-1"), [(Op.REMOVE, f"{ENTERPRISE}:manager", {"value": "M-1"})]),
        (operation("replace", "name", value={"givenName": "A"}), [(Op.REPLACE, "name.givenName", "A")]),
        (operation("replace", "name", value={"givenName": None}), [(Op.REMOVE, "name.givenName", None)]),
        (operation("replace", "name", value={}), []),
        (operation("replace", "name", value=None), [(Op.REMOVE, "name", None)]),
        (operation("replace", "name", value=[]), [(Op.REMOVE, "name", None)]),
        (operation("replace", "password", value="x"), [(Op.REPLACE, "password", Plaintext("x"))]),
        (operation("remove", "password"), [(Op.REMOVE, "password", None)]),
        (operation("add", "schemas", value=[ENTERPRISE]), []),
        (operation("replace", "manager.$ref", value=None), []),
        (operation("replace", 'emails[type eq "work"]', value={}), [(Op.REMOVE, "emails[...]", None)]),
        (operation("add", 'emails[type eq "work"]', value=""), []),
        (operation("add", 'emails[type eq "work"]', value="a"), [(Op.ADD, "emails[...]", {"value": "a"})]),
        (operation("add", 'emails[type eq "work"]', value=["a"]), [(Op.ADD, "emails[...]", {"value": "a"})]),
        (operation("replace", 'emails[type eq "work"].value', value=""), [(Op.REMOVE, "emails[...].value", None)]),
        (
            operation("replace", 'roles[primary eq "True"].value', value='{"value":"25"}'),
            [(Op.REPLACE, "roles[...].value", "25")],
        ),
        (operation("remove", ENTERPRISE), None),
        (operation("replace", ENTERPRISE, value={"department": "d"}), [(Op.REPLACE, f"{ENTERPRISE}:department", "d")]),
        (operation("add", USER_URN, value={"title": "x"}), [(Op.ADD, "title", "x")]),
    ],
)
def test_an_operation_is_resolved(sent: dict[str, Any], expected: list[tuple[Op, str, Any]] | None) -> None:
    if expected is None:
        expected = [(Op.REMOVE, f"{ENTERPRISE}:{one.name}", None) for one in USERS.extensions[0].attributes]

    assert parsed(sent) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"title": "x", "ACTIVE": "true"}, [("title", "x"), ("active", True)]),
        ({"name.givenName": "A"}, [("name.givenName", "A")]),
        ({"name": {"givenName": "A"}}, [("name.givenName", "A")]),
        ({f"{ENTERPRISE}:department": "d"}, [(f"{ENTERPRISE}:department", "d")]),
        ({ENTERPRISE: {"department": "d"}}, [(f"{ENTERPRISE}:department", "d")]),
        ({ENTERPRISE.lower(): {"manager.value": "M"}}, [(f"{ENTERPRISE}:manager.value", "M")]),
        ({f"{USER_URN}:name.familyName": "L"}, [("name.familyName", "L")]),
        ({'emails[type eq "work"].value': "a"}, [("emails[...].value", "a")]),
        ({"id": "x", "meta": {}, "groups": [], "schemas": [], "title": "x"}, [("title", "x")]),
        ({"shoeSize": 42, "emails[": "a", "emails[x]": 1, "title.x": 1, "title": "x"}, [("title", "x")]),
        ({"manager": {"displayName": "x", "value": "M"}}, [(f"{ENTERPRISE}:manager.value", "M")]),
        ({}, []),
    ],
)
def test_a_value_without_a_path_becomes_one_operation_for_each_attribute(
    value: dict[str, Any], expected: list[tuple[str, Any]]
) -> None:
    assert parsed(operation("replace", value=value)) == [(Op.REPLACE, path, typed) for path, typed in expected]


U1, U2 = {"value": "U1"}, {"value": "U2"}


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (operation("Add", "members", value=[{"$ref": None, "value": "U1"}]), [(Op.ADD, "members", [U1])]),
        (operation("add", "members", value={"value": "U1"}), [(Op.ADD, "members", [U1])]),
        (operation("add", "members", value=[{"value": "U1", "display": "Ada"}]), [(Op.ADD, "members", [U1])]),
        (operation("add", "members", value=[U1, {"value": "U2", "displayName": "x"}]), [(Op.ADD, "members", [U1, U2])]),
        (operation("add", "members", value=[]), []),
        (operation("add", "members", value=None), []),
        (
            operation("add", 'members[value eq "U1"]', value={"type": "User"}),
            [(Op.ADD, "members", [{**U1, "type": "User"}])],
        ),
        (operation("replace", "members", value=[U1]), [(Op.REPLACE, "members", [U1])]),
        (operation("replace", "members", value=[]), [(Op.REPLACE, "members", [])]),
        (operation("replace", value={"members": None}), [(Op.REPLACE, "members", [])]),
        (operation("replace", value={"displayName": "N", "id": "G"}), [(Op.REPLACE, "displayName", "N")]),
        (operation("remove", "members"), [(Op.REMOVE, "members", None)]),
        (operation("remove", "members", value=None), [(Op.REMOVE, "members", None)]),
        (operation("Remove", "members", value=[{"$ref": None, "value": "U1"}]), [(Op.REMOVE, "members", [U1])]),
        (operation("remove", "members", value=[]), []),
        (operation("remove", 'members[value eq "U-1"]', value=[]), [(Op.REMOVE, "members[...]", None)]),
        (operation("remove", 'members[value eq "U1"]'), [(Op.REMOVE, "members[...]", None)]),
        (operation("remove", 'members[value eq "U1"]', value=[U2]), [(Op.REMOVE, "members[...]", [U2])]),
        (operation("remove", 'members[value eq "U1"]', value=""), [(Op.REMOVE, "members[...]", None)]),
        (operation("remove", "members", value=""), []),
    ],
)
def test_membership_is_changed_by_row_operations(sent: dict[str, Any], expected: list[tuple[Op, str, Any]]) -> None:
    operations = patch.parse(message(sent), GROUPS)

    assert [(one.op, one.path.text, one.value) for one in operations] == expected
    assert all(patch.is_row_operation(one) is (one.path.attribute.name == "members") for one in operations)


def test_only_a_removal_of_rows_has_a_filter() -> None:
    operations = patch.parse(message(operation("add", 'members[value eq "U1"]', value={"type": "User"})), GROUPS)

    assert [one.path.filter for one in operations] == [None]


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (operation("remove"), NoTargetError),
        (operation("remove", ""), NoTargetError),
        (operation("remove", value={"title": "x"}), NoTargetError),
        (operation("replace", "id", value="x"), MutabilityError),
        (operation("remove", "meta.created"), MutabilityError),
        (operation("add", "groups", value=[{"value": "G"}]), MutabilityError),
        (operation("add", "manager.displayName", value="x"), MutabilityError),
        (operation("remove", "userName"), MutabilityError),
        (operation("remove", "schemas"), MutabilityError),
        (operation("remove", USER_URN), MutabilityError),
        (operation("replace", "userName", value=""), InvalidValueError),
        (operation("replace", value={"userName": None}), InvalidValueError),
        (operation("add", "unknown", value="x"), InvalidPathError),
        (operation("replace", "urn:unknown:2.0:User:x", value="x"), InvalidPathError),
        (operation("replace", "name.unknown", value="x"), InvalidPathError),
        (operation("replace", 7, value="x"), InvalidPathError),  # type: ignore[arg-type]
        (operation("replace", "emails[type eq work]", value="x"), InvalidFilterError),
        (operation("add", "title"), InvalidValueError),
        (operation("replace"), InvalidValueError),
        (operation("add", ENTERPRISE), InvalidValueError),
        (operation("add", ENTERPRISE, value=7), InvalidValueError),
        (operation("add", value=None), InvalidValueError),
        (operation("add", value=["x"]), InvalidValueError),
        (operation("add", value={"title": 7}), InvalidValueError),
        (operation("add", "active", value="yes"), InvalidValueError),
        (operation("add", "password", value=7), InvalidValueError),
        (operation("add", "name", value="x"), InvalidValueError),
        (operation("add", 'emails[type eq "work"]', value=["a", "b"]), InvalidValueError),
        (operation("remove", "emails", value=7), InvalidValueError),
        (operation("move", "title", value="x"), InvalidSyntaxError),
        ({"path": "title", "value": "x"}, InvalidSyntaxError),
        ({"op": ["add"], "path": "title", "value": "x"}, InvalidSyntaxError),
        ("add", InvalidSyntaxError),
    ],
)
def test_an_operation_that_breaks_a_rule_is_refused_by_its_number(sent: Any, error: type[SCIMError]) -> None:
    with pytest.raises(error, match=r"^Operation 2: "):
        parsed(operation("add", "title", value="x"), sent)


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (operation("remove", 'members[value eq "U1"].value'), MutabilityError),
        (operation("replace", 'members[value eq "U1"].value', value="U2"), MutabilityError),
        (operation("replace", 'members[value eq "U1"]', value=U2), MutabilityError),
        (operation("add", "members.value", value="U1"), MutabilityError),
        (operation("add", 'members[value eq "U1"].display', value="x"), MutabilityError),
        (operation("add", 'members[value sw "U"]', value={"type": "User"}), NoTargetError),
        (operation("add", 'members[type eq "User"]', value={}), InvalidValueError),
        (operation("add", "members", value=[{}]), InvalidValueError),
        (operation("add", "members", value=[{"display": "Ada"}]), InvalidValueError),
        (operation("remove", "members", value=[{}]), InvalidValueError),
        (operation("remove", "displayName"), MutabilityError),
    ],
)
def test_members_cannot_be_altered_in_place(sent: Any, error: type[SCIMError]) -> None:
    with pytest.raises(error):
        parsed(sent, resource_type=GROUPS)


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"schemas": [messages.PATCH_OP]},
        {"schemas": [messages.PATCH_OP], "Operations": []},
        {"schemas": [messages.PATCH_OP], "Operations": {}},
        {"schemas": messages.PATCH_OP, "Operations": [operation("remove", "title")]},
        {"schemas": [USER_URN], "Operations": [operation("remove", "title")]},
        {"Operations": [operation("remove", "title")]},
    ],
)
def test_a_body_that_is_no_patch_is_refused(body: Any) -> None:
    with pytest.raises(InvalidSyntaxError):
        patch.parse(body, USERS)


def test_too_many_operations_are_refused() -> None:
    with pytest.raises(PayloadTooLargeError):
        parsed(*[operation("remove", "title")] * 1_001)


def test_too_many_comparisons_are_refused() -> None:
    selection = " or ".join(['not (type eq "work")'] * 100)

    with pytest.raises(PayloadTooLargeError):
        parsed(*[operation("remove", f"emails[{selection}]")] * 21)


def test_very_many_members_fit_in_one_operation() -> None:
    members = [{"value": str(number)} for number in range(20_000)]

    assert parsed(operation("add", "members", value=members), resource_type=GROUPS) == [(Op.ADD, "members", members)]


def test_the_message_may_be_spelled_in_any_case() -> None:
    body = {"Schemas": [messages.PATCH_OP.upper()], "operations": [{"Op": "ADD", "Path": "title", "VALUE": "x"}]}
    used: Used = set()

    (found,) = patch.parse(body, USERS, used)

    assert (found.op, found.path.text, found.value) == (Op.ADD, "title", "x")
    assert used == {tolerances.KEY_CASE.name, tolerances.OPERATION_CASE.name}


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"path": None, "value": {"title": "x"}}, [(Op.REPLACE, "title", "x")]),
        ({"op": None, "value": {"title": None}}, [(Op.REMOVE, "title", None)]),
        (
            {"value": {"active": "False", "name": {"givenName": "A"}, "id": "7"}},
            [(Op.REPLACE, "active", False), (Op.REPLACE, "name.givenName", "A")],
        ),
    ],
)
def test_an_op_may_be_missing_where_it_makes_no_difference(sent: Any, expected: list[tuple[Op, str, Any]]) -> None:
    used: Used = set()

    found = patch.parse(message(sent), USERS, used)

    assert [(one.op, one.path.text, one.value) for one in found] == expected
    assert tolerances.MISSING_OP.name in used


@pytest.mark.parametrize(
    "sent",
    [
        {"value": {"emails": [{"value": "a"}]}},
        {"value": {"emails": None}},
        {"value": {'emails[type eq "work"].value': "a"}},
        {"value": {"title": "x", "emails": []}},
        {"value": "x"},
        {"path": "title", "value": "x"},
        {"path": "title"},
        {"op": None, "path": "title"},
        {},
    ],
)
def test_an_op_is_not_guessed_where_it_makes_a_difference(sent: Any) -> None:
    used: Used = set()

    with pytest.raises(InvalidSyntaxError, match="Operation 1: 'op'"):
        patch.parse(message(sent), USERS, used)
    assert tolerances.MISSING_OP.name not in used


def test_tolerances_are_noted() -> None:
    used: Used = set()

    patch.parse(
        message(
            operation("Replace", "active", value="False"),
            operation("replace", "", value={"id": "x", "unknown": 1, "name.givenName": "A"}),
            operation("replace", "manager", value=[{"value": "M"}]),
            operation("remove", "emails", value=["a"]),
            operation("add", 'roles[primary eq "True"].value', value='{"value":"25"}'),
        ),
        USERS,
        used,
    )

    expected = (
        tolerances.OPERATION_CASE,
        tolerances.STRING_BOOLEAN,
        tolerances.EMPTY_PATH,
        tolerances.READ_ONLY_ATTRIBUTE,
        tolerances.UNKNOWN_ATTRIBUTE,
        tolerances.DOTTED_KEY,
        tolerances.UNQUALIFIED_EXTENSION,
        tolerances.WRAPPED_SINGLE,
        tolerances.REMOVE_BY_VALUE,
        tolerances.BARE_VALUE,
        tolerances.JSON_TEXT,
    )
    assert used == {tolerance.name for tolerance in expected}


def test_what_the_rfc_knows_needs_no_tolerance() -> None:
    used: Used = set()

    patch.parse(
        message(
            operation("replace", "active", value=False),
            operation("replace", value={"title": "x", ENTERPRISE: {"department": "d"}}),
            operation("add", 'emails[type eq "work"].value', value="a"),
            operation("remove", f"{ENTERPRISE}:manager"),
        ),
        USERS,
        used,
    )

    assert used == set()


@pytest.mark.parametrize("resource_type", [*ALL, THINGS], ids=lambda resource_type: resource_type.name)
def test_a_read_only_attribute_is_refused_as_a_path_and_ignored_in_a_value(resource_type: ResourceType) -> None:
    for schema, attribute in resource_type.walk():
        if attribute.is_writable:
            continue
        name = f"{schema.id}:{attribute.name}"

        with pytest.raises(MutabilityError):
            parsed(operation("replace", name, value="x"), resource_type=resource_type)
        assert parsed(operation("replace", value={name: "x"}), resource_type=resource_type) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("title", "x"),
        ('emails[type eq "wo]rk\\"" and value co "a"].value', "x"),
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager", "x"),
        ("emails", [{"type": "work", "value": "x"}]),
    ],
)
def test_what_is_written_down_is_read_back(path: str, value: Any) -> None:
    operations = patch.parse(message(operation("replace", path, value=value)), USERS)

    restored = patch.restore(patch.document(operations), USERS)

    assert restored == operations
    assert operations


def test_a_password_cannot_be_written_down_before_it_is_hashed() -> None:
    operations = patch.parse(message(operation("replace", value={"password": "x", "title": "y"})), USERS)

    with pytest.raises(TypeError):
        orjson.dumps(patch.document(operations))
    with pytest.raises(TypeError):
        json.dumps(patch.document(operations))
