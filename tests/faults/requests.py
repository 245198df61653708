"""What each client asks for, one request after another: a pure function of the seed and the client's number.

Nothing here depends on answers. A request is repeated until its outcome is known, so the next one may count on it.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.faults.records import Do, Request

USER, GROUP = "User", "Group"
POOL = tuple(f"member-{number}" for number in range(40))
"""Users that join and leave groups, and are never deleted: a deletion changes groups from another lane."""
GROUPS = tuple(f"group-{number}" for number in range(4))
HOT = "hot"
"""The user whom every client changes."""
VICTIM = "victim"
"""The user whom poisonous operations change."""
POISON = "poison"
LEAST_OWN, MOST_OWN = 3, 25

Sequence = Callable[[int, int], Iterator[Request]]
"""What a client asks for, by seed and number."""


@dataclass(frozen=True)
class Choice:
    """A kind of request, and how often it comes."""

    do: Do
    resource_type: str
    weight: int


CHOICES = (
    Choice(Do.SET, USER, 40),
    Choice(Do.CREATE, USER, 16),
    Choice(Do.DELETE, USER, 8),
    Choice(Do.ADD, GROUP, 12),
    Choice(Do.REMOVE, GROUP, 12),
    Choice(Do.READ, USER, 12),
)


def first() -> Iterator[Request]:
    """Yield the requests that make what all clients of a tenant share."""
    for number, slot in enumerate((*POOL, HOT, VICTIM)):
        yield Request(number=number, do=Do.CREATE, resource_type=USER, slot=slot)
    for number, slot in enumerate(GROUPS, start=len(POOL) + 2):
        yield Request(number=number, do=Do.CREATE, resource_type=GROUP, slot=slot)


def of_client(seed: int, client: int) -> Iterator[Request]:
    """Yield what one client asks for, without an end."""
    chance = random.Random(f"{seed}:{client}")
    own: list[str] = []
    made = number = 0
    while True:
        number += 1
        choice = _choose(chance, len(own))
        slot = _target(chance, choice, own)
        if choice.do is Do.CREATE:
            slot, made = f"user-{client}-{made}", made + 1
            own.append(slot)
        elif choice.do is Do.DELETE:
            own.remove(slot)
        yield Request(
            number=number,
            do=choice.do,
            resource_type=choice.resource_type,
            slot=slot,
            values=_values(chance, choice, f"{client}-{number}"),
        )


def of_one_resource(_: int, client: int) -> Iterator[Request]:
    """Yield changes of the one user whom everybody changes."""
    number = 0
    while True:
        number += 1
        yield Request(number=number, do=Do.SET, resource_type=USER, slot=HOT, values=(f"{client}-{number}",))


def of_one_group(seed: int, client: int) -> Iterator[Request]:
    """Yield additions to and removals from one group."""
    chance = random.Random(f"{seed}:{client}:group")
    number = 0
    while True:
        number += 1
        do = chance.choice((Do.ADD, Do.REMOVE))
        members = tuple(chance.sample(POOL, chance.randint(1, 3)))
        yield Request(number=number, do=do, resource_type=GROUP, slot=GROUPS[0], values=members)


def of_poison(_: int, client: int) -> Iterator[Request]:
    """Yield changes of one user, of which every other one cannot succeed: the lane must go on."""
    number = 0
    while True:
        number += 1
        title = f"{POISON if number % 2 else 'sound'}-{client}-{number}"
        yield Request(number=number, do=Do.SET, resource_type=USER, slot=VICTIM, values=(title,))


def _choose(chance: random.Random, own: int) -> Choice:
    choice = chance.choices(CHOICES, [choice.weight for choice in CHOICES])[0]
    if own < LEAST_OWN and choice.resource_type == USER:
        return next(choice for choice in CHOICES if choice.do is Do.CREATE)
    if own > MOST_OWN and choice.do is Do.CREATE:
        return next(choice for choice in CHOICES if choice.do is Do.DELETE)
    return choice


def _target(chance: random.Random, choice: Choice, own: list[str]) -> str:
    if choice.resource_type == GROUP:
        return chance.choice(GROUPS)
    if choice.do is Do.SET and chance.random() < 0.1:
        return HOT
    return chance.choice(own) if own else ""


def _values(chance: random.Random, choice: Choice, unique: str) -> tuple[str, ...]:
    match choice.do:
        case Do.SET:
            return (unique,)
        case Do.ADD | Do.REMOVE:
            return tuple(chance.sample(POOL, chance.randint(1, 3)))
        case Do.CREATE | Do.DELETE | Do.READ:
            return ()
