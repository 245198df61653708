"""Bulk requests in the journal: all of it or nothing, wave after wave over all shards, and failures that spread."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace as changed
from uuid import UUID

import pytest
from sqlalchemy import Engine, delete, select, update
from sqlalchemy.exc import IntegrityError

from services.directory import bulk_journal, database, ids, journal, results, tables
from services.directory.bulk_journal import Part
from services.directory.journal import State, Write
from services.directory.wary import WaryDrainer
from services.gateway.accepting import Accepter
from services.gateway.admission import Admission
from services.gateway.bulk_async import BulkFollower
from services.gateway.outside import GuardedDrainer
from services.gateway.reach import Hearing
from services.gateway.waiting import Waiters
from services.gateway.writing import Turns, Writer
from shared.outcomes import Reply
from shared.scim.errors import InvalidValueError, UnavailableError
from tests.factories import Tenant, patch, person, replace, role, write

SHARDS = 4
TITLE = patch(replace("title", "x"))


class Worker:
    """Drains what is rung, as the workers do, and remembers in which order operations were settled."""

    def __init__(self, engine: Engine) -> None:
        self.rung: list[int] = []
        self.settled: list[UUID] = []
        self.drainer = WaryDrainer(engine=engine, announce=self._announce, max_starts=1, ring=self.rung.append)

    def work(self, shards: Iterable[int]) -> None:
        """Drain shards, and those that are rung meanwhile."""
        self.rung += shards
        while self.rung:
            self.drainer.drain(self.rung.pop(0))

    def _announce(self, replies: Sequence[Reply]) -> None:
        self.settled += [reply.outcome.operation_id for reply in replies]


@pytest.fixture
def worker(engine: Engine) -> Worker:
    """A worker for a journal in which nothing else is pending."""
    with database.transaction(engine) as connection:
        pending = tables.operation.c.state == State.PENDING.value
        connection.execute(update(tables.operation).where(pending).values(state=State.CANCELLED.value))
        connection.execute(delete(tables.shard))
    return Worker(engine)


def parts(*writes: Write) -> list[Part]:
    """Return the parts of a request; the operations that one needs are named by their places."""
    group = ids.new_group()
    return [
        Part(
            write=changed(
                each,
                id=ids.member(group, index),
                bulk_id=f"b{index}",
                wave=each.wave or 0,
                needs=None if each.needs is None else [ids.member(group, place.int) for place in each.needs],
            ),
            path=f"/Users/{each.lane}",
        )
        for index, each in enumerate(writes)
    ]


def place(index: int) -> UUID:
    return UUID(int=index)


def accept(engine: Engine, request: Sequence[Part]) -> set[int]:
    with database.transaction(engine) as connection:
        return bulk_journal.accept(connection, request, SHARDS)


def states(engine: Engine, request: Sequence[Part]) -> list[tuple[str, int | None]]:
    table = tables.operation
    found = select(table.c.id, table.c.state, table.c.status).where(table.c.id.in_([p.write.id for p in request]))
    with database.transaction(engine) as connection:
        by_id = {row.id: (row.state, row.status) for row in connection.execute(found)}
    return [by_id.get(part.write.id, ("absent", None)) for part in request]


def settled(*statuses: int) -> list[tuple[str, int | None]]:
    return [(State.SETTLED.value, status) for status in statuses]


def test_a_wave_is_begun_when_the_one_before_has_ended_in_all_shards(
    engine: Engine, tenant: Tenant, worker: Worker
) -> None:
    people = [write(tenant) for _ in range(20)]
    members = [{"value": str(each.lane)} for each in people]
    teams = [write(tenant, resource_type="Group", request=role(members=members), wave=1) for _ in range(5)]
    all_of = parts(*teams, *people)

    begin = accept(engine, all_of)

    assert begin == {journal.shard_of(each.lane, SHARDS) for each in people}
    last, *others = begin
    for shard in range(SHARDS):
        if shard != last:
            worker.drainer.drain(shard)
    assert set(worker.settled) == {p.write.id for p in all_of[5:] if journal.shard_of(p.write.lane, SHARDS) in others}
    assert worker.rung == []
    worker.work([last])
    assert states(engine, all_of) == settled(*[201] * 25)


def test_what_is_behind_a_waiting_operation_in_its_lane_waits_and_what_is_before_it_does_not(
    engine: Engine, tenant: Tenant, worker: Worker
) -> None:
    old = write(tenant)
    with database.transaction(engine) as connection:
        journal.accept(connection, [old], SHARDS)
    before, behind = (write(tenant, "PATCH", TITLE, lane=old.lane) for _ in range(2))
    with database.transaction(engine) as connection:
        journal.accept(connection, [before], SHARDS)
    new = write(tenant)
    request = parts(new, write(tenant, "PATCH", TITLE, lane=old.lane, wave=1))
    accept(engine, request)
    with database.transaction(engine) as connection:
        journal.accept(connection, [behind], SHARDS)

    worker.drainer.advance(journal.shard_of(old.lane, SHARDS))
    early = [each for each in worker.settled if each != request[0].write.id]
    worker.work(range(SHARDS))

    assert early == [old.id, before.id]
    order = worker.settled
    assert order.index(request[0].write.id) < order.index(request[1].write.id) < order.index(behind.id)


def test_requests_that_cross_in_their_lanes_do_not_wait_for_each_other_in_a_circle(
    engine: Engine, tenant: Tenant, worker: Worker
) -> None:
    lanes = [ids.new() for _ in range(6)]
    with database.transaction(engine) as connection:
        journal.accept(connection, [write(tenant, lane=lane) for lane in lanes], SHARDS)
    worker.work(range(SHARDS))

    requests = [
        parts(*(write(tenant, "PATCH", TITLE, lane=lane, wave=wave) for wave, lane in enumerate(order)))
        for order in (lanes, lanes[::-1], lanes)
    ]
    worker.work([shard for request in requests for shard in accept(engine, request)])

    assert [states(engine, request) for request in requests] == [settled(*[200] * 6)] * 3


def test_what_needs_a_failed_operation_is_refused_and_what_waits_for_it_goes_on(
    engine: Engine, tenant: Tenant, worker: Worker
) -> None:
    name = person()["userName"]
    first, twin, other = (
        write(tenant, request=person(userName=name)),
        write(tenant, request=person(userName=name)),
        write(tenant),
    )
    request = parts(
        first,
        changed(twin, wave=1),
        write(tenant, "PATCH", TITLE, lane=twin.lane, wave=2, needs=[place(0), place(1)]),
        changed(other, wave=3),
        write(tenant, "PATCH", TITLE, lane=other.lane, wave=4, needs=[place(2), place(3)]),
    )

    worker.work(accept(engine, request))

    assert states(engine, request) == settled(201, 409, 409, 201, 409)
    with database.transaction(engine) as connection:
        found = journal.find_outcome(connection, request[4].write.id)
    assert found is not None
    assert found.detail is not None
    assert "operation 3 " in found.detail


def test_a_dead_operation_lets_the_next_wave_begin(engine: Engine, tenant: Tenant, worker: Worker) -> None:
    """A method that nobody knows is a bug, which is given up after the first start here."""
    bad = write(tenant)
    request = parts(bad, write(tenant, wave=1), write(tenant, "PATCH", TITLE, lane=bad.lane, wave=1, needs=[place(0)]))
    begin = accept(engine, request)
    with database.transaction(engine) as connection:
        mine = tables.operation.c.id == request[0].write.id
        connection.execute(update(tables.operation).where(mine).values(method="BREW"))

    worker.work(begin)

    assert states(engine, request) == [(State.DEAD.value, 500), *settled(201, 409)]


def test_what_can_never_be_applied_is_settled_from_the_start(engine: Engine, tenant: Tenant, worker: Worker) -> None:
    unknown = write(tenant, "DELETE", lane=ids.new())
    request = parts(write(tenant), unknown, write(tenant, wave=1))
    request[2] = changed(request[2], error=InvalidValueError("no"))

    begin = accept(engine, request)

    assert states(engine, request) == [("pending", None), *settled(404, 400)]
    assert begin == {journal.shard_of(request[0].write.lane, SHARDS)}
    group = ids.group_of(request[0].write.id)
    with database.transaction(engine) as connection:
        tenancy = {"tenant_id": tenant.principal.tenant_id, "token_id": tenant.principal.token_id}
        standing = results.standing(connection, group, **tenancy)
        found = results.find_parts(connection, group, **tenancy)
        assert results.standing(connection, request[0].write.id, **tenancy) is None
        assert results.find(connection, request[1].write.id, **tenancy) is None
    assert standing is not None
    assert standing.pending == 1
    assert [one.path for one in found] == [None, f"/Users/{unknown.lane}", request[2].path]
    worker.work(begin)
    assert states(engine, request) == settled(201, 404, 400)


def test_a_request_is_accepted_as_a_whole_or_not_at_all(engine: Engine, tenant: Tenant, worker: Worker) -> None:
    request = parts(write(tenant), write(tenant), write(tenant, "DELETE", lane=ids.new()))
    with database.transaction(engine) as connection:
        assert journal.forestall(connection, request[1].write)

    with pytest.raises(IntegrityError):
        accept(engine, request)

    assert states(engine, request) == [("absent", None), (State.CANCELLED.value, None), ("absent", None)]
    with database.transaction(engine) as connection:
        lanes = [part.write.lane for part in request]
        assert connection.execute(select(tables.lane).where(tables.lane.c.id.in_(lanes))).all() == []


def test_an_accept_whose_answer_was_lost_is_found_again(engine: Engine, tenant: Tenant, worker: Worker) -> None:
    request = parts(write(tenant), write(tenant, wave=1))
    accept(engine, request)

    _follower(engine, worker).submit(request, deadline=time.monotonic() + 60)

    assert worker.rung == [journal.shard_of(request[0].write.lane, SHARDS)]
    worker.work([])
    assert states(engine, request) == settled(201, 201)


def test_what_is_not_accepted_by_the_deadline_never_will_be(engine: Engine, tenant: Tenant, worker: Worker) -> None:
    request = parts(write(tenant), write(tenant, wave=1))

    with pytest.raises(UnavailableError):
        _follower(engine, worker).submit(request, deadline=time.monotonic())

    with pytest.raises(IntegrityError):
        accept(engine, request)
    assert states(engine, request) == [(State.CANCELLED.value, None), ("absent", None)]


def _follower(engine: Engine, worker: Worker) -> BulkFollower:
    def wake(shard: int) -> bool:
        worker.rung.append(shard)
        return True

    writer = Writer(
        engine=engine,
        accepter=Accepter(engine, SHARDS, answering=0),
        waiters=Waiters(),
        drainer=GuardedDrainer(drainer=worker.drainer),
        turns=Turns(1),
        admission=Admission(engine, 60),
        hearing=Hearing(),
        wake=wake,
        wake_patiently=wake,
        deadline_seconds=60,
    )
    return BulkFollower(writer=writer, shards=SHARDS)
