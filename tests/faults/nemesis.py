"""The faults: what each does while it lasts, how it is healed, and what clients may see meanwhile."""

import random
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from tests.faults.records import Verdict, Window
from tests.faults.site import Site
from tests.faults.workload import Workload

AFTERMATH = 1.0
"""What is in flight when a fault is healed may still feel it for so many seconds."""

NOTHING_ELSE: tuple[Verdict, ...] = ()
LOST_REPLIES = (Verdict.UNKNOWN,)
UNAVAILABLE = (Verdict.UNAVAILABLE,)
ANYTHING_HONEST = (Verdict.UNAVAILABLE, Verdict.UNKNOWN)


@dataclass(frozen=True, kw_only=True)
class Field:
    """Where a fault strikes: the site and its load, and the run's source of chance."""

    site: Site
    workload: Workload
    chance: random.Random


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One row of the table: entering the block injects the fault, leaving it heals it."""

    name: str
    during: Callable[[Field], AbstractContextManager[None]]
    seconds: float
    allows: tuple[Verdict, ...] = NOTHING_ELSE
    """What clients may be told besides 2xx."""


def strike(fault: Fault, field: Field) -> Window:
    """Inject a fault, let it last, heal it, and wait until all is well."""
    start = field.site.clock.now()
    with fault.during(field):
        field.site.wait(fault.seconds)
    healed = field.site.clock.now()
    field.site.until(field.site.is_well, f"after {fault.name}")
    field.site.wait(AFTERMATH)
    return Window(fault=fault.name, start=start, healed=healed, end=field.site.clock.now(), allows=fault.allows)


def ended(role: str, number: signal.Signals) -> Callable[[Field], AbstractContextManager[None]]:
    """Return a fault that ends a role, and starts it again afterwards."""

    @contextmanager
    def during(field: Field) -> Iterator[None]:
        field.site.down(role, number)
        yield
        field.site.up(role)

    return during


def frozen(role: str) -> Callable[[Field], AbstractContextManager[None]]:
    """Return a fault that freezes a role, and lets it go on afterwards."""

    @contextmanager
    def during(field: Field) -> Iterator[None]:
        field.site.signal(role, signal.SIGSTOP)
        yield
        field.site.thaw(role)

    return during


@contextmanager
def one_prefork_child_killed(field: Field) -> Iterator[None]:
    """Kill one of the worker's processes; Celery starts another one."""
    _, *pool = field.site.family("worker")
    field.site.kill(field.chance.choice(pool))
    yield


FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault(name="worker-killed", during=ended("worker", signal.SIGKILL), seconds=3),
        Fault(name="prefork-child-killed", during=one_prefork_child_killed, seconds=1),
        Fault(name="worker-frozen", during=frozen("worker"), seconds=6),
        Fault(name="gateway-killed", during=ended("gateway", signal.SIGKILL), seconds=1, allows=LOST_REPLIES),
        Fault(name="redis-killed", during=ended("valkey", signal.SIGKILL), seconds=3),
        Fault(name="redis-restarted", during=ended("valkey", signal.SIGTERM), seconds=1),
        Fault(name="redis-frozen", during=frozen("valkey"), seconds=15),
        Fault(
            name="postgres-fast-restart",
            during=ended("postgres", signal.SIGINT),
            seconds=1,
            allows=ANYTHING_HONEST,
        ),
        Fault(
            name="postgres-immediate-restart",
            during=ended("postgres", signal.SIGQUIT),
            seconds=1,
            allows=ANYTHING_HONEST,
        ),
        Fault(name="postgres-killed", during=ended("postgres", signal.SIGKILL), seconds=1, allows=ANYTHING_HONEST),
        Fault(name="postgres-frozen", during=frozen("postgres"), seconds=6, allows=ANYTHING_HONEST),
    )
}


def deck(seed: int, names: list[str]) -> Iterator[Fault]:
    """Yield faults without an end: all of them in a shuffled order, again and again."""
    chance = random.Random(f"{seed}:nemesis")
    while True:
        for name in chance.sample(names, len(names)):
            yield FAULTS[name]
