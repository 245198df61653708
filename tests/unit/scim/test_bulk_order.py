"""What is referred to comes first, order is kept where it shows, and everything else may run at the same time."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.scim import bulk_order, patch, validation
from shared.scim.bulk import Method
from shared.scim.bulk_order import Claim, Intent, Step
from shared.scim.resource_types import GROUPS, USERS
from tests.unit.scim.bodies import GROUP_URN, USER_URN, message, operation

NAMES = ("ada", "bob")


def lane(number: int) -> UUID:
    return UUID(int=number)


def claim(value: str) -> Claim:
    return ("urn:user", "userName", value)


def post(number: int, *needs: int, **fields: Any) -> Intent:
    """A creation; its lane has the operation's own number."""
    own: dict[str, Any] = {
        "method": Method.POST,
        "lane": lane(number),
        "resource_type": "User",
        "needs": frozenset(needs),
    }
    return Intent(number=number, **(own | fields))


def change(number: int, of: int, *needs: int, method: Method = Method.PATCH, **fields: Any) -> Intent:
    return post(number, *needs, **{"method": method, "lane": lane(of)} | fields)


def delete(number: int, of: int, *needs: int) -> Intent:
    return change(number, of, *needs, method=Method.DELETE, frees=True)


def rename(number: int, of: int, value: str) -> Intent:
    return change(number, of, claims=frozenset({claim(value)}), frees=True)


def named(number: int, value: str) -> Intent:
    return post(number, claims=frozenset({claim(value)}))


def planned(*intents: Intent) -> list[tuple[Any, ...]]:
    """Return the steps, each as its numbers with what it waits for."""
    circles = bulk_order.circles({intent.number: intent.needs for intent in intents})
    return [(step.numbers, set(step.after)) for step in bulk_order.plan(intents, circles)]


CIRCLES: list[tuple[dict[int, set[int]], list[tuple[int, ...]]]] = [
    ({}, []),
    ({1: {2}, 2: {3}, 3: set()}, []),
    ({1: {2}, 2: {1}}, [(1, 2)]),
    ({1: {2}, 2: {3}, 3: {1, 4}, 4: set(), 5: {1}}, [(1, 2, 3)]),
    ({1: {2}, 2: {1, 3}, 3: {4}, 4: {3}}, [(1, 2), (3, 4)]),
    ({1: {2, 3}, 2: {1}, 3: {1}}, [(1, 2, 3)]),
    ({n: {n % 2000 + 1} for n in range(1, 2001)}, [tuple(range(1, 2001))]),
    ({n: {n + 1} if n < 2000 else set() for n in range(1, 2001)}, []),
]


@pytest.mark.parametrize(("needs", "expected"), CIRCLES, ids=range(len(CIRCLES)))
def test_circles_are_found_as_large_as_they_are(needs: dict[int, set[int]], expected: list[tuple[int, ...]]) -> None:
    assert bulk_order.circles(needs) == expected


PLANS: list[tuple[str, tuple[Intent, ...], list[tuple[Any, ...]]]] = [
    ("independent", (post(1), post(2), change(3, of=9)), [((1,), set()), ((2,), set()), ((3,), set())]),
    ("forward", (post(1, 2), post(2)), [((2,), set()), ((1,), {2})]),
    ("one lane", (change(1, of=9), change(2, of=9), delete(3, of=9)), [((1,), set()), ((2,), {1}), ((3,), {2})]),
    (
        "one lane behind a forward reference",
        (change(1, 9, 3), change(2, of=9), post(3)),
        [((3,), set()), ((1,), {3}), ((2,), {1})],
    ),
    ("path before its creation", (change(1, 2, 2), post(2)), [((2,), set()), ((1,), {2})]),
    ("a circle and who refers to it", (post(1, 2), post(2, 1), post(3, 2)), [((1, 2), set()), ((3,), {2})]),
    (
        "mentioned, deleted, mentioned",
        (
            change(1, of=8, mentions=frozenset({lane(9)})),
            delete(2, of=9),
            change(3, of=7, mentions=frozenset({lane(9)})),
        ),
        [((1,), set()), ((2,), {1}), ((3,), {2})],
    ),
    (
        "mentioned and changed",
        (change(1, of=8, mentions=frozenset({lane(9)})), change(2, of=9)),
        [((1,), set()), ((2,), set())],
    ),
    ("different names", (named(1, "ada"), named(2, "bob")), [((1,), set()), ((2,), set())]),
    ("the same name", (named(1, "ada"), named(2, "ada"), named(3, "ada")), [((1,), set()), ((2,), {1}), ((3,), {2})]),
    (
        "names and deletions take turns",
        (named(1, "ada"), delete(2, of=8), delete(3, of=9), named(4, "bob"), named(5, "ada")),
        [((1,), set()), ((2,), {1}), ((3,), {1}), ((4,), {2, 3}), ((5,), {1, 2, 3})],
    ),
    ("renames one by one", (rename(1, 8, "ada"), rename(2, 9, "bob")), [((1,), set()), ((2,), {1})]),
    (
        "another type's names",
        (delete(1, of=9), post(2, resource_type="Group", claims=frozenset({claim("ada")}))),
        [((1,), set()), ((2,), set())],
    ),
    (
        "conditions and deletions take turns",
        (
            change(1, of=7, is_conditional=True),
            change(2, of=8, is_conditional=True),
            delete(3, of=9),
            change(4, of=6, is_conditional=True),
            change(5, of=5),
        ),
        [((1,), set()), ((2,), set()), ((3,), {1, 2}), ((4,), {3}), ((5,), set())],
    ),
    (
        "who looks around is alone",
        (
            change(1, of=7),
            change(2, of=8),
            change(3, of=6, looks_around=True),
            change(4, of=5, looks_around=True),
            change(5, of=9),
            delete(6, of=4),
        ),
        [((1,), set()), ((2,), set()), ((3,), {1, 2}), ((4,), {3}), ((5,), {4}), ((6,), {4})],
    ),
    ("refused", (Intent(number=1, method=Method.PATCH), change(2, of=9)), [((1,), set()), ((2,), set())]),
]


@pytest.mark.parametrize(("name", "intents", "expected"), PLANS, ids=[case[0] for case in PLANS])
def test_steps_wait_for_what_they_must(name: str, intents: tuple[Intent, ...], expected: list[tuple[Any, ...]]) -> None:
    assert planned(*intents) == expected


@st.composite
def requests(draw: st.DrawFn) -> list[Intent]:
    """Draw requests in which anything may refer to anything that is created, and lanes and names are few."""
    size = draw(st.integers(1, 12))
    numbers = range(1, size + 1)
    creates = [number for number in numbers if draw(st.booleans())]
    intents = []
    for number in numbers:
        needs = draw(st.sets(st.sampled_from(creates), max_size=2)) - {number} if creates else set()
        name = frozenset({claim(draw(st.sampled_from(NAMES)))}) if draw(st.booleans()) else frozenset()
        mentions = frozenset({lane(draw(st.integers(100, 102)))}) if draw(st.booleans()) else frozenset()
        if number in creates:
            intents.append(post(number, *needs, claims=name, mentions=mentions))
        elif draw(st.booleans()) and creates:
            target = draw(st.sampled_from(creates))
            intents.append(change(number, target, *needs, target, claims=name, frees=bool(name), mentions=mentions))
        else:
            target = draw(st.integers(100, 102))
            method = draw(st.sampled_from([Method.DELETE, Method.PATCH]))
            frees = method is Method.DELETE or bool(name)
            claims = frozenset() if method is Method.DELETE else name
            fields = {"claims": claims, "frees": frees, "mentions": mentions, "is_conditional": draw(st.booleans())}
            fields["looks_around"] = method is Method.PATCH and draw(st.booleans())
            intents.append(change(number, target, *needs, method=method, **fields))
    return intents


def waited_for(steps: tuple[Step, ...]) -> dict[int, set[int]]:
    """Return everything that each operation comes after, at whatever remove."""
    found: dict[int, set[int]] = {}
    for step in steps:
        after = set(step.after).union(*(found[number] for number in step.after))
        found |= dict.fromkeys(step.numbers, after)
    return found


def must_be_apart(one: Intent, other: Intent) -> bool:
    """Whether the order of two operations shows."""
    if one.lane == other.lane or one.claims & other.claims or one.looks_around or other.looks_around:
        return True
    if (one.frees and other.claims) or (other.frees and one.claims):
        return True
    if (one.is_conditional and other.method is Method.DELETE) or (other.is_conditional and one.method is Method.DELETE):
        return True
    deletes = [(a, b) for a, b in ((one, other), (other, one)) if a.method is Method.DELETE]
    return any(deleting.lane in mentioning.mentions for deleting, mentioning in deletes)


@given(intents=requests())
def test_any_request_has_a_plan_that_keeps_every_rule(intents: list[Intent]) -> None:
    circles = bulk_order.circles({intent.number: intent.needs for intent in intents})

    steps = bulk_order.plan(intents, circles)

    place = {number: place for place, step in enumerate(steps) for number in step.numbers}
    before = waited_for(steps)
    assert sorted(place) == [intent.number for intent in intents]
    assert sum(len(step.numbers) for step in steps) == len(intents)
    assert {step.numbers for step in steps if len(step.numbers) > 1} == set(circles)
    for step in steps:
        assert all(place[number] < place[step.numbers[0]] for number in step.after)
    for number, intent in enumerate(intents, start=1):
        assert {n for n in intent.needs if place[n] != place[number]} <= before[number]
        for other in intents[number:]:
            if must_be_apart(intent, other) and place[intent.number] != place[other.number]:
                assert intent.number in before[other.number] or other.number in before[intent.number]
            if intent.lane == other.lane and Method.POST not in {intent.method, other.method}:
                assert intent.number in before[other.number]


@given(intents=requests())
def test_without_references_the_order_of_the_request_is_kept_wherever_it_shows(intents: list[Intent]) -> None:
    intents = [intent for intent in intents if not intent.needs]

    before = waited_for(bulk_order.plan(intents))

    for place, intent in enumerate(intents):
        for other in intents[place + 1 :]:
            assert must_be_apart(intent, other) <= (intent.number in before[other.number])
            assert other.number not in before[intent.number]


def test_values_that_a_resource_keeps_keep_nobody_waiting() -> None:
    intents = [rename(1, 8, "ada"), rename(2, 9, "bob"), rename(3, 7, "eve"), rename(4, 6, "dan"), delete(5, of=6)]
    present = {lane(n): frozenset({claim(name)}) for n, name in ((8, "ada"), (9, "bob"), (7, "other"), (6, "dan"))}

    kept = bulk_order.without_kept(intents, present)

    assert [(bool(intent.claims), intent.frees) for intent in kept] == [
        (False, False),
        (False, False),
        (True, True),
        (True, True),
        (False, True),
    ]


def test_ids_are_found_in_values_and_in_paths() -> None:
    one, other = (f"019a0000-0000-7000-8000-00000000000{n}" for n in (1, 2))
    value = {"members": [{"value": one}], "path": f'members[value eq "{other}"]', "n": 7}

    assert bulk_order.mentioned(value) == {UUID(one), UUID(other)}


def changes(*operations: dict[str, Any]) -> tuple[patch.Operation, ...]:
    return patch.parse(message(*operations), USERS)


PERSON = validation.resource(USERS, {"schemas": [USER_URN], "userName": "Ada", "title": "x"})
GROUP = validation.resource(GROUPS, {"schemas": [GROUP_URN], "displayName": "Team"})
ADA = (USER_URN, "userName", "ada")
UNIQUE: list[tuple[Any, Method, Any, set[Claim], bool]] = [
    (USERS, Method.POST, PERSON, {ADA}, False),
    (USERS, Method.PUT, PERSON, {ADA}, True),
    (GROUPS, Method.POST, GROUP, {(GROUP_URN, "displayName", "team")}, False),
    (USERS, Method.PATCH, changes(operation("replace", "title", value="x")), set(), False),
    (USERS, Method.PATCH, changes(operation("replace", "userName", value="ADA")), {ADA}, True),
    (USERS, Method.DELETE, None, set(), True),
]


@pytest.mark.parametrize(("resource_type", "method", "request_", "claims", "frees"), UNIQUE)
def test_unique_values_are_those_that_the_registry_says_are(
    resource_type: Any, method: Method, request_: Any, claims: set[Claim], frees: bool
) -> None:
    assert bulk_order.claims(resource_type, method, request_) == claims
    assert bulk_order.frees(resource_type, method, request_) is frees


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        (Method.PATCH, 'members[display eq "Ada"]', True),
        (Method.PATCH, 'members[value eq "x" or not (display pr)]', True),
        (Method.PATCH, 'members[value eq "x" and type eq "User"]', False),
        (Method.PATCH, "members", False),
        (Method.PUT, "members", False),
    ],
)
def test_a_member_that_is_selected_by_its_name_is_looked_for_around(
    method: Method, path: str, *, expected: bool
) -> None:
    request = patch.parse(message(operation("remove", path)), GROUPS)

    assert bulk_order.looks_around(method, request) is expected


def test_who_waits_for_one_of_a_circle_waits_for_all_of_it() -> None:
    wanted = frozenset({claim("ada")})
    intents = [
        Intent(number=1, method=Method.POST, resource_type="User", lane=lane(1), needs=frozenset({2}), claims=wanted),
        Intent(number=2, method=Method.POST, resource_type="User", lane=lane(2), needs=frozenset({1}), claims=wanted),
        Intent(number=3, method=Method.POST, resource_type="User", lane=lane(3), claims=wanted),
    ]

    steps = bulk_order.plan(intents, [(1, 2)])

    assert [(step.numbers, step.after) for step in steps] == [((1, 2), frozenset()), ((3,), frozenset({1, 2}))]


def waves(*intents: Intent) -> dict[int, int]:
    lanes = {intent.number: intent.lane for intent in intents if intent.lane is not None}
    return bulk_order.waves(bulk_order.plan(intents), lanes)


def test_what_needs_nothing_is_in_the_first_wave() -> None:
    assert waves(post(1), post(2), change(3, 7)) == {1: 0, 2: 0, 3: 0}


def test_what_must_wait_is_in_the_wave_behind() -> None:
    assert waves(post(1, 2, 3), post(2), post(3, 2)) == {1: 2, 2: 0, 3: 1}


def test_a_lane_keeps_its_order_within_a_wave_unless_success_is_needed() -> None:
    assert waves(*(change(n, 7) for n in range(1, 5))) == dict.fromkeys(range(1, 5), 0)
    assert waves(post(1), change(2, 1, 1), change(3, 1)) == {1: 0, 2: 1, 3: 1}


def test_what_was_refused_has_no_wave_and_holds_up_nobody() -> None:
    refused = Intent(number=1, method=Method.POST)

    assert waves(refused, post(2, 1), post(3, 2)) == {2: 0, 3: 1}


@given(intents=requests())
def test_the_waves_of_any_request_keep_the_order_of_its_plan(intents: list[Intent]) -> None:
    assume(not bulk_order.circles({intent.number: intent.needs for intent in intents}))
    lanes = {intent.number: intent.lane for intent in intents if intent.lane is not None}
    steps = bulk_order.plan(intents)

    found = bulk_order.waves(steps, lanes)

    assert found.keys() == lanes.keys()
    for number, earlier in waited_for(steps).items():
        for other in earlier:
            assert found[other] < found[number] or (lanes[other] == lanes[number] and found[other] == found[number])
    for step in steps:
        assert all(found[other] < found[number] for number in step.numbers for other in step.needs)
