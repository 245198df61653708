"""Filters are parsed completely, typed by the registry, or refused quickly with the place of the mistake."""

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.scim import filters, paths
from shared.scim.errors import InvalidFilterError
from shared.scim.filters import And, Comparison, ElementMatch, Filter, Not, Operator, Or, Present
from shared.scim.resource_types import GROUPS, USERS
from tests.unit.scim.bodies import THINGS
from tests.unit.scim.filter_cases import CASES


def comparison(text: str, operator: Operator, value: object) -> Comparison:
    return Comparison(paths.reference(text, USERS), operator, value)  # type: ignore[arg-type]


A = comparison("title", Operator.EQ, "a")
B = comparison("nickName", Operator.NE, "b")
C = Present(paths.reference("displayName", USERS))
TYPE = comparison("emails.type", Operator.EQ, "work")
VALUE = comparison("emails.value", Operator.EQ, "x")
EMAILS = paths.reference("emails", USERS)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ('title eq "a"', A),
        ('title eq"a"', A),
        ('  title\teq\n"a"  ', A),
        ('title eq "a" or nickName ne "b" and displayName pr', Or((A, And((B, C))))),
        ('(title eq "a" or nickName ne "b") and displayName pr', And((Or((A, B)), C))),
        ('title eq "a" and nickName ne "b" and displayName pr', And((A, B, C))),
        ('title eq "a" OR nickName ne "b" or displayName PR', Or((A, B, C))),
        ('not(title eq "a") and NOT (nickName ne "b")', And((Not(A), Not(B)))),
        ('not ((title eq "a" or nickName ne "b"))', Not(Or((A, B)))),
        ('emails[type eq "work"]', ElementMatch(EMAILS, TYPE)),
        ('emails[type eq "work" and value eq "x"]', ElementMatch(EMAILS, And((TYPE, VALUE)))),
        ('emails[type eq "work"].value eq "x"', ElementMatch(EMAILS, And((TYPE, VALUE)))),
        ('emails[type eq "work"] eq "x"', ElementMatch(EMAILS, And((TYPE, VALUE)))),
        ('emails[type eq "work"] and title eq "a"', And((ElementMatch(EMAILS, TYPE), A))),
        ('emails[type eq "work"].value pr', ElementMatch(EMAILS, And((TYPE, Present(VALUE.path))))),
        ('emails eq "x"', VALUE),
        ("title eq null", comparison("title", Operator.EQ, None)),
        ("active eq TRUE", comparison("active", Operator.EQ, value=True)),
        ('title eq "\\u0041\\n\\/"', comparison("title", Operator.EQ, "A\n/")),
        ('title eq "\\ud83d\\ude00"', comparison("title", Operator.EQ, "😀")),
    ],
)
def test_a_filter_becomes_a_tree(text: str, tree: Filter) -> None:
    assert filters.parse(text, USERS) == tree


@pytest.mark.parametrize("operator", Operator)
def test_every_operator_compares_strings_in_any_case(operator: Operator) -> None:
    parsed = filters.parse(f'title {operator.upper()} "a"', USERS)

    assert parsed == comparison("title", operator, "a")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("count eq 7", 7),
        ("count eq 7.0", 7),
        ("count gt 7e2", 700),
        ("count lt -7", -7),
        ("weight ge 0.5", Decimal("0.5")),
        ("weight eq 1E-3", Decimal("0.001")),
        ('bought gt "2026-01-02T03:04:05Z"', datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ('bought gt "2026-01-02T03:04:05"', datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (
            'bought le "2026-01-02T03:04:05.25+02:00"',
            datetime(2026, 1, 2, 3, 4, 5, 250_000, tzinfo=timezone(timedelta(hours=2))),
        ),
        ('picture eq "QQ=="', "QQ=="),
        ('meta.lastModified gt "2026-01-02T03:04:05Z"', datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    ],
)
def test_a_literal_has_the_type_of_its_attribute(text: str, value: object) -> None:
    parsed = filters.parse(text, THINGS)

    assert isinstance(parsed, Comparison)
    assert parsed.value == value
    assert type(parsed.value) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "count eq 7.5",
        "count eq 9223372036854775808",
        'count eq "7"',
        "count eq true",
        "count co 7",
        "count pr 7",
        'weight eq "1"',
        "weight eq 1e999",
        "weight eq 01",
        "weight eq 1.",
        "weight eq .5",
        "weight eq +1",
        "weight eq NaN",
        f"weight eq {'9' * 50}",
        'bought gt "yesterday"',
        'bought gt "2026-13-02T03:04:05Z"',
        'bought gt "2026-01-02"',
        "bought gt 2026",
        'bought sw "2026"',
        'picture gt "QQ=="',
        'picture co "QQ=="',
        "maker pr and secret pr",
        "maker.secret pr",
        'maker eq "x"',
    ],
)
def test_a_comparison_of_what_cannot_be_compared_is_refused(text: str) -> None:
    with pytest.raises(InvalidFilterError):
        filters.parse(text, THINGS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "title",
        "title eq",
        'eq "a"',
        '"title" eq "a"',
        'title like "a"',
        "title eq a",
        "title eq 'a'",
        'title eq "a',
        'title eq "a\\x"',
        'title eq "a\\u12"',
        'title eq "a\x01"',
        'title eq "\\u0000"',
        'title eq "\\ud800"',
        'title eq "a" "b"',
        'title eq "a" and',
        'and title eq "a"',
        'title eq "a" nickName eq "b"',
        'title eq "a" xor nickName eq "b"',
        '(title eq "a"',
        'title eq "a")',
        "()",
        'not title eq "a"',
        'not not (title eq "a")',
        "title eq 7",
        "title eq true",
        "title gt null",
        "title co null",
        "title eq (",
        "title pr pr",
        "active gt true",
        'active eq "yes"',
        "active eq 1",
        'active co "true"',
        'unknown eq "a"',
        'name.unknown eq "a"',
        'name eq "a"',
        'addresses eq "a"',
        'name.familyName[value eq "a"]',
        'name[unknown eq "a"]',
        'name[familyName eq "a"] eq "b"',
        'title[value eq "a"]',
        'emails.value[type eq "a"]',
        'emails[type eq "a"',
        'emails[type eq "a")',
        "emails[]",
        'emails[emails.type eq "a"]',
        'emails[value[type eq "a"]]',
        'emails[type eq "a"].unknown eq "b"',
        'emails[type eq "a"].value',
        'emails[type eq "a"]. value eq "b"',
        'addresses[type eq "a"] eq "b"',
        'password eq "a"',
        "password pr",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User pr",
        'members eq "x"',
    ],
)
def test_a_malformed_filter_is_refused(text: str) -> None:
    with pytest.raises(InvalidFilterError):
        filters.parse(text, USERS)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ('title eq "a" foo', 14),
        ("title eq x", 10),
        ('title eq "a" and (nickName ~ "b")', 28),
        ("unknown pr", 1),
        ("title pr and password pr", 14),
        ("title pr or title eq 5", 22),
        ("title gt null", 10),
        ('title pr and active eq "maybe"', 24),
        ("title pr and active gt true", 21),
        ('title pr and name eq "x"', 19),
        ("emails[type pr and primary gt true]", 28),
        ('meta.created gt "yesterday"', 17),
    ],
)
def test_the_detail_names_the_place_of_the_mistake(text: str, position: int) -> None:
    with pytest.raises(InvalidFilterError, match=rf"position {position}\b"):
        filters.parse(text, USERS)


def test_the_detail_does_not_show_the_value() -> None:
    with pytest.raises(InvalidFilterError) as caught:
        filters.parse("userName eq secret@example.com", USERS)

    assert "secret" not in caught.value.detail


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000,
        "(" * 8_000,
        "(" * 33 + "title pr" + ")" * 33,
        "not (" * 1_500,
        "emails[" * 1_000,
        " or ".join(["title pr"] * 700),
        " and ".join(["title pr"] * 201),
        " or ".join(["title pr"] * 5_000),
        "emails[" + " or ".join(["value pr"] * 250) + "]",
        'title eq "' + "x" * 1_000_000 + '"',
        'title eq "' + "\\" * 8_000,
        "x" * 8_192,
        " " * 8_192,
        '"' * 8_191,
    ],
    ids=lambda text: f"{text[:20]} * {len(text)}",
)
def test_a_hostile_filter_is_refused_at_once(text: str) -> None:
    start = time.perf_counter()

    with pytest.raises(InvalidFilterError):
        filters.parse(text, USERS)

    assert time.perf_counter() - start < 1


def test_a_filter_at_the_limits_is_parsed() -> None:
    deep = "(" * 32 + "title pr" + ")" * 32
    long = " or ".join(["title pr"] * 200)

    assert isinstance(filters.parse(deep, USERS), Present)
    assert isinstance(filters.parse(long, USERS), Or)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("title pr", 1),
        ('title pr and nickName eq "x" or not (title pr)', 3),
        ('emails[type eq "work"].value eq "x" and title pr', 3),
    ],
)
def test_a_filter_has_the_size_of_its_comparisons(text: str, size: int) -> None:
    assert filters.size(filters.parse(text, USERS)) == size


def test_the_members_of_a_group_are_compared_by_value() -> None:
    parsed = filters.parse('id eq "G" and members eq "U"', GROUPS)

    assert isinstance(parsed, And)
    assert [term.path.text for term in parsed.terms if isinstance(term, Comparison)] == ["id", "members.value"]


FRAGMENTS = st.sampled_from(
    [*{part for text, _, _ in CASES for part in text.split()}, "(", ")", "[", "]", '"', "\\", ".", "not", "pr"]
)


@settings(deadline=None)
@given(st.one_of(st.text(), st.lists(FRAGMENTS).map(" ".join)))
def test_any_text_is_a_filter_or_refused(text: str) -> None:
    with suppress(InvalidFilterError):
        assert filters.parse(text, USERS) == filters.parse(f"({text})", USERS)
