"""Crash a process at every statement of accept and drain, let another one finish, and compare.

For each case and schedule one undisturbed run says what must be there in the end, and how many places a crash can
strike. Then a fork of this process runs the same writes, and is killed (or fails, or freezes) at one of those places.
Whoever comes after sends what is not in the journal again, and drains. In the end everything must be as in the
undisturbed run: resources, versions, members, states, statuses and history, each entry once and in order.

    CRASHES=1000 SEED=7 python -m tests.faults.crashes
"""

import logging
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import orjson
from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from services.directory import database, migrating
from services.directory.drain import Drainer
from services.directory.journal import Write
from services.gateway.accepting import Accepter, Ticket
from services.stack import postgres
from shared.settings import Settings
from tests import conftest
from tests.faults import crash_cases, crash_state, faultpoints
from tests.faults.crash_cases import CASES, Case
from tests.faults.faultpoints import Action, Order, Place

TRIES = 50
DRAIN_SECONDS = 60.0
PAUSE_SECONDS = 0.02
FREEZE_TIMEOUT = "400ms"
"""How long a frozen process holds its locks here; three seconds in real life."""
JOBS = 2
ACTIONS = {Action.KILL: 80, Action.RAISE: 8, Action.LOSE: 8, Action.HANG: 4}
"""What strikes, and how often of a hundred times."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """In which order writes are accepted and drained, and what goes wrong before the crash."""

    name: str
    group: int
    """How many writes are accepted in one transaction."""
    is_in_turn: bool = False
    """Whether each write is drained before the next one is accepted, as a client does that waits."""
    before: tuple[Order, ...] = ()
    """What strikes first, in the same process."""
    is_after_crash: bool = False
    """Whether another process has crashed in the middle of a batch before."""
    shards: int = 1
    """How many shards the lanes are in, which are drained together."""

    def is_for(self, case: Case) -> bool:
        """Whether the case ends the same whatever is postponed: lanes have no order between each other."""
        return case.is_independent or not (self.before or self.shards > 1)


_FAILING = tuple(Order(point="drain.journal.settle", count=count, action=Action.RAISE) for count in (1, 2))
SCHEDULES = (
    Schedule(name="one by one", group=1),
    Schedule(name="together", group=100),
    Schedule(name="in turn", group=1, is_in_turn=True),
    Schedule(name="recovering", group=100, is_after_crash=True),
    Schedule(name="failing", group=100, before=_FAILING),
    Schedule(name="several shards", group=100, shards=4),
    Schedule(name="several shards, recovering", group=100, shards=4, is_after_crash=True),
)


@dataclass(frozen=True, kw_only=True)
class Point:
    """Where to strike: the how many-th place of a case under a schedule, and with what."""

    case: str
    schedule: Schedule
    number: int
    action: Action


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A point that was tried: the place that it turned out to be, and what was wrong afterwards, if anything."""

    point: Point
    place: Place
    difference: str


@dataclass(frozen=True, kw_only=True)
class _Reference:
    """What an undisturbed run comes to, and the places that it passes."""

    state: str
    places: Sequence[Place]


def main() -> None:
    """Try as many points as the environment asks for; the status is 1 when one of them made a difference."""
    count, seed = int(os.environ.get("CRASHES") or 1000), int(os.environ.get("SEED") or 1)
    begun = time.monotonic()
    with TemporaryDirectory(prefix="muster-crashes-") as folder, postgres.start(Path(folder) / "postgres") as server:
        tried = run(server.url, count, seed)
    differences = [one for one in tried if one.difference]
    kinds = {(one.place, one.point.action) for one in tried}
    click.echo(
        f"{len(tried)} crash points, {len({(one.point.case, one.point.schedule, one.point.number) for one in tried})} "
        f"of them distinct, of {len(kinds)} kinds, {len(differences)} violations, {time.monotonic() - begun:.0f} s"
    )
    for one in differences[:10]:
        click.echo(f"{one.point.action} at {one.point.number} of {one.point.case}, {one.point.schedule.name}:")
        click.echo(f"  {one.place}\n{one.difference}")
    sys.exit(1 if differences else 0)


def run(database_url: str, count: int, seed: int, jobs: int = JOBS) -> list[Tried]:
    """Try so many points, each job in a database of its own on this server."""
    combinations = [(case.name, schedule) for case in CASES.values() for schedule in SCHEDULES if schedule.is_for(case)]
    with ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), initializer=_begin, initargs=(database_url,)
    ) as pool:
        keys = [(case, schedule.name) for case, schedule in combinations]
        references = dict(zip(keys, pool.map(_refer, *zip(*combinations, strict=True)), strict=True))
        points = choose({key: reference.places for key, reference in references.items()}, count, seed)
        return list(pool.map(_strike, points, [references[point.case, point.schedule.name] for point in points]))


_harness: "Harness"


def _begin(database_url: str) -> None:
    """Give this job a database of its own."""
    global _harness  # noqa: PLW0603 - one harness for each process of the pool.
    logging.disable()
    _harness = Harness(_database(database_url, f"crashes_{os.getpid()}"))


def _refer(case: str, schedule: Schedule) -> _Reference:
    return _harness.reference(CASES[case], schedule)


def _strike(point: Point, reference: _Reference) -> Tried:
    return _harness.strike(point, reference)


def choose(places: dict[tuple[str, str], Sequence[Place]], count: int, seed: int) -> list[Point]:
    """Choose points by chance; none twice until all were chosen."""
    chance = random.Random(seed)
    schedules = {schedule.name: schedule for schedule in SCHEDULES}
    everywhere = [(case, name, number) for (case, name), found in places.items() for number in range(1, len(found) + 1)]
    chosen: list[tuple[str, str, int]] = []
    while len(chosen) < count:
        chosen += chance.sample(everywhere, min(len(everywhere), count - len(chosen)))
    return [
        Point(case=case, schedule=schedules[name], number=number, action=_action(chance, CASES[case], schedules[name]))
        for case, name, number in chosen
    ]


def _action(chance: random.Random, case: Case, schedule: Schedule) -> Action:
    """Choose what strikes; what postpones a lane may change which of two lanes is first, so only where none cares."""
    action = chance.choices([*ACTIONS], [*ACTIONS.values()])[0]
    is_any_order_right = case.is_independent or schedule.is_in_turn
    return action if is_any_order_right or action in {Action.KILL, Action.HANG} else Action.KILL


def _database(database_url: str, name: str) -> Engine:
    """Make a database of a job's own."""
    server = database.connect(database_url, process="crashes")
    with database.autocommit(server) as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    server.dispose()
    database.TIMEOUTS["idle_in_transaction_session_timeout"] = FREEZE_TIMEOUT
    url = make_url(database_url).set(database=name).render_as_string(hide_password=False)
    engine = database.connect(url, process="crashes")
    migrating.upgrade(engine, Settings(database_url=url))
    return engine


class Harness:
    """Runs cases in forks of this process, and finishes them here."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def reference(self, case: Case, schedule: Schedule) -> _Reference:
        """Run a case undisturbed, and note the places that it passes."""
        tenant = conftest.make_tenant(self._engine)
        writes = crash_cases.writes(case, tenant)
        self._crash_before(schedule, writes)
        reading, writing = os.pipe()

        def note() -> None:
            def visit(place: Place, _: object) -> None:
                os.write(writing, orjson.dumps(vars(place)) + b"\n")

            self._arm(schedule, visit)
            self._perform(schedule, writes)

        child = self._fork(note)
        os.close(writing)
        with os.fdopen(reading, "rb") as lines:
            places = [Place(**orjson.loads(line)) for line in lines]
        _, status = os.waitpid(child, 0)
        assert status == 0, f"{case.name}, {schedule.name}: the undisturbed run failed"
        with database.transaction(self._engine) as connection:
            return _Reference(state=crash_state.read(connection, writes), places=places)

    def strike(self, point: Point, reference: _Reference) -> Tried:
        """Strike at one place, finish, and compare."""
        tenant = conftest.make_tenant(self._engine)
        writes = crash_cases.writes(CASES[point.case], tenant)
        self._crash_before(point.schedule, writes)

        def fail() -> None:
            order = Order(point="*", count=point.number, action=point.action)
            self._arm(point.schedule, faultpoints.carrying_out(order))
            self._perform(point.schedule, writes)

        child = self._fork(fail)
        _, status = os.waitpid(child, os.WUNTRACED)
        difference = self._finish(point.schedule, writes)
        if os.WIFSTOPPED(status):
            # A process that everybody took for dead comes back, and must not do anything any more.
            os.kill(child, signal.SIGCONT)
            os.waitpid(child, 0)
        with database.transaction(self._engine) as connection:
            difference = difference or crash_state.compare(reference.state, crash_state.read(connection, writes))
        return Tried(point=point, place=reference.places[point.number - 1], difference=difference)

    def _finish(self, schedule: Schedule, writes: Sequence[Write]) -> str:
        """Do what is left to do; return why that was not possible, if it was not."""
        try:
            self._perform(schedule, writes)
        except TimeoutError as error:
            return str(error)
        return ""

    def _crash_before(self, schedule: Schedule, writes: Sequence[Write]) -> None:
        """Leave a batch behind that was begun and never ended."""
        if schedule.is_after_crash:

            def fail() -> None:
                order = Order(point="drain.journal.settle", count=1, action=Action.KILL)
                faultpoints.watch(faultpoints.carrying_out(order))
                self._perform(schedule, writes)

            os.waitpid(self._fork(fail), 0)

    def _arm(self, schedule: Schedule, visit: faultpoints.Visit) -> None:
        for order in schedule.before:
            faultpoints.watch(faultpoints.carrying_out(order))
        faultpoints.watch(visit)

    def _fork(self, act: Callable[[], None]) -> int:
        """Do something in a fork, with connections of its own, and return its process id."""
        child = os.fork()
        if child:
            return child
        self._engine.dispose(close=False)
        try:
            act()
            os._exit(0)
        except BaseException as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            os._exit(3)

    def _perform(self, schedule: Schedule, writes: Sequence[Write]) -> None:
        """Take writes through, as often as it takes; what is in the journal already is not sent again."""
        for group in _groups(writes, schedule.group):
            self._accept(schedule, group)
            if schedule.is_in_turn:
                self._drain(schedule, group)
        self._drain(schedule, writes)

    def _accept(self, schedule: Schedule, group: Sequence[Write]) -> None:
        with database.transaction(self._engine) as connection:
            left = [write for write in group if write.id not in crash_state.known(connection, group)]
        accepter = Accepter(self._engine, shards=schedule.shards, answering=0)
        for _ in range(TRIES):
            tickets = [Ticket(write) for write in left]
            if not tickets:
                return
            accepter._commit(tickets)
            left = [
                ticket.write
                for ticket in tickets
                if ticket.error is not None and not isinstance(ticket.error, IntegrityError)
            ]
        raise TimeoutError("a write is not accepted")

    def _drain(self, schedule: Schedule, writes: Sequence[Write]) -> None:
        drainer = Drainer(engine=self._engine, announce=lambda _: None, max_starts=5, ring=lambda _: None)
        end = time.monotonic() + DRAIN_SECONDS
        while time.monotonic() < end:
            with suppress(faultpoints.InjectedError, SQLAlchemyError):
                drainer.advance_together(range(schedule.shards))
                for shard in range(schedule.shards):
                    drainer.drain(shard)
            with database.transaction(self._engine) as connection:
                if not crash_state.pending(connection, writes):
                    return
            time.sleep(PAUSE_SECONDS)
        raise TimeoutError("an operation stays pending")


def _groups(writes: Sequence[Write], size: int) -> Iterator[Sequence[Write]]:
    return (writes[begin : begin + size] for begin in range(0, len(writes), size))


if __name__ == "__main__":
    main()
