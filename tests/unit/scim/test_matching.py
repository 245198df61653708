"""The evaluator in memory follows the common table of cases, and what concerns no column of a User."""

import sys
from typing import Any

import pytest

from shared.scim import filters, matching
from shared.scim.resource_types import GROUPS, USERS
from tests.unit.scim.bodies import THINGS
from tests.unit.scim.filter_cases import CASES


@pytest.mark.parametrize(
    ("text", "resource", "expected"), CASES, ids=[f"{text} of {user['userName']}" for text, user, _ in CASES]
)
def test_filters_mean_what_the_table_says(text: str, resource: dict[str, Any], *, expected: bool) -> None:
    assert matching.matches(filters.parse(text, USERS), resource) is expected


META = {"id": "Id-1", "schemas": [USERS.schema.id], "meta": {"lastModified": "2026-01-02T03:04:05+02:00"}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('id eq "Id-1"', True),
        ('id eq "id-1"', False),
        (f'schemas eq "{USERS.schema.id}"', True),
        ('schemas eq "urn:x"', False),
        ("schemas pr", True),
        ('meta.lastModified eq "2026-01-02T01:04:05Z"', True),
        ('meta.lastModified gt "2026-01-02T01:04:04.999Z"', True),
        ('meta.lastModified lt "2026-01-02T01:04:05"', False),
        ('meta.created lt "2026-01-02T01:04:05"', False),
        ("meta pr", True),
    ],
)
def test_common_attributes_are_compared_by_their_types(text: str, *, expected: bool) -> None:
    assert matching.matches(filters.parse(text, USERS), META) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [('members eq "U1"', True), ('members eq "u1"', False), ('members[value eq "U2" and type eq "group"]', True)],
)
def test_a_group_is_found_by_its_members(text: str, *, expected: bool) -> None:
    group = {"displayName": "g", "members": [{"value": "U1"}, {"value": "U2", "type": "Group"}]}

    assert matching.matches(filters.parse(text, GROUPS), group) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("count eq 7", True),
        ("count gt 6.0", True),
        ("weight lt 0.6", True),
        ("weight eq 0.5", True),
        ('picture eq "QQ=="', True),
        ('owners[since lt "2026-01-01T00:00:00Z"]', True),
        ('nickNames eq "X"', True),
        ('nickNames eq "z"', False),
    ],
)
def test_numbers_and_dates_are_compared_by_their_value(text: str, *, expected: bool) -> None:
    thing = {
        "count": 7,
        "weight": 0.5,
        "picture": "QQ==",
        "owners": [{"value": "x", "since": "2025-12-31T23:59:59Z"}],
        "nickNames": ["x", "y"],
    }

    assert matching.matches(filters.parse(text, THINGS), thing) is expected


def test_a_text_is_folded_letter_by_letter() -> None:
    """One letter stays one, whatever is around it: so it is in SQL."""
    letters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]

    assert matching.fold("".join(letters)) == "".join(letter.lower()[0] for letter in letters)
    assert matching.fold("\u039f\u03a3 \u0130X") == "\u03bf\u03c3 ix"
