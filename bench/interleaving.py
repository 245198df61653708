"""Measure several services in turns, round by round, so that whatever else the machine does falls on all of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from bench import generator
from bench.bodies import Gets, Once
from bench.contestants import MUSTER, Contestant, Field, MissingError
from bench.figures import Book
from bench.generator import Answered, Load, LoadError, Requests
from bench.scale import Scale

Measure = Callable[[Contestant], None]

WHOLE_REASON = "everything"


@contextmanager
def everybody(
    field: Field,
    book: Book,
    muster: Contestant,
    peers: Mapping[str, int],
    groups: Mapping[str, Sequence[int]] | None = None,
) -> Iterator[list[Contestant]]:
    """Run peers beside Muster, each with so many people and groups; who cannot be run is written down."""
    with ExitStack() as running:
        found = [muster]
        for name, users in peers.items():
            try:
                found.append(running.enter_context(field.peer(name, users, (groups or {}).get(name, ()))))
            except MissingError as error:
                book.fail(WHOLE_REASON, name, str(error))
        yield found


def rounds(scale: Scale, book: Book, contestants: Sequence[Contestant], name: str, measure: Measure) -> None:
    """Measure all in turns; who fails is written down and asked again in the next round."""
    for book.number in range(scale.rounds):
        for contestant in contestants:
            try:
                measure(contestant)
            except (LoadError, OSError) as error:
                book.fail(name, contestant.name, str(error))


def load(
    scale: Scale, contestant: Contestant, requests: Requests, connections: int, book: Book, costs: str | None = None
) -> Answered:
    """Send a load for the seconds of a round; `costs` is the figure of the processor time that each request took.

    That figure bears a crowded machine better than a rate does. What warms up is in it, the load itself is not.
    """
    before = contestant.processor_seconds()
    answered = generator.send(
        Load(
            address=contestant.target.address,
            requests=requests,
            connections=connections,
            seconds=scale.seconds,
            warmup_seconds=scale.warmup_seconds,
        )
    )
    book.own_share = max(book.own_share, answered.own_share)
    if costs is not None and answered.sent:
        taken = (contestant.processor_seconds() - before) * 1000 / answered.sent
        book.note(costs, contestant.name, "ms of a core", taken)
    return answered


def one_by_one(contestant: Contestant, requests: Requests, count: int, seconds: float = 60.0) -> Answered:
    """Send so many requests, one after the other, over one connection. Raises LoadError when one fails."""
    answered = generator.send(
        Load(address=contestant.target.address, requests=requests, connections=1, seconds=seconds, most=count)
    )
    if answered.failures:
        raise LoadError(f"{answered.failures} of {count} failed: {answered.sample}")
    return answered


def once(contestant: Contestant, request: bytes, seconds: float = 120.0) -> float:
    """Return how many milliseconds one request takes. Raises LoadError."""
    return one_by_one(contestant, Once(requests=[request]), 1, seconds).percentile(50)


def reading(contestant: Contestant, path: str, seed: int = 1) -> Gets:
    """Return the requests for one path, again and again."""
    return Gets(target=contestant.target, paths=[path], seed=seed)


def is_muster(contestant: Contestant) -> bool:
    """Whether this is what is compared with the others."""
    return contestant.name == MUSTER
