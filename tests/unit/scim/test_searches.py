"""What a query asks for is read once, whether it comes as parameters or as a message."""

from typing import Any

import pytest

from shared.scim import filters, messages, searches
from shared.scim.attributes import Attribute, ResourceType, Returned, Schema, Type
from shared.scim.errors import InvalidFilterError, InvalidPathError, InvalidSyntaxError, InvalidValueError
from shared.scim.resource_types import USERS
from shared.scim.searches import Search
from tests.unit.scim import badge

VAULTS = ResourceType(
    name="Vault",
    endpoint="/Vaults",
    description="Vaults",
    schema=Schema(
        id="urn:example:Vault",
        name="Vault",
        description="A vault.",
        attributes=(
            Attribute(
                name="codes",
                description="What opens it.",
                type=Type.COMPLEX,
                multi_valued=True,
                sub_attributes=(
                    Attribute(name="value", description="The code.", returned=Returned.NEVER),
                    Attribute(name="type", description="Whose code."),
                ),
            ),
        ),
    ),
)


@pytest.mark.parametrize(
    ("text", "resource_type"),
    [
        ("password", USERS),
        (f"{badge.URN}:pin", badge.USERS),
        ("pin", badge.USERS),
        ("codes.value", VAULTS),
        ("codes", VAULTS),
    ],
)
def test_what_is_never_shown_gives_no_order(text: str, resource_type: ResourceType) -> None:
    with pytest.raises(InvalidPathError, match="may not be sorted by"):
        searches.sort_path(text, resource_type)


@pytest.mark.parametrize("text", ['codes eq "7"', 'codes.value eq "7"', 'codes[value eq "7"]', 'codes[type pr] eq "7"'])
def test_what_is_never_shown_selects_nothing(text: str) -> None:
    with pytest.raises(InvalidFilterError, match="may not be filtered by"):
        filters.parse(text, VAULTS)


def request(**members: Any) -> dict[str, Any]:
    return {"schemas": [messages.SEARCH_REQUEST], **members}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"FILTER": 'userName eq "ada"'}, Search(filter='userName eq "ada"')),
        ({"sortby": "title", "SORTORDER": "Descending"}, Search(sort_by="title", is_descending=True)),
        ({"startindex": 2, "Count": 3}, Search(start_index=2, count=3)),
        ({"CURSOR": "", "excludedattributes": ["emails"]}, Search(cursor="", excluded="emails")),
        ({"Attributes": ["userName", "title"], "other": 1}, Search(attributes="userName,title")),
    ],
)
def test_the_keys_of_a_search_request_know_no_case(members: dict[str, Any], expected: Search) -> None:
    assert searches.of_message(request(**members)) == expected


def test_a_key_in_two_spellings_is_refused() -> None:
    with pytest.raises(InvalidSyntaxError, match="'Filter' twice"):
        searches.of_message(request(filter="title pr", Filter="userName pr"))


@pytest.mark.parametrize(("count", "expected"), [(1e20, 10**18), (-1e300, -(10**18)), (2.0, 2), ("0007", 7), (7, 7)])
def test_a_count_beyond_all_lists_is_as_good_as_the_largest(count: Any, expected: int) -> None:
    assert searches.of_message(request(count=count)).count == expected


@pytest.mark.parametrize("count", [1.5, True, "x", [], float("nan")])
def test_a_count_that_is_no_whole_number_is_refused(count: Any) -> None:
    with pytest.raises(InvalidValueError, match="count"):
        searches.of_message(request(count=count))


def test_parameters_are_known_whatever_their_case_and_others_are_ignored() -> None:
    given = [("FILTER", "a"), ("startindex", "2"), ("aadOptscim062020", ""), ("aadOptscim062020", "")]

    assert searches.parameters(given) == {"filter": "a", "startIndex": "2"}


def test_a_parameter_that_is_given_twice_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="count is given twice"):
        searches.parameters([("count", "2"), ("Count", "5")])


@pytest.mark.parametrize("body", [["a"], {}, {"schemas": ["urn:x"]}])
def test_what_is_no_search_request_is_refused(body: Any) -> None:
    with pytest.raises(InvalidSyntaxError):
        searches.of_message(body)
