"""Versions are weak entity tags, compared as RFC 9110 says."""

import pytest

from shared.scim import versions


def test_a_version_becomes_a_weak_entity_tag() -> None:
    assert versions.etag(7) == 'W/"7"'


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('W/"7"', True),
        ('"7"', True),
        ("7", True),
        ("W/7", True),
        ('w/"7"', True),
        ("*", True),
        (" * ", True),
        ('"1", W/"7"', True),
        ('"1","7" , "9"', True),
        ("1, 7", True),
        ('W/"8"', False),
        ('W/"77"', False),
        ('"1", "2"', False),
        ('"1,7"', False),
        ('"', False),
        ("", False),
        ('"*"', False),
        ('"a"7"', False),
    ],
)
def test_a_header_names_the_version_or_not(header: str, *, expected: bool) -> None:
    assert versions.matches(header, 7) is expected


def test_our_own_tag_matches() -> None:
    assert versions.matches(versions.etag(12), 12)


def test_our_own_tag_names_its_version() -> None:
    assert versions.number(versions.etag(12)) == 12
