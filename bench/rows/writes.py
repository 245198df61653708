"""Rows about writes: how many creates a second, how long a single one takes, how long under load, and many tenants."""

from pathlib import Path
from uuid import UUID

from bench import accepting, contestants, figures, generator, interleaving
from bench.bodies import Creates
from bench.contestants import ACCEPT, DIRECT, DJANGO, MUSTER, SCIM2, SCIMMY, Contestant, Field, MissingError
from bench.figures import AT_LEAST, AT_MOST, Book, Found
from bench.generator import Answered, Load
from bench.scale import Scale
from services.directory import database, tokens

PEERS = {DIRECT: 0, SCIM2: 0, SCIMMY: 0, DJANGO: 0}
LOADED = 0.6
"""The part of the top load at which latency is looked at."""
OPEN_CONNECTIONS = 64
PERCENTS = (50, 75, 90, 95, 99, 99.9)
NOT_DURABLE = (
    "Durable: Muster, direct, django-scim2 and accept. Not durable, in memory and gone with the process: scim2-server "
    "and SCIMMY; one process each, for memory is not shared."
)
WAITING = (
    "Each is loaded with 60 % of what it can do itself; a request that waits for its turn counts from when it was due."
)


def creates(scale: Scale) -> Found:
    """Measure creates a second, over the number of connections."""
    book = Book()
    with contestants.field() as field:
        muster = field.muster()
        script = accepting.prepare(field, *_ids(field, muster))
        with interleaving.everybody(field, book, muster, PEERS) as everyone:
            for connections in scale.connections:
                _creates_at(scale, book, everyone, connections)
        # PostgreSQL has no connections for all of them and for pgbench at once.
        for connections in scale.connections:
            _accepts_at(scale, book, field, script, connections)
    most = [each for each in scale.connections if each >= max(scale.connections) / 2]
    goals = [goal for each in most for goal in _goals(book, each)]
    points = [
        (who, float(connections), median)
        for who in (MUSTER, *PEERS, ACCEPT)
        for connections in scale.connections
        if (median := book.median(_at(connections), who)) is not None
    ]
    notes = [
        NOT_DURABLE,
        *book.notes(),
    ]
    return Found(
        title="Creates",
        figures=book.figures(),
        goals=tuple(goals),
        curves=figures.curves("throughput", points),
        notes=tuple(notes),
    )


def idle(scale: Scale) -> Found:
    """Measure single creates, one after the other."""
    book, name = Book(), "create a user, p50"
    with contestants.field() as field, interleaving.everybody(field, book, field.muster(), PEERS) as everyone:
        for each in everyone:
            interleaving.one_by_one(each, Creates(target=each.target), scale.single)

        def measure(each: Contestant) -> None:
            answered = interleaving.one_by_one(each, Creates(target=each.target), scale.single)
            book.note(name, each.name, "ms", answered.percentile(50))

        interleaving.rounds(scale, book, everyone, name, measure)
    goals = book.ratio("idle create, Muster to direct", (name, MUSTER), (name, DIRECT), AT_MOST, 2.5)
    return Found(title="Single writes on an idle service", figures=book.figures(), goals=tuple(goals))


def latency(scale: Scale) -> Found:
    """Measure how long creates take at 60 % of what is the most, begun at a steady rate whatever is answered."""
    book = Book()
    last: dict[str, Answered] = {}
    with contestants.field() as field, interleaving.everybody(field, book, field.muster(), PEERS) as everyone:

        def measure(each: Contestant) -> None:
            top = interleaving.load(scale, each, Creates(target=each.target), OPEN_CONNECTIONS, book).per_second
            book.note("top load", each.name, "creates/s", top)
            answered = generator.send(_steady(scale, each, top * LOADED))
            last[each.name] = answered
            for percent in (50, 99):
                book.note(f"create at 60 % of it, p{percent}", each.name, "ms", answered.percentile(percent))

        interleaving.rounds(scale, book, everyone, "top load", measure)
    points = [(who, percent, answered.percentile(percent)) for who, answered in last.items() for percent in PERCENTS]
    return Found(
        title="Latency under load",
        figures=book.figures(),
        goals=tuple(book.bound("p99 of Muster at 60 % of its top load, ms", _p99(MUSTER), AT_MOST, 250.0)),
        curves=figures.curves("latency", points),
        notes=(
            WAITING,
            *book.notes(),
        ),
    )


def tenants(scale: Scale) -> Found:
    """Measure many tenants at once, beside one tenant with as many connections."""
    book = Book()
    with contestants.field() as field:
        many = [field.muster() for _ in range(scale.tenants)]
        for book.number in range(scale.rounds):
            alone = interleaving.load(scale, many[0], Creates(target=many[0].target), 2 * scale.tenants, book)
            book.note("one tenant, all connections", MUSTER, "creates/s", alone.per_second)
            rates = [each.per_second for each in generator.send_all([_two(scale, each) for each in many])]
            book.note(f"{scale.tenants} tenants, 2 connections each", MUSTER, "creates/s", sum(rates))
            book.note("the slowest tenant", MUSTER, "creates/s", min(rates))
            book.note("the fastest tenant", MUSTER, "creates/s", max(rates))
    return Found(title="Many tenants at once", figures=book.figures(), notes=tuple(book.notes()))


def _creates_at(scale: Scale, book: Book, everyone: list[Contestant], connections: int) -> None:
    def measure(each: Contestant) -> None:
        costs = f"processor, {_at(connections)}" if connections > 1 else None
        answered = interleaving.load(scale, each, Creates(target=each.target), connections, book, costs)
        book.note(_at(connections), each.name, "creates/s", answered.per_second)
        if answered.failures:
            book.fail(_at(connections), each.name, f"{answered.failures} failed: {answered.sample}")

    interleaving.rounds(scale, book, everyone, _at(connections), measure)


def _accepts_at(scale: Scale, book: Book, field: Field, script: Path, connections: int) -> None:
    for book.number in range(scale.rounds):
        try:
            rate = accepting.per_second(field, script, connections, scale.seconds)
        except MissingError as error:
            book.fail(_at(connections), ACCEPT, str(error))
            return
        book.note(_at(connections), ACCEPT, "accepts/s", rate)
        accepting.forget(field)


def _goals(book: Book, connections: int) -> list[figures.Goal]:
    what = _at(connections)
    bounds = {SCIMMY: 1.5, DJANGO: 2.5, DIRECT: 1.0}
    return [
        goal
        for other, bound in bounds.items()
        for goal in book.ratio(f"{what}, Muster to {other}", (what, MUSTER), (what, other), AT_LEAST, bound)
    ]


def _at(connections: int) -> str:
    return f"creates, {connections} connection{'s' * (connections > 1)}"


def _p99(who: str) -> tuple[str, str]:
    return "create at 60 % of it, p99", who


def _steady(scale: Scale, each: Contestant, per_second: float) -> Load:
    return Load(
        address=each.target.address,
        requests=Creates(target=each.target),
        connections=OPEN_CONNECTIONS,
        seconds=scale.seconds * 2,
        warmup_seconds=scale.warmup_seconds,
        per_second=per_second,
    )


def _two(scale: Scale, each: Contestant) -> Load:
    return Load(
        address=each.target.address,
        requests=Creates(target=each.target),
        connections=2,
        seconds=scale.seconds,
        warmup_seconds=scale.warmup_seconds,
    )


def _ids(field: Field, muster: Contestant) -> tuple[UUID, UUID]:
    with database.transaction(field.engine) as connection:
        principal = tokens.authenticate(connection, muster.target.token)
    assert principal is not None
    return principal.tenant_id, principal.token_id
