"""Keys are known whatever their case, so of two spellings neither may be dropped; many are cheap."""

from typing import Any

import pytest

from shared.scim import bulk, documents, keys, patch, projection, validation
from shared.scim.errors import InvalidSyntaxError, InvalidValueError, PayloadTooLargeError
from shared.scim.resource_types import USERS
from tests.unit.scim.bodies import ENTERPRISE, USER_URN, message, operation

USER = {"schemas": [USER_URN], "userName": "ada"}


@pytest.mark.parametrize(
    "more",
    [
        {"USERNAME": "bob"},
        {"name": {"givenName": "Ada", "GivenName": "Bob"}},
        {"emails": [{"value": "a", "Value": "b"}]},
        {ENTERPRISE: {"department": "a", "Department": "b"}},
        {ENTERPRISE: {}, ENTERPRISE.upper(): {}},
        {"unknown": 1, "Unknown": 2},
    ],
)
def test_a_resource_with_one_attribute_in_two_spellings_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(InvalidSyntaxError, match="twice, in two spellings"):
        validation.resource(USERS, USER | more)


@pytest.mark.parametrize(
    "sent",
    [
        {**message(operation("remove", "title")), "operations": []},
        message({"op": "remove", "path": "title", "Path": "active"}),
        message(operation("replace", value={"title": "a", "Title": "b"})),
    ],
)
def test_a_patch_with_one_key_in_two_spellings_is_refused(sent: dict[str, Any]) -> None:
    with pytest.raises(InvalidSyntaxError, match="twice, in two spellings"):
        patch.parse(sent, USERS)


def test_a_bulk_request_with_one_key_in_two_spellings_is_refused() -> None:
    with pytest.raises(InvalidSyntaxError, match="The body has 'operations' twice"):
        bulk.parse({"Operations": [], "operations": []}, 10)


def test_keys_are_folded() -> None:
    assert keys.folded({"FILTER": "x", "count": 1}, "The body") == {"filter": "x", "count": 1}


def test_very_many_unknown_keys_are_ignored() -> None:
    unknown = {f"unknown{number}": number for number in range(80_000)}

    assert validation.resource(USERS, USER | unknown) == validation.resource(USERS, USER)
    assert list(documents.flatten({ENTERPRISE: unknown}, USERS)) == []


def test_more_keys_that_are_paths_than_anybody_needs_are_refused() -> None:
    unknown = {f"unknown.sub{number}": number for number in range(80_000)}

    for document in (unknown, {ENTERPRISE: unknown}):
        with pytest.raises(InvalidSyntaxError, match="at most 200000 characters of keys"):
            list(documents.flatten(document, USERS))


def test_longer_paths_than_anybody_needs_are_refused() -> None:
    long = operation("remove", f'emails[value eq "{"a" * 8_000}"]')

    with pytest.raises(PayloadTooLargeError, match="paths of all operations take at most 200000"):
        patch.parse(message(*[long] * 26), USERS)


@pytest.mark.parametrize(("attributes", "excluded"), [(True, False), (False, True)])
def test_more_names_than_anybody_needs_are_refused(*, attributes: bool, excluded: bool) -> None:
    names = ",".join(f"a.b{number}" for number in range(1_001))

    with pytest.raises(InvalidValueError, match="ttributes' takes at most 1000 names"):
        projection.parse(names if attributes else None, names if excluded else None, USERS)


def test_a_name_that_is_there_very_often_counts_once() -> None:
    assert projection.parse(",".join(["title"] * 100_000), None, USERS) == projection.parse("title", None, USERS)
