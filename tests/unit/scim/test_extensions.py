"""A declared extension behaves like the built-in ones: in filters, PATCH, validation and projection."""

from typing import Any

import pytest

from shared.scim import filters, matching, mutability, patch, paths, projection, resource_types, validation, values
from shared.scim.errors import InvalidPathError, InvalidValueError, MutabilityError
from shared.scim.schemas import enterprise
from tests.unit.scim import bodies
from tests.unit.scim.badge import ADA, CASES, CATALOGUE, EXTENSION, URN, USERS

BADGE: dict[str, Any] = {"number": 1, "serial": "S", "zones": ["a"], "desk": {"building": "M"}}


def patched(badge: dict[str, Any], *operations: dict[str, Any]) -> dict[str, Any]:
    before = {"userName": "ada", URN: badge}
    after = bodies.patched(before, *operations, resource_type=USERS)
    mutability.check(USERS, before, after)
    found: dict[str, Any] = after.get(URN, {})
    return found


@pytest.mark.parametrize(("text", "resource", "expected"), CASES)
def test_filters_mean_what_the_table_says(text: str, resource: dict[str, Any], *, expected: bool) -> None:
    assert matching.matches(filters.parse(text, USERS), resource) is expected


def test_who_declared_nothing_has_the_built_in_types_themselves() -> None:
    assert resource_types.extended([]) is resource_types.BUILT_IN
    assert CATALOGUE.by_name["Group"] is resource_types.GROUPS


def test_a_built_in_extension_comes_first_where_the_urn_is_missing() -> None:
    [number, *_] = EXTENSION.schema.attributes
    assert paths.reference("number", USERS).attribute is number
    assert paths.reference("department", USERS).schema.id == enterprise.URN


def test_attributes_of_an_extension_are_unknown_to_others() -> None:
    with pytest.raises(InvalidPathError):
        paths.reference(f"{URN}:number", resource_types.USERS)


@pytest.mark.parametrize(
    "body",
    [{URN: BADGE}, {f"{URN}:number": 1, f"{URN}:serial": "S", f"{URN}:zones": "a", f"{URN}:desk.building": "M"}],
)
def test_both_spellings_of_a_body_are_read(body: dict[str, Any]) -> None:
    assert validation.resource(USERS, bodies.user(**body))[URN] == BADGE


def test_what_is_required_is_required_where_the_extension_is() -> None:
    assert URN not in validation.resource(USERS, bodies.user())
    with pytest.raises(InvalidValueError, match="number is required"):
        validation.resource(USERS, bodies.user(**{URN: {"serial": "S"}}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("number", "1"),
        ("number", 1.5),
        ("isVisitor", "perhaps"),
        ("credit", "1.0"),
        ("validUntil", "tomorrow"),
        ("validUntil", "2026-01-01T00:00:00+23:00"),
        ("zones", [1]),
        ("desk", {"floor": 1}),
        ("keys", [{"type": "door"}]),
    ],
)
def test_a_value_of_another_type_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidValueError, match=name):
        validation.resource(USERS, bodies.user(**{URN: {"number": 1, name: value}}))


def test_what_is_read_only_is_ignored_in_bodies_and_refused_as_a_path() -> None:
    valid = validation.resource(USERS, bodies.user(**{URN: {"number": 1, "lastSeen": "2026-01-01T00:00:00Z"}}))

    assert valid[URN] == {"number": 1}
    with pytest.raises(MutabilityError):
        patch.parse(bodies.message(bodies.operation("replace", f"{URN}:lastSeen", value="x")), USERS)


def test_an_immutable_attribute_is_given_once() -> None:
    path = f"{URN}:serial"

    assert patched({"number": 1}, bodies.operation("add", path, value="S"))["serial"] == "S"
    assert patched(BADGE, bodies.operation("replace", path, value="S")) == BADGE
    with pytest.raises(MutabilityError, match="serial is immutable"):
        patched(BADGE, bodies.operation("replace", path, value="T"))
    with pytest.raises(MutabilityError, match="serial is immutable"):
        patched(BADGE, bodies.operation("remove", path))


def test_a_whole_extension_is_removed_with_what_it_requires() -> None:
    badge = {"number": 1, "zones": ["a"]}

    assert patched(badge, bodies.operation("remove", URN)) == {}
    with pytest.raises(MutabilityError, match="number is required"):
        patched(badge, bodies.operation("remove", f"{URN}:number"))


def test_a_whole_extension_with_an_immutable_value_is_not_removed() -> None:
    with pytest.raises(MutabilityError, match="serial is immutable"):
        patched(BADGE, bodies.operation("remove", URN))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({URN: {"number": 2}}, {URN: {"number": 2, "serial": "S", "pin": "1"}}),
        ({URN: {"number": 2, "serial": "T", "pin": "2"}}, {URN: {"number": 2, "serial": "T", "pin": "2"}}),
        ({}, {URN: {"serial": "S"}}),
    ],
)
def test_a_replacement_keeps_what_it_may_not_clear(given: dict[str, Any], kept: dict[str, Any]) -> None:
    assert mutability.keep(USERS, {URN: BADGE | {"pin": "1"}}, given) == kept


def test_what_is_never_returned_is_left_out_of_what_is_kept() -> None:
    open_ = projection.without_secrets({"userName": "ada", URN: {"number": 1, "pin": "1234"}}, USERS)

    assert open_ == {"userName": "ada", URN: {"number": 1}}


def test_answers_show_what_is_returned() -> None:
    resource = {"userName": "ada", URN: ADA[URN] | {"pin": "1234"}}

    whole = projection.apply(projection.parse(None, None, USERS), resource, USERS)
    asked = projection.apply(projection.parse(f"{URN}:photo,{URN}:desk.floor", None, USERS), resource, USERS)

    assert whole[URN].keys() == ADA[URN].keys() - {"photo"}
    assert asked == {URN: {"photo": ADA[URN]["photo"], "desk": {"floor": 0}}}


def test_a_zone_is_at_most_fourteen_hours_away() -> None:
    assert values.date_time("2026-01-01T00:00:00-14:00") is not None
    assert values.date_time("2026-01-01T00:00:00+14:01") is None
