"""What employees are found by, and what somebody types to find them."""

import pytest

from services.directory import searching
from shared.scim.resource_types import GROUPS, USERS
from shared.scim.schemas import enterprise

ADA = {
    "userName": "ada.lovelace@example.com",
    "displayName": "Ada Lovelace",
    "name": {"givenName": "Áda", "familyName": "Lovelace", "formatted": "Countess Ada"},
    "emails": [{"value": "Ada@Home.example", "type": "home"}, {"type": "work"}],
    "title": "Analyst",
    enterprise.URN: {"employeeNumber": "1815", "department": "Engines"},
}


def test_the_text_has_each_searched_value_once_and_no_other() -> None:
    assert searching.text(USERS, ADA) == (
        " ada.lovelace@example.com countess ada lovelace ada ada lovelace ada@home.example 1815"
    )


def test_nothing_is_searched_of_roles() -> None:
    assert searching.text(GROUPS, {"displayName": "Readers"}) is None


def test_the_text_is_bounded() -> None:
    text = searching.text(USERS, {"userName": "a" * 100_000})

    assert text is not None
    assert len(text) == searching.LONGEST_TEXT


@pytest.mark.parametrize(
    ("typed", "patterns"),
    [
        ("", []),
        ("  ", []),
        ("LOVE", ["%love%"]),
        ("Müller  anna", ["%muller%", "%anna%"]),
        ("lo", ["% lo%"]),
        ("100%_\\", ["%100\\%\\_\\\\%"]),
        ("a b c d e f g h i j", [f"% {letter}%" for letter in "abcdefgh"]),
        ("Straße", ["%strasse%"]),
    ],
)
def test_words_become_patterns(typed: str, patterns: list[str]) -> None:
    assert searching.patterns(typed) == patterns
