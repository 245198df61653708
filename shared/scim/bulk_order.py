"""Plans a bulk request: what must wait for what, so that the rest may run at the same time (RFC 7644 section 3.7).

The RFC lets a server change the order if the result is the same. So what is referred to comes first, wherever it
stands; and operations keep the order of the request where it shows: on one resource, between the deletion of a resource
and a reference to it, where one needs a unique value that the other needs too, or may set free, between a condition
and a deletion, and around what selects a member by its name. Operations that refer to each other in a circle are one
step.
"""

import heapq
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from typing import Any, TypeAlias
from uuid import UUID

from shared.scim import filters
from shared.scim.attributes import Attribute, ResourceType, Schema, Uniqueness
from shared.scim.bulk import Method
from shared.scim.matching import folded
from shared.scim.patch import Op

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Claim: TypeAlias = tuple[str, str, Any]
"""A unique value that an operation wants for its resource: the schema's id, the attribute's name, the value."""


@dataclass(frozen=True, kw_only=True)
class Intent:
    """What an operation touches, as far as its order goes; one that was refused already touches nothing."""

    number: int
    method: Method
    resource_type: str = ""
    lane: UUID | None = None
    needs: frozenset[int] = frozenset()
    """The operations that create what it refers to by bulkId."""
    mentions: frozenset[UUID] = frozenset()
    """The ids in its data."""
    claims: frozenset[Claim] = frozenset()
    frees: bool = False
    """Whether a unique value that nobody here knows may be free afterwards."""
    is_conditional: bool = False
    """Whether it names a version: the deletion of a member is a new version of its groups."""
    looks_around: bool = False
    """Whether it selects elements by what other resources are like, which any operation may change."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One operation, or those of a circle, in the order in which steps may be begun."""

    numbers: tuple[int, ...]
    needs: frozenset[int]
    """The operations that must have succeeded."""
    after: frozenset[int]
    """The operations that must have ended."""


def circles(needs: Mapping[int, Collection[int]]) -> list[tuple[int, ...]]:
    """Return the operations that refer to each other, each circle as large as it is (Kosaraju's algorithm)."""
    needed_by: dict[int, list[int]] = {number: [] for number in needs}
    for number, others in needs.items():
        for other in others:
            needed_by[other].append(number)
    left = set(needs)
    found = [_take(number, needed_by, left) for number in reversed(_from_the_ground_up(needs)) if number in left]
    return sorted(tuple(sorted(circle)) for circle in found if len(circle) > 1)


def plan(intents: Sequence[Intent], together: Iterable[tuple[int, ...]] = ()) -> tuple[Step, ...]:
    """Return the steps, each behind all that it has to wait for; `together` are the circles."""
    step_of = {number: circle for circle in together for number in circle}
    of_number = {intent.number: intent for intent in intents}
    constraints = _Constraints(intents)
    steps = []
    for numbers in _in_line(intents, step_of):
        own = [of_number[number] for number in numbers]
        needs = frozenset().union(*(intent.needs for intent in own)).difference(numbers)
        ended = frozenset().union(*(constraints.add(intent) for intent in own))
        after = frozenset(each for number in ended for each in step_of.get(number, (number,))).difference(numbers)
        steps.append(Step(numbers=numbers, needs=needs, after=after | needs))
    return tuple(steps)


def waves(steps: Sequence[Step], lanes: Mapping[int, UUID]) -> dict[int, int]:
    """Return the wave of each operation that has a lane; it may be begun when all of earlier waves have ended.

    One that will never be begun is counted too: those before and behind it wait for each other only through it.
    Operations of one lane may be in one wave, for a lane keeps their order, unless one needs the other's success.
    """
    found: dict[int, int] = {}
    for step in steps:
        for number in step.numbers:
            if number in lanes:
                behind = (n for n in step.after if n in found)
                found[number] = max((found[n] + _is_over(step, lanes, n, number) for n in behind), default=0)
    return found


def _is_over(step: Step, lanes: Mapping[int, UUID], before: int, number: int) -> bool:
    """Whether an operation must have ended, and not only have a place further ahead in the lane."""
    return before in step.needs or lanes[before] != lanes[number]


def without_kept(intents: Sequence[Intent], present: Mapping[UUID, frozenset[Claim]]) -> list[Intent]:
    """Leave out the unique values that a resource has and keeps, whatever is done to it: nobody else can get them."""
    changing = {
        intent.lane
        for intent in intents
        if intent.lane is not None and _is_unique(intent) and intent.claims != present.get(intent.lane)
    }
    return [
        intent if intent.lane in changing else replace(intent, claims=frozenset(), frees=False) for intent in intents
    ]


def mentioned(value: Any) -> frozenset[UUID]:
    """Return the ids in a JSON value, those within paths included."""
    return frozenset(UUID(found) for text in _texts(value) for found in _ID.findall(text))


def claims(resource_type: ResourceType, method: Method, request: Any) -> frozenset[Claim]:
    """Return the unique values that a checked request wants; of a PATCH that is its operations."""
    return frozenset(
        (schema.id, attribute.name, folded(attribute, value))
        for schema, attribute, value in _unique(resource_type, method, request)
        if value is not None
    )


def frees(resource_type: ResourceType, method: Method, request: Any) -> bool:
    """Whether a checked request may give up a unique value that its resource has."""
    if method is Method.POST:
        return False
    return method is Method.DELETE or any(True for _ in _unique(resource_type, method, request))


def looks_around(method: Method, request: Any) -> bool:
    """Whether a checked request selects elements by what other resources are like: a member by its name."""
    if method is not Method.PATCH:
        return False
    selections = (operation.path.filter for operation in request)
    return any(path.leaf.of_others for selection in selections if selection for path in filters.paths_of(selection))


def _is_unique(intent: Intent) -> bool:
    return intent.frees or bool(intent.claims)


def _unique(resource_type: ResourceType, method: Method, request: Any) -> Iterator[tuple[Schema, Attribute, Any]]:
    match method:
        case Method.POST | Method.PUT:
            for schema, attribute in resource_type.walk():
                if attribute.uniqueness is Uniqueness.SERVER:
                    container = request.get(schema.id, {}) if schema.is_extension else request
                    yield schema, attribute, container.get(attribute.name)
        case Method.PATCH:
            for operation in request:
                if operation.path.attribute.uniqueness is Uniqueness.SERVER:
                    value = None if operation.op is Op.REMOVE else operation.value
                    yield operation.path.schema, operation.path.attribute, value
        case Method.DELETE:
            return


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for element in value:
                yield from _texts(element)
        case dict():
            for inner in value.values():
                yield from _texts(inner)


def _from_the_ground_up(needs: Mapping[int, Collection[int]]) -> list[int]:
    """Return each number after all that it needs, unless these need it too."""
    seen: set[int] = set()
    order: list[int] = []
    for root in needs:
        path = [] if root in seen else [(root, iter(needs[root]))]
        seen.add(root)
        while path:
            number, rest = path[-1]
            new = next((other for other in rest if other not in seen), None)
            if new is None:
                order.append(number)
                path.pop()
            else:
                seen.add(new)
                path.append((new, iter(needs[new])))
    return order


def _take(number: int, edges: Mapping[int, Collection[int]], left: set[int]) -> set[int]:
    """Take what can be reached out of what is left."""
    taken = {number}
    left.discard(number)
    pending = [number]
    while pending:
        new = left.intersection(edges[pending.pop()])
        left -= new
        taken |= new
        pending += new
    return taken


def _in_line(intents: Sequence[Intent], step_of: Mapping[int, tuple[int, ...]]) -> Iterator[tuple[int, ...]]:
    """Yield steps in the order of the request, each one later only for what it needs and for its lane."""
    before: dict[tuple[int, ...], set[tuple[int, ...]]] = {}
    last_of: dict[UUID, tuple[int, ...]] = {}
    for intent in intents:
        step = step_of.get(intent.number, (intent.number,))
        wanted = before.setdefault(step, set())
        wanted |= {step_of.get(number, (number,)) for number in intent.needs} - {step}
        if intent.lane is not None and intent.method is not Method.POST:
            wanted |= {last_of[intent.lane]} if intent.lane in last_of else set()
            last_of[intent.lane] = step
    sorter = TopologicalSorter(before)
    sorter.prepare()
    ready: list[tuple[int, ...]] = []
    while sorter.is_active():
        for step in sorter.get_ready():
            heapq.heappush(ready, step)
        step = heapq.heappop(ready)
        yield step
        sorter.done(step)


class _Constraints:
    """Knows, of the operations in line so far, after which of them the next must come."""

    def __init__(self, intents: Iterable[Intent]) -> None:
        deleted = {intent.lane for intent in intents if intent.method is Method.DELETE}
        self._deleted = frozenset(lane for lane in deleted if lane is not None)
        self._last_of: dict[UUID, int] = {}
        self._mentioning: dict[UUID, set[int]] = {}
        self._deleting: dict[UUID, int] = {}
        self._claimed: dict[Claim, int] = {}
        self._unique: dict[str, _Turns] = {}
        self._versions = _Turns()
        self._around = _Turns()

    def add(self, intent: Intent) -> set[int]:
        """Return what the operation must come after, and remember it for those behind."""
        if intent.lane is None:
            return set()
        found = {self._last_of[intent.lane]} if intent.lane in self._last_of else set()
        found |= self._of_deletions(intent, intent.lane) | self._of_unique_values(intent)
        found |= self._versions.add(intent.number, (intent.is_conditional, intent.method is Method.DELETE))
        found |= self._around.add(intent.number, (True, intent.looks_around))
        self._last_of[intent.lane] = intent.number
        return found

    def _of_deletions(self, intent: Intent, lane: UUID) -> set[int]:
        found: set[int] = set()
        for mention in intent.mentions & self._deleted:
            self._mentioning.setdefault(mention, set()).add(intent.number)
            found |= {self._deleting[mention]} if mention in self._deleting else set()
        if intent.method is Method.DELETE:
            found |= self._mentioning.get(lane, set())
            self._deleting[lane] = intent.number
        return found

    def _of_unique_values(self, intent: Intent) -> set[int]:
        found = {self._claimed[claim] for claim in intent.claims & self._claimed.keys()}
        self._claimed |= dict.fromkeys(intent.claims, intent.number)
        turns = self._unique.setdefault(intent.resource_type, _Turns())
        return found | turns.add(intent.number, (bool(intent.claims), intent.frees))


class _Turns:
    """Keeps two sides apart, those of one side together; who is on both sides is alone, who is on none is free.

    Here they are those that want unique values, and those that may set one free; those that name a version, and
    deletions; or all, and those that look around, which are alone therefore.
    """

    def __init__(self) -> None:
        self._previous: set[int] = set()
        self._current: set[int] = set()
        self._sides = (False, False)

    def add(self, number: int, sides: tuple[bool, bool]) -> set[int]:
        """Return what the operation must come after."""
        if not any(sides):
            return set()
        if sides != self._sides or all(sides):
            self._previous, self._current, self._sides = self._current, set(), sides
        self._current.add(number)
        return self._previous
