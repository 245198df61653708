"""What is immutable is given once: whatever replaces or removes what is around it, it stays as it is."""

from typing import Any

import pytest

from shared.scim import extension_files, mutability, patch, patching, resource_types
from shared.scim.errors import MutabilityError
from tests.unit.scim.bodies import message, operation

URN = "urn:example:locks:1.0:User"
SUB_ATTRIBUTES = [
    {"name": "value"},
    {"name": "type"},
    {"name": "note"},
    {"name": "cut", "mutability": "immutable"},
    {"name": "code", "mutability": "writeOnly", "returned": "never"},
]
EXTENSION = extension_files.read(
    {
        "resourceType": "User",
        "id": URN,
        "name": "Locks",
        "attributes": [
            {"name": "safe", "type": "complex", "subAttributes": SUB_ATTRIBUTES},
            {"name": "keys", "type": "complex", "multiValued": True, "subAttributes": SUB_ATTRIBUTES},
        ],
    }
)
USERS = resource_types.extended([("User", EXTENSION.schema)]).by_name["User"]
KEY = {"value": "k", "cut": "1", "code": "c", "note": "n"}
OTHER = {"value": "o", "cut": "9"}
SAFE = {"value": "s", "cut": "1"}


def patched(before: dict[str, Any], *operations: dict[str, Any]) -> dict[str, Any]:
    """Return the extension after a PATCH of a resource that has it so."""
    resource = {"userName": "ada", URN: before}
    after = patching.apply(patch.parse(message(*operations), USERS), resource)
    mutability.check(USERS, resource, after)
    extension: dict[str, Any] = after.get(URN, {})
    return extension


@pytest.mark.parametrize(
    "operations",
    [
        [operation("replace", f"{URN}:keys", value=[{"value": "k", "cut": "2"}])],
        [operation("replace", f"{URN}:keys", value=[{"value": "K", "cut": "2"}, OTHER])],
        [operation("replace", value={URN: {"keys": [{"value": "k", "cut": "2"}]}})],
        [operation("add", f"{URN}:keys", value=[{"value": "k", "cut": "2"}])],
        [operation("replace", f'{URN}:keys[value eq "k"]', value={"cut": "2"})],
        [operation("remove", f'{URN}:keys[value eq "k"].cut')],
        [operation("replace", f"{URN}:safe.cut", value="2")],
        [operation("remove", f"{URN}:safe")],
        [operation("replace", f"{URN}:safe", value=None)],
        [operation("remove", f"{URN}:safe"), operation("add", f"{URN}:safe", value={"cut": "2"})],
        [operation("remove", URN)],
    ],
)
def test_what_is_immutable_gets_no_other_value(operations: list[dict[str, Any]]) -> None:
    with pytest.raises(MutabilityError, match=rf"{URN}:(keys|safe)(\[\.\.\.\])?\.cut is immutable"):
        patched({"keys": [KEY, OTHER], "safe": SAFE}, *operations)


@pytest.mark.parametrize(
    ("operations", "after"),
    [
        (
            [operation("replace", f"{URN}:keys", value=[{"value": "k"}])],
            {"keys": [{"value": "k", "cut": "1", "code": "c"}]},
        ),
        (
            [operation("replace", f'{URN}:keys[value eq "k"]', value={"note": "m"})],
            {"keys": [{"value": "k", "cut": "1", "code": "c", "note": "m"}]},
        ),
        ([operation("replace", f"{URN}:keys", value=[OTHER])], {"keys": [OTHER]}),
        (
            [operation("replace", f"{URN}:keys", value=[{"value": "k", "type": "door", "cut": "2"}])],
            {"keys": [{"value": "k", "type": "door", "cut": "2"}]},
        ),
        (
            [operation("remove", f"{URN}:keys"), operation("add", f"{URN}:keys", value=[{"value": "k", "cut": "2"}])],
            {"keys": [{"value": "k", "cut": "2"}]},
        ),
    ],
)
def test_an_element_keeps_what_is_immutable_while_it_is_there(
    operations: list[dict[str, Any]], after: dict[str, Any]
) -> None:
    assert patched({"keys": [KEY]}, *operations) == after


def test_an_object_that_is_removed_may_come_back_in_the_same_message() -> None:
    again = operation("add", f"{URN}:safe", value={"note": "n", "cut": "1"})

    assert patched({"safe": SAFE}, operation("remove", f"{URN}:safe"), again) == {"safe": {"note": "n", "cut": "1"}}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, {URN: {"safe": {"cut": "1"}}}),
        ({URN: {"safe": {"value": "t"}}}, {URN: {"safe": {"value": "t", "cut": "1"}}}),
        (
            {URN: {"keys": [{"value": "k"}, {"value": "n"}]}},
            {URN: {"keys": [{"value": "k", "cut": "1", "code": "c"}, {"value": "n"}], "safe": {"cut": "1"}}},
        ),
    ],
)
def test_a_replacement_keeps_what_is_immutable(given: dict[str, Any], kept: dict[str, Any]) -> None:
    assert mutability.keep(USERS, {URN: {"keys": [KEY], "safe": SAFE}}, given) == kept


def test_a_replacement_with_another_value_for_an_element_is_refused() -> None:
    with pytest.raises(MutabilityError, match=f"{URN}:keys.cut is immutable"):
        mutability.keep(USERS, {URN: {"keys": [KEY]}}, {URN: {"keys": [{"value": "k", "cut": "2"}]}})
