"""Draining several shards at once: one transaction where all is well, and each shard alone where it is not."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, event, select, text, update

from services.directory import batches, database, drain, ids, journal, runs, tables
from services.directory.drain import Drainer
from services.directory.journal import Write
from shared.outcomes import Reply
from tests import shards
from tests.factories import Tenant, patch, replace, write

SHARDS = (3, 4, 5)


class Announced:
    """Collects what is announced."""

    def __init__(self) -> None:
        self.ids: list[UUID] = []
        self.is_told = threading.Event()

    def __call__(self, replies: Sequence[Reply]) -> None:
        self.ids += [reply.outcome.operation_id for reply in replies]
        self.is_told.set()


@pytest.fixture
def announced() -> Announced:
    return Announced()


@pytest.fixture
def drainer(engine: Engine, announced: Announced) -> Drainer:
    with database.transaction(engine) as connection:
        shards.empty(connection)
    return Drainer(engine=engine, announce=announced, max_starts=3, ring=lambda _: None)


def accept(engine: Engine, shard: int, *writes: Write) -> None:
    """Accept writes, and let their lanes have been born into a shard."""
    with database.transaction(engine) as connection:
        journal.accept(connection, writes, shards=1)
        for table, column in ((tables.operation, tables.operation.c.lane), (tables.lane, tables.lane.c.id)):
            connection.execute(update(table).where(column.in_({each.lane for each in writes})).values(shard=shard))


def one_in_each(engine: Engine, tenant: Tenant) -> list[Write]:
    writes = [write(tenant) for _ in SHARDS]
    for shard, each in zip(SHARDS, writes, strict=True):
        accept(engine, shard, each)
    return writes


def row(engine: Engine, each: Write) -> Any:
    with database.transaction(engine) as connection:
        return connection.execute(select(tables.operation).where(tables.operation.c.id == each.id)).one()


@contextmanager
def counting(engine: Engine, beginning: str) -> Iterator[list[str]]:
    """Collect the statements that begin so while the block runs."""
    seen: list[str] = []

    def see(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.strip().startswith(beginning):
            seen.append(statement)

    event.listen(engine, "before_cursor_execute", see)
    yield seen
    event.remove(engine, "before_cursor_execute", see)


@contextmanager
def held(engine: Engine, shard: int) -> Iterator[None]:
    """Drain a shard, and come to no end until the block ends."""
    with engine.connect() as other:
        other.execute(text("SELECT pg_advisory_xact_lock(:space, :shard)"), {"space": runs.LOCK_SPACE, "shard": shard})
        yield
        other.rollback()


def test_what_is_due_in_several_shards_is_one_transaction(
    engine: Engine, tenant: Tenant, drainer: Drainer, announced: Announced
) -> None:
    writes = one_in_each(engine, tenant)

    with counting(engine, "INSERT INTO employee") as inserts, counting(engine, "COMMIT") as commits:
        rest = drainer.advance_together(SHARDS)

    assert (list(rest.alone), list(rest.left)) == ([], [])
    assert len(inserts) == 1
    assert len(commits) <= 1
    assert sorted(announced.ids) == sorted(each.id for each in writes)
    with database.transaction(engine) as connection:
        noted = connection.execute(select(tables.shard.c.id, tables.shard.c.running, tables.shard.c.settled)).all()
    assert sorted(tuple(each) for each in noted) == [(shard, [], 1) for shard in SHARDS]


def test_a_lane_keeps_its_order(engine: Engine, tenant: Tenant, drainer: Drainer, announced: Announced) -> None:
    lane = ids.new()
    created, other = write(tenant, lane=lane), write(tenant)
    changes = [write(tenant, "PATCH", patch(replace("title", f"title {n}")), lane=lane) for n in range(3)]
    accept(engine, 3, created)
    accept(engine, 3, *changes)
    accept(engine, 4, other)

    drainer.advance_together(SHARDS)

    in_lane = [each for each in announced.ids if each != other.id]
    assert in_lane == [each.id for each in (created, *changes)]
    assert [row(engine, each).outcome["resource"]["meta"]["version"] for each in changes] == ['W/"2"', 'W/"3"', 'W/"4"']


def test_who_waits_for_a_shard_keeps_nobody_from_the_others(
    engine: Engine, tenant: Tenant, drainer: Drainer, announced: Announced
) -> None:
    first, second, third = one_in_each(engine, tenant)

    with ThreadPoolExecutor(1) as waiting:
        with held(engine, 4):
            rest = waiting.submit(drainer.advance_together, SHARDS)
            announced.is_told.wait()
            assert sorted(announced.ids) == sorted([first.id, third.id])
            later = write(tenant)
            accept(engine, 3, later)
            assert drainer.drain(3) == 1
        alone = list(rest.result().alone)

    assert alone == [4]
    assert row(engine, second).state == "pending"
    assert drainer.drain(4) == 1


def test_when_all_are_held_the_first_is_waited_for_and_the_others_come_along(
    engine: Engine, tenant: Tenant, drainer: Drainer, announced: Announced
) -> None:
    writes = one_in_each(engine, tenant)

    with ThreadPoolExecutor(1) as waiting:
        with held(engine, 3), held(engine, 4), held(engine, 5):
            rest = waiting.submit(drainer.advance_together, SHARDS)
        alone = list(rest.result().alone)

    assert len(alone) < len(SHARDS)
    for shard in alone:
        drainer.drain(shard)
    assert [row(engine, each).state for each in writes] == ["settled"] * 3


def test_what_fails_leaves_every_shard_to_be_advanced_alone_and_counts_no_start(
    engine: Engine, tenant: Tenant, drainer: Drainer, announced: Announced
) -> None:
    lane = ids.new()
    accept(engine, 3, write(tenant, lane=lane))
    poison, healthy = write(tenant, "POISON", lane=lane), write(tenant)
    accept(engine, 3, poison)
    accept(engine, 4, healthy)

    rest = drainer.advance_together([3, 4])

    assert list(rest.alone) == [3, 4]
    assert announced.ids == []
    assert (row(engine, poison).starts, row(engine, healthy).state) == (0, "pending")
    for shard in rest.alone:
        drainer.advance(shard)
    assert (row(engine, poison).starts, row(engine, healthy).state) == (1, "settled")


def test_a_shard_with_an_unfinished_run_is_looked_at_alone(engine: Engine, tenant: Tenant, drainer: Drainer) -> None:
    crashed, *healthy = one_in_each(engine, tenant)
    with database.transaction(engine) as connection:
        connection.execute(text("INSERT INTO shard (id, running) VALUES (3, :ids)"), {"ids": [crashed.id]})

    rest = drainer.advance_together(SHARDS)

    assert list(rest.alone) == [3]
    assert [row(engine, each).state for each in (crashed, *healthy)] == ["pending", "settled", "settled"]
    drainer.advance(3)
    assert (row(engine, crashed).state, row(engine, crashed).starts) == ("settled", 2)


def test_a_shard_with_more_than_a_batch_is_advanced_alone(engine: Engine, tenant: Tenant, drainer: Drainer) -> None:
    small = write(tenant)
    accept(engine, 3, *(write(tenant) for _ in range(batches.BATCH)))
    accept(engine, 4, small)

    rest = drainer.advance_together([3, 4])

    assert (list(rest.alone), list(rest.left)) == ([3], [])
    assert row(engine, small).state == "settled"


def test_what_would_take_too_long_is_left_to_be_rung_for_again(
    engine: Engine, tenant: Tenant, drainer: Drainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So where operations take long, as many workers as there are share the shards."""
    monkeypatch.setattr(drain, "SECONDS", 0.0)
    writes = one_in_each(engine, tenant)

    rest = drainer.advance_together(SHARDS)

    assert (list(rest.alone), list(rest.left)) == ([], [4, 5])
    assert [row(engine, each).state for each in writes] == ["settled", "pending", "pending"]
