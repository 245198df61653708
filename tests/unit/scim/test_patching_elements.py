"""Elements are added, merged and removed by their identity, and immutable parts stay as they are."""

from typing import Any

import pytest

from shared.scim import validation
from shared.scim.errors import InvalidValueError, MutabilityError, PayloadTooLargeError
from shared.scim.resource_types import USERS
from tests.unit.scim.bodies import HOME, MAILS, THINGS, WORK, operation, patched


@pytest.mark.parametrize(
    "sent",
    [
        operation("add", "emails", value=[{"value": "n", "primary": True}]),
        operation("add", value={"emails": [{"value": "n", "primary": "True"}]}),
        operation("add", 'emails[value eq "n"].primary', value=True),
        operation("replace", 'emails[value eq "n"]', value={"value": "n", "primary": True}),
    ],
)
@pytest.mark.parametrize("present", [[], [{"value": "n"}]])
def test_a_new_primary_value_ends_the_old_one(sent: dict[str, Any], present: list[dict[str, Any]]) -> None:
    before = {"emails": [{**WORK, "primary": True}, *present]}

    after = patched(before, sent)

    assert after == {"emails": [{**WORK, "primary": False}, {"value": "n", "primary": True}]}


def test_two_values_made_primary_at_once_are_left_for_validation_to_refuse() -> None:
    two = [{"value": "a", "primary": True}, {"value": "b", "primary": True}]

    after = patched({"userName": "ada"}, operation("add", "emails", value=two))

    with pytest.raises(InvalidValueError):
        validation.check(USERS, after)


def test_a_value_that_is_not_primary_leaves_the_primary_one() -> None:
    before = {"emails": [{**WORK, "primary": True}]}

    after = patched(before, operation("add", "emails", value=[{"value": "n", "primary": False}]))

    assert after == {"emails": [{**WORK, "primary": True}, {"value": "n", "primary": False}]}


def test_the_same_value_of_another_type_is_another_element() -> None:
    after = patched({"emails": [WORK]}, operation("add", "emails", value=[{**WORK, "type": "home"}]))

    assert after == {"emails": [WORK, {**WORK, "type": "home"}]}


def test_an_element_without_a_value_is_added_once() -> None:
    address = {"type": "work", "country": "AT"}

    after = patched({"addresses": [address]}, operation("add", "addresses", value=[address, {"country": "DE"}]))

    assert after == {"addresses": [address, {"country": "DE"}]}


@pytest.mark.parametrize(
    ("listed", "after"),
    [
        ([{"value": "WORK@example.com"}], {"emails": [HOME]}),
        ([{**WORK, "primary": True, "display": "whatever"}], {"emails": [HOME]}),
        ([{"value": WORK["value"], "type": "home"}], MAILS),
        ([{"type": "home"}], {"emails": [WORK]}),
        ([WORK, HOME], {}),
        ("nobody", MAILS),
        ([{"primary": True}], MAILS),
        ([], MAILS),
    ],
)
def test_a_removal_with_a_value_removes_what_it_lists(listed: Any, after: dict[str, Any]) -> None:
    assert patched(MAILS, operation("Remove", "emails", value=listed)) == after


@pytest.mark.parametrize(
    ("path", "value", "removed"),
    [
        ("title", "X", True),
        ("title", "y", False),
        ("name", {"givenName": "Ada"}, True),
        ("name", {"givenName": "Bob"}, False),
        ("name.givenName", "ada", True),
        ("name.givenName", "Bob", False),
        ("nickName", "x", True),
    ],
)
def test_a_removal_of_a_singular_value_removes_no_other(path: str, value: Any, *, removed: bool) -> None:
    before: dict[str, Any] = {"title": "x", "name": {"givenName": "Ada"}}

    after = patched(before, operation("remove", path, value=value))

    name = path.partition(".")[0]
    assert after == ({key: kept for key, kept in before.items() if key != name} if removed else before)


@pytest.mark.parametrize(
    ("path", "value", "after"),
    [
        ('emails[type eq "work"]', {"value": "work@example.com"}, {"emails": [HOME]}),
        ('emails[type eq "work"]', {"value": "x"}, MAILS),
        ('emails[type eq "work"].value', "work@example.com", {"emails": [HOME]}),
        ('emails[type eq "work"].value', "x", MAILS),
    ],
)
def test_a_removal_from_selected_elements_removes_no_other_value(path: str, value: Any, after: dict[str, Any]) -> None:
    assert patched(MAILS, operation("remove", path, value=value)) == after


def test_simple_values_are_added_and_removed() -> None:
    after = patched(
        {"nickNames": ["a"]},
        operation("add", "nickNames", value=["A", "b", "c"]),
        operation("remove", "nickNames", value=["C"]),
        resource_type=THINGS,
    )

    assert after == {"nickNames": ["a", "b"]}


def test_an_attribute_takes_a_bounded_number_of_values() -> None:
    many = [[{"value": f"{half}-{number}"} for number in range(400)] for half in "ab"]

    with pytest.raises(InvalidValueError, match="at most 500"):
        patched({}, *[operation("add", "emails", value=values) for values in many])


LONG_FILTER = " or ".join(['value eq "x"'] * 199)
MANY = {"emails": [{"value": f"{number}@example.com"} for number in range(500)]}
LARGE = {"emails": [{"value": "x" * 8_000} for _ in range(500)]}


@pytest.mark.parametrize(
    ("before", "sent"),
    [
        (MANY, [operation("remove", f"emails[{LONG_FILTER}]")] * 10),
        (LARGE, [operation("remove", f"emails[{LONG_FILTER}]")]),
        (LARGE, [operation("remove", "emails", value=[{"value": "y"}])] * 30),
    ],
)
def test_what_would_hold_up_others_is_refused(before: dict[str, Any], sent: list[dict[str, Any]]) -> None:
    with pytest.raises(PayloadTooLargeError, match=r"Operation \d+: .* more than 1000000 comparisons"):
        patched(before, *sent)


def test_many_removals_from_many_elements_are_done() -> None:
    sent = [operation("remove", f'emails[value eq "{number}@example.com"]') for number in range(499)]

    assert patched(MANY, *sent) == {"emails": MANY["emails"][499:]}


@pytest.mark.parametrize(
    ("before", "sent"),
    [
        ({"serial": "a"}, operation("replace", "serial", value="b")),
        ({"serial": "a"}, operation("add", value={"serial": "b"})),
        ({"serial": "a"}, operation("remove", "serial")),
        ({"owners": [{"value": "a"}]}, operation("replace", 'owners[value eq "a"].value', value="b")),
        ({"owners": [{"value": "a"}]}, operation("replace", 'owners[value eq "a"]', value={"value": "b"})),
        ({"owners": [{"value": "a"}]}, operation("add", "owners", value=[{"value": "A"}])),
    ],
)
def test_an_immutable_value_is_not_changed(before: dict[str, Any], sent: dict[str, Any]) -> None:
    with pytest.raises(MutabilityError):
        patched(before, sent, resource_type=THINGS)


@pytest.mark.parametrize(
    ("before", "sent", "after"),
    [
        ({}, operation("add", "serial", value="a"), {"serial": "a"}),
        ({"serial": "a"}, operation("replace", "serial", value="a"), {"serial": "a"}),
        ({}, operation("remove", "serial"), {}),
        ({"serial": "a"}, operation("remove", "serial", value="b"), {"serial": "a"}),
        ({"owners": [{"value": "a"}]}, operation("remove", 'owners[value eq "a"]'), {}),
        (
            {"owners": [{"value": "a"}]},
            operation("add", 'owners[value eq "a"].since', value="2026-01-02T03:04:05Z"),
            {"owners": [{"value": "a", "since": "2026-01-02T03:04:05Z"}]},
        ),
    ],
)
def test_an_immutable_value_may_be_set_once(
    before: dict[str, Any], sent: dict[str, Any], after: dict[str, Any]
) -> None:
    assert patched(before, sent, resource_type=THINGS) == after


def test_a_required_part_is_not_cleared() -> None:
    with pytest.raises(MutabilityError):
        patched({"maker": {"name": "a"}}, operation("remove", "maker.name"), resource_type=THINGS)


def test_a_result_without_a_required_part_is_invalid() -> None:
    after = patched({}, operation("add", "maker.town", value="Wien"), resource_type=THINGS)

    with pytest.raises(InvalidValueError, match=r"maker\.name is required"):
        validation.check(THINGS, after)
