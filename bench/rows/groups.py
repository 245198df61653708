"""Rows about groups: what it costs to change or read one, over the number of its members."""

from collections.abc import Sequence
from itertools import count

from bench import bodies, contestants, figures, interleaving
from bench.bodies import Once
from bench.contestants import DJANGO, MUSTER, SCIM2, SCIMMY, Contestant
from bench.figures import AT_MOST, Book, Found
from bench.generator import LoadError
from bench.scale import Scale

SPARE = 5_000
"""People who are members of no group yet."""

FEW = 3
"""Requests of a round to a peer."""

SLOW_SIZE = 10_000
"""From so many members on, peers take seconds for each: one request is a round, and none is to warm up."""


def members(scale: Scale) -> Found:
    """Measure adding one member, over the size of the group."""
    book = Book()
    largest = max(scale.group_sizes)
    with contestants.field() as field:
        muster = field.muster(largest + SPARE, scale.group_sizes)
        peers = {who: max(sizes) + SPARE for who, sizes in scale.peer_group_sizes.items()}
        with interleaving.everybody(field, book, muster, peers, scale.peer_group_sizes) as everyone:
            for each in everyone:
                _add_at(scale, book, each, _sizes(scale, each))
    names = [_at(size) for size in scale.group_sizes]
    goals = [
        goal
        for name in names[1:]
        for goal in book.ratio(f"{name}, to {names[0]}", (name, MUSTER), (names[0], MUSTER), AT_MOST, 1.3)
    ]
    goals += book.bound(f"{names[-1]}, ms", (names[-1], MUSTER), AT_MOST, 15.0)
    points = [
        (who, float(size), median)
        for who in (MUSTER, SCIM2, SCIMMY, DJANGO)
        for size in scale.group_sizes
        if (median := book.median(_at(size), who)) is not None
    ]
    return Found(
        title="Adding one member",
        figures=book.figures(),
        goals=tuple(goals),
        curves=figures.curves("members", points),
        notes=("p50 of single requests, one after the other.",),
    )


def large(scale: Scale) -> Found:
    """Measure one PATCH with very many members, for a group that is empty before."""
    book, name = Book(), f"{scale.large_patch:,} members in one PATCH"
    peers = dict.fromkeys((SCIM2, SCIMMY, DJANGO), scale.large_patch)
    with contestants.field() as field:
        muster = field.muster(scale.large_patch)
        with interleaving.everybody(field, book, muster, peers) as everyone:

            def measure(each: Contestant) -> None:
                group = contestants.create_group(each.target)
                ids = [each.user_id(number) for number in range(1, scale.large_patch + 1)]
                taken = interleaving.once(each, bodies.adding(each.target, group, ids), 300)
                book.note(name, each.name, "ms", taken)

            interleaving.rounds(scale, book, everyone, name, measure)
    goals = book.bound(f"{name}, ms", (name, MUSTER), AT_MOST, 3_000.0)
    return Found(title="Many members at once", figures=book.figures(), goals=tuple(goals))


def reads(scale: Scale) -> Found:
    """Measure reading a large group without its members, beside reading a person."""
    book, size = Book(), scale.large_group
    group, person = f"GET group of {size:,} without members, p50", "GET user, p50"
    peers = {who: max(sizes) for who, sizes in scale.peer_group_sizes.items()}
    groups: dict[str, Sequence[int]] = {who: (users,) for who, users in peers.items()}
    with contestants.field() as field:
        muster = field.muster(size, (size,))
        with interleaving.everybody(field, book, muster, peers, groups) as everyone:

            def measure(each: Contestant) -> None:
                own = size if each is muster else peers[each.name]
                name = group if own == size else f"GET group of {own:,} without members, p50"
                for what, path in (
                    (person, f"/Users/{each.user_id(1)}"),
                    (name, f"/Groups/{each.group_id(own)}?excludedAttributes=members"),
                ):
                    taken = interleaving.one_by_one(each, interleaving.reading(each, path), scale.single)
                    book.note(what, each.name, "ms", taken.percentile(50))

            interleaving.rounds(scale, book, everyone, group, measure)
    goals = book.ratio(f"{group}, to GET user", (group, MUSTER), (person, MUSTER), AT_MOST, 1.3)
    note = "django-scim2 knows no excludedAttributes, and answers with all members."
    return Found(title="Reading a large group", figures=book.figures(), goals=tuple(goals), notes=(note,))


def _sizes(scale: Scale, each: Contestant) -> Sequence[int]:
    return scale.group_sizes if each.name == MUSTER else scale.peer_group_sizes[each.name]


def _add_at(scale: Scale, book: Book, each: Contestant, sizes: Sequence[int]) -> None:
    """Add members to groups in turns; each is somebody who is in none of them."""
    spare = count(max(sizes) + 1)
    for number in range(scale.rounds + 1):
        book.number = number
        for size in sizes:
            is_slow = each.name != MUSTER and size >= SLOW_SIZE
            many = scale.single if each.name == MUSTER else 1 if is_slow else FEW
            if is_slow and not number:
                continue
            requests = [
                bodies.adding(each.target, each.group_id(size), [each.user_id(next(spare))]) for _ in range(many)
            ]
            try:
                answered = interleaving.one_by_one(each, Once(requests=requests), many, 300)
            except (LoadError, OSError) as error:
                book.fail(_at(size), each.name, str(error))
                continue
            if number:  # The first round is to warm up.
                book.note(_at(size), each.name, "ms", answered.percentile(50))


def _at(size: int) -> str:
    return f"add one member at {size:,}"
