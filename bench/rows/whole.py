"""Rows about the whole: a company provisioned as Entra ID does it, and a soak that watches what grows."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import orjson
import psutil
from sqlalchemy import text

from bench import bodies, contestants, figures, generator, seeding
from bench.bodies import Target
from bench.contestants import MUSTER, Contestant, Field
from bench.figures import AT_MOST, Book, Found
from bench.generator import Load
from bench.scale import Scale
from services.directory import database
from shared.scim import messages

SIMULATED_CONNECTIONS = 16
SIMULATION_SECONDS = 3_600
SOAK_CONNECTIONS = 8
SOAK_USERS = 2_000
SAMPLE_SECONDS = 5.0
FIRST_SECONDS = 60.0
"""What memory is compared with: the first minute."""

WATCHED = ("gateway", "worker")
SIZES = text("""
    SELECT sum(pg_table_size(c.oid)) AS tables, sum(pg_indexes_size(c.oid)) AS indexes,
           (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND n.nspname = 'public'
""")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """How large everything was at one moment of a soak."""

    seconds: float
    memory: dict[str, float]
    """MB of the largest process of each kind."""
    connections: int
    tables_mb: float
    indexes_mb: float


def simulate(scale: Scale) -> Found:
    """Measure how long a company takes that is provisioned from nothing, and whether it arrives whole."""
    book = Book()
    people, groups, memberships = scale.simulated
    name = f"{people:,} users, {groups} groups, {memberships:,} memberships"
    with contestants.field() as field:
        result = _simulated(field, field.muster(), scale)
    book.note(name, MUSTER, "s", result["seconds"])
    book.note("... of it a second", MUSTER, "writes/s", result["writes_per_second"])
    for kind, asked in result["requests"].items():
        book.note(f"... {kind}, p99", MUSTER, "ms", asked["p99_ms"])
    goals = book.bound(f"{name}, s", (name, MUSTER), AT_MOST, 180.0) if scale.is_whole else []
    note = (
        f"`muster simulate entra --users {people} --groups {groups} --memberships {memberships} --cycles 1 "
        f"--concurrency {SIMULATED_CONNECTIONS}`, once. Read back and compared: "
        f"{result['failure_count']} requests failed, {result['difference_count']} differences."
    )
    return Found(
        title="A company, as Entra ID provisions it", figures=book.figures(), goals=tuple(goals), notes=(note,)
    )


def soak(scale: Scale) -> Found:
    """Keep the service busy for SOAK seconds, and watch memory, connections, tables and indexes."""
    book = Book()
    with contestants.field() as field:
        muster = field.muster(SOAK_USERS, (10,))
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(generator.send, _busy(muster, scale))
            samples = list(_samples(field, scale.soak_seconds))
            answered = sending.result()
    book.note("mixed writes and reads", MUSTER, "requests/s", answered.per_second)
    book.note("... that failed", MUSTER, "requests", answered.failures)
    first = [each for each in samples if each.seconds <= FIRST_SECONDS] or samples[:1]
    last = samples[-max(1, len(samples) // 10) :]
    goals = []
    for kind in WATCHED:
        before, after = (max(each.memory.get(kind, 0.0) for each in some) for some in (first, last))
        book.note(f"memory of a {kind} in the first minute", MUSTER, "MB", before)
        book.note(f"memory of a {kind} at the end", MUSTER, "MB", after)
        pair = [(f"memory of a {kind} {when}", MUSTER) for when in ("at the end", "in the first minute")]
        goals += book.ratio(f"memory of a {kind}, end to first minute", pair[0], pair[1], AT_MOST, 1.1)
    for what, found in _grown(samples[0], samples[-1]):
        book.note(what, MUSTER, "MB" if what.endswith("size") else "", found)
    points = [(kind, each.seconds, each.memory.get(kind, 0.0)) for each in samples for kind in WATCHED]
    return Found(
        title=f"A soak of {scale.soak_seconds:.0f} s",
        figures=book.figures(),
        goals=tuple(goals),
        curves=figures.curves("soak", points),
        notes=(f"{SOAK_CONNECTIONS} connections; a sample every {SAMPLE_SECONDS:.0f} s, {len(samples)} of them.",),
    )


def _simulated(field: Field, muster: Contestant, scale: Scale) -> dict[str, Any]:
    people, groups, memberships = scale.simulated
    report = field.folder / "simulated.json"
    argv = [
        *(sys.executable, "-W", "ignore", "-c", "from services.cli import main; main()", "simulate", "entra"),
        *("--url", f"http://{muster.target.address}{muster.target.prefix}/", "--token", muster.target.token),
        *("--users", str(people), "--groups", str(groups), "--memberships", str(memberships), "--cycles", "1"),
        *("--concurrency", str(SIMULATED_CONNECTIONS), "--json", str(report), "--quiet"),
    ]
    done = subprocess.run(  # noqa: S603 - our own command.
        argv, cwd=contestants.ROOT, capture_output=True, text=True, check=False, timeout=SIMULATION_SECONDS
    )
    if not report.exists():
        raise contestants.MissingError(f"the simulator ended with {done.returncode}: {done.stderr[-300:]}")
    result: dict[str, Any] = json.loads(report.read_text())
    return result


def _busy(muster: Contestant, scale: Scale) -> Load:
    return Load(
        address=muster.target.address,
        requests=Mixed(target=muster.target, block=muster.block or 0),
        connections=SOAK_CONNECTIONS,
        seconds=scale.soak_seconds,
    )


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """Creates, changes, members, reads and match queries, in a made-up order."""

    target: Target
    block: int

    def __call__(self) -> Iterator[bytes]:
        chosen = random.Random(1)  # noqa: S311 - a repeatable mix, not a secret.
        created = bodies.Creates(target=self.target)()
        while True:
            number = chosen.randint(1, SOAK_USERS)
            user = seeding.user_id(self.block, number)
            match chosen.randrange(5):
                case 0:
                    yield next(created)
                case 1:
                    yield self.target.request("PATCH", f"/Users/{user}", _title(chosen.randrange(1_000_000)))
                case 2:
                    yield bodies.adding(self.target, str(seeding.group_id(self.block, 10)), [str(user)])
                case 3:
                    yield self.target.request("GET", f"/Users/{user}")
                case _:
                    yield self.target.request("GET", bodies.match(seeding.user_name(number)))


def _title(number: int) -> bytes:
    operation = {"op": "Replace", "path": "title", "value": f"Measurer {number}"}
    return orjson.dumps({"schemas": [messages.PATCH_OP], "Operations": [operation]})


def _samples(field: Field, seconds: float) -> Iterator[Sample]:
    begin = time.perf_counter()
    while (now := time.perf_counter() - begin) < seconds:
        yield _sample(field, now)
        time.sleep(min(SAMPLE_SECONDS, max(0.0, seconds - now)))
    yield _sample(field, seconds)


def _sample(field: Field, seconds: float) -> Sample:
    with database.transaction(field.engine) as connection:
        row = connection.execute(SIZES).one()
    return Sample(
        seconds=seconds,
        memory={kind: _memory(field.stack.child(kind).pid) for kind in WATCHED},
        connections=row.connections,
        tables_mb=float(row.tables) / 1e6,
        indexes_mb=float(row.indexes) / 1e6,
    )


def _memory(pid: int) -> float:
    """Return the MB of the largest process of a family."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return max(process.memory_info().rss for process in family) / 1e6


def _grown(first: Sample, last: Sample) -> Iterator[tuple[str, float]]:
    for when, each in (("at the beginning", first), ("at the end", last)):
        yield f"connections of PostgreSQL {when}", each.connections
    for when, each in (("beginning", first), ("end", last)):
        yield f"{when}: table size", each.tables_mb
        yield f"{when}: index size", each.indexes_mb
