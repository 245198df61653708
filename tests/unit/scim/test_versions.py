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
        ('""', False),
        ('W/"", "7"', True),
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


def test_the_tag_of_an_answer_tells_what_it_shows_of_others() -> None:
    alone, one, other = (versions.of_shown('W/"7"', told) for told in ([], [["A"]], [["B"]]))

    assert alone == 'W/"7"'
    assert len({alone, one, other}) == 3
    assert versions.of_shown('W/"7"', [["A"]]) == one
    assert [versions.of_resource(each) for each in (alone, one, other)] == ['W/"7"'] * 3
    assert [versions.number(each) for each in (alone, one, other)] == [7] * 3
    assert all(versions.matches(each, 7) and not versions.matches(each, 8) for each in (alone, one, other))


def test_an_answer_is_named_with_all_that_it_shows() -> None:
    alone, one = (versions.of_shown('W/"7"', told) for told in ([], [["A"]]))

    assert versions.is_named(one, one)
    assert versions.is_named(one, f'"1", {one.removeprefix("W/")}')
    assert versions.is_named(one, one.removeprefix("W/").strip('"'))
    assert versions.is_named(one, "*")
    assert not versions.is_named(one, alone)
    assert not versions.is_named(alone, one)
    assert not versions.is_named(alone, "")
