"""The journal: places in lanes, batches, and the ways out of it."""

import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import IntegrityError

from services.directory import batches, database, failures, ids, journal, tables
from services.directory.journal import Write
from shared.outcomes import Outcome
from tests.factories import Tenant, patch, replace, write

SHARD = 0
NOTHING = patch(replace("title", "x"))


def accept(engine: Engine, *writes: Write, shards: int = 1) -> dict[UUID, int]:
    with database.transaction(engine) as connection:
        return dict(journal.accept(connection, writes, shards).shards)


def places(engine: Engine, lane: object) -> list[tuple[int, int]]:
    table = tables.operation
    with database.transaction(engine) as connection:
        rows = connection.execute(
            select(table.c.seq, table.c.position).where(table.c.lane == lane).order_by(table.c.seq)
        )
        return [(row.seq, row.position) for row in rows]


def test_writes_of_one_lane_are_numbered_without_a_gap(engine: Engine, tenant: Tenant) -> None:
    lane = ids.new()
    accept(engine, write(tenant, lane=lane))

    for _ in range(3):
        accept(engine, write(tenant, "PATCH", NOTHING, lane=lane))

    assert [seq for seq, _ in places(engine, lane)] == [1, 2, 3, 4]


def test_one_group_may_hold_several_writes_of_a_lane(engine: Engine, tenant: Tenant) -> None:
    lane = ids.new()
    accept(engine, write(tenant, lane=lane))
    group = [write(tenant, "PATCH", NOTHING, lane=lane) for _ in range(5)]

    accepted = accept(engine, *group)

    assert set(accepted) == {each.id for each in group}
    assert [seq for seq, _ in places(engine, lane)] == [1, 2, 3, 4, 5, 6]


def test_a_lane_that_is_born_with_several_writes_begins_at_one(engine: Engine, tenant: Tenant) -> None:
    lane = ids.new()
    created = write(tenant, lane=lane)
    changes = [write(tenant, "PATCH", patch(replace("title", f"{n}")), lane=lane) for n in range(3)]

    accept(engine, created, *changes)
    accept(engine, write(tenant, "PATCH", patch(replace("title", "later")), lane=lane))

    assert [seq for seq, _ in places(engine, lane)] == [1, 2, 3, 4, 5]


def test_concurrent_accepts_of_few_lanes_neither_deadlock_nor_skip(engine: Engine, tenant: Tenant) -> None:
    lanes = [ids.new() for _ in range(4)]
    accept(engine, *(write(tenant, lane=lane) for lane in lanes))

    def group(number: int) -> None:
        order = lanes if number % 2 else lanes[::-1]
        accept(engine, *(write(tenant, "PATCH", NOTHING, lane=lane) for lane in order))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(group, range(40)))

    for lane in lanes:
        found = places(engine, lane)
        assert [seq for seq, _ in found] == list(range(1, 42))
        assert [position for _, position in found] == sorted(position for _, position in found)


def test_a_write_to_a_resource_that_never_existed_is_left_out(engine: Engine, tenant: Tenant) -> None:
    known = write(tenant)

    accepted = accept(engine, known, write(tenant, "DELETE", lane=ids.new()))

    assert set(accepted) == {known.id}


def test_a_write_to_another_tenants_lane_is_left_out(engine: Engine, tenant: Tenant) -> None:
    lane = ids.new()
    accept(engine, write(tenant, lane=lane))

    accepted = accept(engine, write(tenant, "DELETE", lane=lane, tenant_id=ids.new()))

    assert accepted == {}
    assert len(places(engine, lane)) == 1


def test_an_accept_is_refused_when_its_id_is_there_already(engine: Engine, tenant: Tenant) -> None:
    first = write(tenant)
    accept(engine, first)

    with pytest.raises(IntegrityError):
        accept(engine, write(tenant, id=first.id))


def test_a_lane_keeps_its_shard_when_the_number_of_shards_changes(engine: Engine, tenant: Tenant) -> None:
    lane = ids.new()
    [born] = accept(engine, write(tenant, lane=lane), shards=1).values()

    [later] = accept(engine, write(tenant, "PATCH", NOTHING, lane=lane), shards=1000).values()

    assert later == born == 0


def test_a_batch_has_each_lane_in_order_and_leaves_out_a_lane_that_waits(engine: Engine, tenant: Tenant) -> None:
    held, free = ids.new(), ids.new()
    head = write(tenant, lane=held)
    accept(engine, head, write(tenant, lane=free))
    accept(engine, write(tenant, "PATCH", NOTHING, lane=held), write(tenant, "PATCH", NOTHING, lane=free))
    with database.transaction(engine) as connection:
        failures.hold(connection, head.id, 3600)

    with database.transaction(engine) as connection:
        found = batches.in_turn(connection, SHARD, limit=10_000).operations

    seqs = defaultdict(list)
    for operation in found:
        seqs[operation.lane].append(operation.seq)
    assert seqs[free] == [1, 2]
    assert held not in seqs


def test_what_is_prevented_is_not_applied(engine: Engine, tenant: Tenant) -> None:
    pending = write(tenant)
    accept(engine, pending)

    with database.transaction(engine) as connection:
        prevented = journal.prevent(connection, pending)

    assert prevented
    with database.transaction(engine) as connection:
        taken = batches.in_turn(connection, SHARD, limit=10_000)
    assert pending.id not in {operation.id for operation in taken.operations}


def test_what_is_prevented_before_it_arrives_cannot_arrive(engine: Engine, tenant: Tenant) -> None:
    late = write(tenant)
    with database.transaction(engine) as connection:
        assert journal.prevent(connection, late)

    with pytest.raises(IntegrityError):
        accept(engine, late)


def test_what_is_settled_cannot_be_prevented(engine: Engine, tenant: Tenant) -> None:
    settled = write(tenant)
    accept(engine, settled)
    outcome = Outcome(operation_id=settled.id, status=201, resource={"id": "x"})
    with database.transaction(engine) as connection:
        journal.settle(connection, [outcome])

    with database.transaction(engine) as connection:
        assert not journal.prevent(connection, settled)
        assert journal.find_outcome(connection, settled.id) == outcome


def test_prevention_waits_for_a_drain_that_has_begun(engine: Engine, tenant: Tenant) -> None:
    begun = write(tenant)
    accept(engine, begun)
    answers: list[bool] = []

    def prevent() -> None:
        with database.transaction(engine) as connection:
            answers.append(journal.prevent(connection, begun))

    with database.transaction(engine) as connection:
        batches.in_turn(connection, SHARD, limit=10_000)
        thread = threading.Thread(target=prevent)
        thread.start()
        journal.settle(connection, [Outcome(operation_id=begun.id, status=204)])
    thread.join()

    assert answers == [False]


def test_only_shards_whose_work_is_due_are_swept(engine: Engine, tenant: Tenant) -> None:
    held = write(tenant)
    [shard] = accept(engine, held, shards=1_000_003).values()
    with database.transaction(engine) as connection:
        before = journal.waiting_shards(connection, 0)
        failures.hold(connection, held.id, 3600)
        after = journal.waiting_shards(connection, 0)

    assert shard in before
    assert shard not in after


def test_what_rests_beyond_any_delay_is_released_for_the_clock_was_set_back(engine: Engine, tenant: Tenant) -> None:
    far, near = write(tenant), write(tenant)
    shards = accept(engine, far, near, shards=1_000_003)
    with database.transaction(engine) as connection:
        failures.hold(connection, far.id, 3600)
        failures.hold(connection, near.id, 60)

        released = journal.release_far_ones(connection)
        waiting = journal.waiting_shards(connection, 0)

    assert released >= 1
    assert shards[far.id] in waiting
    assert shards[near.id] not in waiting


def test_what_was_accepted_in_the_future_is_swept(engine: Engine, tenant: Tenant) -> None:
    early = write(tenant)
    [shard] = accept(engine, early, shards=1_000_003).values()
    with database.transaction(engine) as connection:
        moved = text("UPDATE operation SET accepted_at = accepted_at + interval '1 hour' WHERE id = :id")
        connection.execute(moved, {"id": early.id})

        waiting = journal.waiting_shards(connection, 1)

    assert shard in waiting
