"""The faults: what each does while it lasts, what clients may see meanwhile, and in which order they strike."""

import random
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from tests.faults.field import During, Field
from tests.faults.injuries import crowds, machine, messages, network, postgres, processes, redis
from tests.faults.records import Verdict, Window
from tests.faults.site import Site
from tests.faults.toxics import Direction, Kind, Toxic

AFTERMATH = 1.0
"""What is in flight when a fault is healed may still feel it for so many seconds."""

ONLY_2XX: tuple[Verdict, ...] = ()
NO_GATEWAY = (Verdict.UNKNOWN, Verdict.UNREACHABLE)
LATER = (Verdict.BUSY,)
UNAVAILABLE = (*LATER, Verdict.UNAVAILABLE)
HONEST = (*UNAVAILABLE, Verdict.UNKNOWN)
POISONED = (*HONEST, Verdict.UNREACHABLE, Verdict.ERROR)


class Need(StrEnum):
    """What a fault needs that not every machine has; the text says so to whoever misses the fault."""

    CLOCKS = "a C compiler, for clocks of their own"
    DISK = "the right to mount a loop file, for a small disk"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One row of the table: entering the block of `during` injects the fault, leaving it heals it."""

    name: str
    during: During
    seconds: float
    allows: tuple[Verdict, ...] = ONLY_2XX
    """What clients may be told besides 2xx."""
    needs: Need | None = None


def strike(fault: Fault, field: Field) -> Window:
    """Inject a fault, let it last, heal it, and wait until all is well."""
    start = field.site.clock.now()
    with fault.during(field):
        field.site.wait(fault.seconds)
    healed = field.site.clock.now()
    field.site.until(field.site.is_well, f"after {fault.name}")
    field.site.wait(AFTERMATH)
    return Window(fault=fault.name, start=start, healed=healed, end=field.site.clock.now(), allows=fault.allows)


def possible(site: Site, names: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Return which of the faults can strike here, and for each other one a sentence that says why not."""
    has = {None: True, Need.CLOCKS: site.clocks is not None, Need.DISK: site.has_small_disk}
    return (
        [name for name in names if has[FAULTS[name].needs]],
        [f"{name} is left out: it needs {FAULTS[name].needs}" for name in names if not has[FAULTS[name].needs]],
    )


def deck(seed: int, names: list[str]) -> Iterator[Fault]:
    """Yield faults without an end: all of them in a shuffled order, again and again."""
    chance = random.Random(f"{seed}:nemesis")
    while True:
        for name in chance.sample(names, len(names)):
            yield FAULTS[name]


def _table(*faults: Fault) -> Mapping[str, Fault]:
    return {fault.name: fault for fault in faults}


_SLOW = Toxic(kind=Kind.LATENCY, milliseconds=20, jitter=20)
_SLICED = Toxic(kind=Kind.SLICER, size=64, milliseconds=1)
_DEAF = Toxic(kind=Kind.PARTITION, directions=(Direction.UP,))
_MUTE = Toxic(kind=Kind.PARTITION, directions=(Direction.DOWN,))
_RESET = Toxic(kind=Kind.RESET_PEER, milliseconds=300)
_TIMEOUT = Toxic(kind=Kind.TIMEOUT, milliseconds=1000)
_LIMITED = Toxic(kind=Kind.LIMIT_DATA, size=20_000)
_DOWN = Toxic(kind=Kind.DOWN)

FAULTS = _table(
    Fault(name="worker-killed", during=processes.ended("worker", signal.SIGKILL), seconds=3),
    Fault(name="prefork-child-killed", during=processes.prefork_child_killed, seconds=1),
    Fault(name="worker-frozen-with-lock", during=processes.frozen_with_the_lock, seconds=6),
    Fault(name="gateway-killed", during=processes.ended("gateway", signal.SIGKILL), seconds=1, allows=NO_GATEWAY),
    Fault(name="gateway-killed-after-commit", during=processes.killed_after_commit, seconds=5, allows=NO_GATEWAY),
    Fault(name="rolling-restart", during=processes.rolling_restart, seconds=3),
    Fault(name="beat-dead", during=processes.ended("beat", signal.SIGKILL), seconds=6),
    Fault(name="two-beats", during=processes.second_beat, seconds=6),
    Fault(name="redis-killed", during=processes.ended("valkey", signal.SIGKILL), seconds=3),
    Fault(name="redis-restarted-empty", during=processes.ended("valkey", signal.SIGTERM), seconds=0.5),
    Fault(name="redis-frozen", during=processes.frozen("valkey"), seconds=15),
    Fault(name="redis-flushed", during=redis.flushed, seconds=5),
    Fault(name="redis-full", during=redis.full, seconds=5),
    Fault(name="redis-slow", during=network.spoiled("valkey", _SLOW), seconds=5),
    Fault(name="redis-sliced", during=network.spoiled("valkey", _SLICED), seconds=5),
    Fault(name="redis-reset", during=network.spoiled("valkey", _RESET), seconds=4),
    Fault(name="redis-timeout", during=network.spoiled("valkey", _TIMEOUT), seconds=4),
    Fault(name="redis-limited", during=network.spoiled("valkey", _LIMITED), seconds=4),
    Fault(name="redis-down", during=network.spoiled("valkey", _DOWN), seconds=4),
    Fault(name="redis-partition-to", during=network.spoiled("valkey", _DEAF), seconds=5),
    Fault(name="redis-partition-from", during=network.spoiled("valkey", _MUTE), seconds=5),
    Fault(name="wakes-lost", during=redis.wakes_lost, seconds=6),
    Fault(name="outcomes-lost", during=redis.outcomes_lost, seconds=6),
    Fault(name="messages-repeated", during=messages.repeated_wakes, seconds=5),
    Fault(name="messages-late", during=messages.late_wakes, seconds=6),
    Fault(name="messages-forged", during=messages.forged, seconds=5),
    Fault(name="messages-garbage", during=messages.garbage, seconds=5),
    Fault(name="outcomes-garbage", during=messages.garbage_outcomes, seconds=5),
    Fault(name="postgres-fast", during=processes.ended("postgres", signal.SIGINT), seconds=0.5, allows=HONEST),
    Fault(name="postgres-immediate", during=processes.ended("postgres", signal.SIGQUIT), seconds=0.5, allows=HONEST),
    Fault(name="postgres-killed", during=processes.ended("postgres", signal.SIGKILL), seconds=0.5, allows=HONEST),
    Fault(name="postgres-frozen", during=processes.frozen("postgres"), seconds=15, allows=HONEST),
    Fault(name="postgres-slow", during=network.spoiled("postgres", _SLOW), seconds=5, allows=UNAVAILABLE),
    Fault(name="postgres-sliced", during=network.spoiled("postgres", _SLICED), seconds=5, allows=UNAVAILABLE),
    Fault(name="postgres-reset", during=network.spoiled("postgres", _RESET), seconds=4, allows=HONEST),
    Fault(name="postgres-timeout", during=network.spoiled("postgres", _TIMEOUT), seconds=4, allows=HONEST),
    Fault(name="postgres-limited", during=network.spoiled("postgres", _LIMITED), seconds=4, allows=HONEST),
    Fault(name="postgres-down", during=network.spoiled("postgres", _DOWN), seconds=4, allows=HONEST),
    Fault(name="postgres-partition-to", during=network.spoiled("postgres", _DEAF), seconds=5, allows=HONEST),
    Fault(name="postgres-partition-from", during=network.spoiled("postgres", _MUTE), seconds=5, allows=HONEST),
    Fault(name="worker-partitioned", during=network.spoiled("postgres.worker", _MUTE), seconds=6),
    Fault(name="table-locked", during=postgres.table_locked, seconds=5, allows=HONEST),
    Fault(name="backends-terminated", during=postgres.backends_terminated, seconds=5, allows=HONEST),
    Fault(name="poison-raises", during=postgres.poisoned("RAISE 'poison'"), seconds=8, allows=POISONED),
    Fault(name="poison-hangs", during=postgres.poisoned("PERFORM pg_sleep(60)"), seconds=15, allows=POISONED),
    Fault(name="poison-kills", during=processes.poison_kills, seconds=8, allows=POISONED),
    Fault(name="poison-kills-gateway", during=processes.poison_kills_gateways, seconds=8, allows=POISONED),
    Fault(
        name="clocks-jump",
        during=machine.clock_jumps(machine.HOUR, *machine.ALL),
        seconds=5,
        needs=Need.CLOCKS,
    ),
    Fault(
        name="clock-jumps-gateway", during=machine.clock_jumps(machine.HOUR, "gateway"), seconds=5, needs=Need.CLOCKS
    ),
    Fault(
        name="clock-jumps-postgres",
        during=machine.clock_jumps(-machine.HOUR, "postgres"),
        seconds=5,
        needs=Need.CLOCKS,
    ),
    Fault(
        name="clock-jumps-worker",
        during=machine.clock_jumps(-machine.HOUR, "worker", "beat"),
        seconds=5,
        needs=Need.CLOCKS,
    ),
    Fault(name="disk-full", during=machine.disk_full, seconds=6, allows=HONEST, needs=Need.DISK),
    Fault(name="hot-resource", during=crowds.hot_resource, seconds=6, allows=LATER),
    Fault(name="hot-group", during=crowds.hot_group, seconds=6, allows=LATER),
    Fault(name="flower-and-inspect", during=crowds.watched, seconds=6),
)
