"""What a drain takes next: tenants in turn, leavers first, and each lane in its order without a gap."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import ARRAY, Connection, Engine, Uuid, bindparam, select, text, update

from services.directory import batches, database, failures, ids, journal, tables
from services.directory.backoff import Fault
from services.directory.drain import Drainer
from services.directory.journal import Operation, Write
from tests import conftest, shards
from tests.factories import Tenant, patch, replace, write

NOTHING = patch(replace("title", "x"))
LARGE = 20_000
FAULT = Fault(name="a test", is_passing=True, counts=False)


@pytest.fixture
def shard() -> int:
    """A shard of the test's own."""
    return int.from_bytes(ids.new().bytes[-3:], "big")


@pytest.fixture
def three(engine: Engine) -> list[Tenant]:
    """Three tenants."""
    return [conftest.make_tenant(engine) for _ in range(3)]


@pytest.fixture
def scratch(engine: Engine) -> Iterator[Connection]:
    """A connection whose transaction leaves nothing behind."""
    with engine.connect() as connection:
        yield connection
        connection.rollback()


def accept(connection: Connection, shard: int, *writes: Write) -> None:
    """Accept writes into a shard of the test's own; the lane of each is there."""
    journal.accept(connection, writes, shards=1)
    operations = [each.id for each in writes]
    connection.execute(update(tables.operation).where(tables.operation.c.id.in_(operations)).values(shard=shard))


def changes(tenant: Tenant, count: int) -> list[Write]:
    """Return so many writes, each in a lane of its own."""
    return [write(tenant) for _ in range(count)]


def flood(connection: Connection, shard: int, tenant: Tenant, count: int) -> None:
    """Leave so many pending operations, each in a lane of its own, by one statement."""
    statement = text("""
        INSERT INTO operation (id, tenant_id, token_id, request_id, resource_type, lane, seq, shard, position, method,
                               reply_to, accepted_at)
        SELECT id, :tenant, :tenant, '', 'User', gen_random_uuid(), 1, :shard, nextval('operation_position'), 'DELETE',
               '', now()
        FROM unnest(:ids) AS made(id)
    """).bindparams(bindparam("ids", type_=ARRAY(Uuid)))
    made = [ids.new() for _ in range(count)]
    connection.execute(statement, {"ids": made, "tenant": tenant.principal.tenant_id, "shard": shard})


def of(operations: Sequence[Operation]) -> Counter[UUID]:
    return Counter(operation.tenant_id for operation in operations)


def test_what_fits_into_a_batch_is_taken_as_it_is(scratch: Connection, shard: int, three: list[Tenant]) -> None:
    accept(scratch, shard, *(each for tenant in three for each in changes(tenant, 5)))

    batch = batches.everything(scratch, shard)

    assert batch is not None
    assert of(batch.operations) == {tenant.principal.tenant_id: 5 for tenant in three}
    assert batch.is_everything


def test_more_than_that_is_for_turns(scratch: Connection, shard: int, tenant: Tenant) -> None:
    accept(scratch, shard, *changes(tenant, batches.BATCH))

    assert batches.everything(scratch, shard) is None


def test_tenants_are_served_in_turn(scratch: Connection, shard: int, three: list[Tenant]) -> None:
    many, few, one = (tenant.principal.tenant_id for tenant in three)
    flood(scratch, shard, three[0], 1_000)
    accept(scratch, shard, *changes(three[1], 20), *changes(three[2], 1))

    batch = batches.in_turn(scratch, shard)

    assert of(batch.operations) == {many: 67, few: 20, one: 1}
    assert not batch.is_everything


def test_a_tenant_alone_has_the_whole_batch(scratch: Connection, shard: int, tenant: Tenant) -> None:
    flood(scratch, shard, tenant, 1_000)

    assert len(batches.in_turn(scratch, shard).operations) == batches.BATCH


def test_a_round_goes_on_behind_the_last_tenant(
    scratch: Connection, shard: int, three: list[Tenant], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "_TENANTS", 2)
    for tenant in three:
        flood(scratch, shard, tenant, 10)
    first, second, third = sorted(tenant.principal.tenant_id for tenant in three)

    begun = batches.in_turn(scratch, shard)
    ended = batches.in_turn(scratch, shard, begun.next_after)

    assert set(of(begun.operations)) == {first, second}
    assert set(of(ended.operations)) == {third}
    assert ended.next_after == batches.FROM_THE_START


def test_a_leaver_overtakes_the_backlog_of_the_tenant(scratch: Connection, shard: int, tenant: Tenant) -> None:
    flood(scratch, shard, tenant, 1_000)
    lane = ids.new()
    earlier = [write(tenant, lane=lane), *(write(tenant, "PATCH", NOTHING, lane=lane) for _ in range(3))]
    for each in earlier:
        accept(scratch, shard, each)
    leaver = write(tenant, "DELETE", lane=lane, is_urgent=True)
    accept(scratch, shard, leaver)
    accept(scratch, shard, write(tenant, "PATCH", NOTHING, lane=lane))

    batch = batches.in_turn(scratch, shard)

    assert [operation.id for operation in batch.operations[:5]] == [*(each.id for each in earlier), leaver.id]
    assert of(batch.operations) == {tenant.principal.tenant_id: batches.BATCH}


def test_a_leaver_does_not_overtake_a_lane_that_waits(scratch: Connection, shard: int, tenant: Tenant) -> None:
    flood(scratch, shard, tenant, 1_000)
    head = write(tenant)
    accept(scratch, shard, head)
    accept(scratch, shard, write(tenant, "DELETE", lane=head.lane, is_urgent=True))
    failures.postpone(scratch, head.id, 3600, FAULT)

    batch = batches.in_turn(scratch, shard)

    assert head.lane not in {operation.lane for operation in batch.operations}


def test_leavers_of_one_tenant_do_not_take_the_turns_of_another(
    scratch: Connection, shard: int, three: list[Tenant]
) -> None:
    leaving = [changed(each, is_urgent=True) for each in changes(three[0], 300)]
    accept(scratch, shard, *leaving)
    accept(scratch, shard, *changes(three[1], 10))

    assert of(batches.in_turn(scratch, shard).operations)[three[1].principal.tenant_id] == 10


def test_the_cost_does_not_grow_with_the_backlog(scratch: Connection, shard: int, three: list[Tenant]) -> None:
    """Told by the rows that the plan touches, for time says nothing on a busy machine."""
    flood(scratch, shard, three[0], LARGE)
    accept(scratch, shard, *changes(three[1], 1))
    scratch.execute(text("ANALYZE operation"))

    statement = f"EXPLAIN (ANALYZE, FORMAT JSON) {batches._IN_TURN}"
    parameters = {"shard": shard, "after": batches.FROM_THE_START, "limit": batches.BATCH, "tenants": 100}
    [plan] = scratch.exec_driver_sql(statement, parameters).scalar_one()

    assert _rows(plan["Plan"]) < LARGE / 4


def _rows(plan: dict[str, object]) -> float:
    """Return how many rows the nodes of a plan read, and threw away."""
    names = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
    own = sum(float(str(plan.get(name, 0))) for name in names) * float(str(plan.get("Actual Loops", 1)))
    below = plan.get("Plans", [])
    assert isinstance(below, list)
    return own + sum(_rows(each) for each in below)


@st.composite
def backlogs(draw: st.DrawFn) -> list[tuple[int, int, bool, bool]]:
    """Return operations as (tenant, lane, is_urgent, is_held), in the order of their positions."""
    kinds = st.sampled_from([(False, False)] * 8 + [(True, False)] * 4 + [(False, True)])
    places = draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4), kinds), min_size=1, max_size=60))
    return [(tenant, lane, is_urgent, is_held) for tenant, lane, (is_urgent, is_held) in places]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(backlog=backlogs(), limit=st.integers(1, 40))
def test_no_lane_is_ever_reordered_or_skipped(
    engine: Engine, three: list[Tenant], shard: int, backlog: list[tuple[int, int, bool, bool]], limit: int
) -> None:
    """Batch after batch until nothing is due: each lane comes in its order, and is left only where it waits."""
    with engine.connect() as connection:
        pending = _leave(connection, shard, three, backlog)
        expected = _by_lane(_due(pending))
        taken: list[Journaled] = []
        leavers_first = []

        after, batch = batches.FROM_THE_START, batches.in_turn(connection, shard, limit=limit)
        while not batch.is_everything:
            mine = [each for operation in batch.operations for each in pending if each.id == operation.id]
            taken += mine
            leavers_first.append(_leavers_come_first(mine, pending, limit))
            pending = [each for each in pending if each not in mine]
            _settle(connection, batch.operations)
            after = batch.next_after
            batch = batches.in_turn(connection, shard, after, limit)
        connection.rollback()

    assert _by_lane(taken) == expected
    assert all(leavers_first)


@dataclass(frozen=True)
class Journaled:
    """An operation as the model knows it."""

    id: UUID
    tenant: int
    lane: UUID
    is_urgent: bool
    is_held: bool


def _leave(
    connection: Connection, shard: int, tenants: list[Tenant], backlog: list[tuple[int, int, bool, bool]]
) -> list[Journaled]:
    """Journal the operations, and return them."""
    lanes = {(tenant, lane): ids.new() for tenant, lane, _, _ in backlog}
    left: list[Journaled] = []
    for tenant, number, is_urgent, is_held in backlog:
        lane = lanes[tenant, number]
        is_first = all(each.lane != lane for each in left)
        method, message = ("POST", None) if is_first else ("PATCH", NOTHING)
        operation = write(tenants[tenant], method, message, lane=lane, is_urgent=is_urgent)
        accept(connection, shard, operation)
        left.append(Journaled(operation.id, tenant, lane, is_urgent, is_held))
        if is_held:
            failures.postpone(connection, operation.id, 3600, FAULT)
    return left


def _due(pending: list[Journaled]) -> list[Journaled]:
    """Return what does not wait, nor is behind in its lane of what does."""
    waits = {each.lane: number for number, each in reversed(list(enumerate(pending))) if each.is_held}
    return [each for number, each in enumerate(pending) if number < waits.get(each.lane, len(pending))]


def _by_lane(operations: list[Journaled]) -> dict[UUID, list[UUID]]:
    return {each.lane: [other.id for other in operations if other.lane == each.lane] for each in operations}


def _leavers_come_first(batch: list[Journaled], pending: list[Journaled], limit: int) -> bool:
    """Whether each tenant's share begins with what is urgent: operations up to the last urgent one of their lane."""
    due = _due(pending)
    last = {each.lane: number for number, each in enumerate(due) if each.is_urgent}
    urgent = [each for number, each in enumerate(due) if number <= last.get(each.lane, -1)]
    share = max(1, limit // len({each.tenant for each in pending}))
    for tenant in {each.tenant for each in batch}:
        mine = [each for each in batch if each.tenant == tenant]
        wanted = min(len(mine), share, sum(each.tenant == tenant for each in urgent))
        if not all(each in urgent for each in mine[:wanted]):
            return False
    return True


def _settle(connection: Connection, operations: Sequence[Operation]) -> None:
    settled = [operation.id for operation in operations]
    connection.execute(update(tables.operation).where(tables.operation.c.id.in_(settled)).values(state="settled"))


def test_a_backlog_is_drained_to_its_end(engine: Engine, three: list[Tenant]) -> None:
    """All of it, tenants in turn, with a leaver in the midst: nothing is left, and each lane is in its order."""
    with database.transaction(engine) as connection:
        shards.empty(connection)
    writes = [each for tenant, count in zip(three, (250, 20, 1), strict=True) for each in changes(tenant, count)]
    last = write(three[0], "PATCH", patch(replace("active", value=False)), lane=writes[200].lane, is_urgent=True)
    with database.transaction(engine) as connection:
        journal.accept(connection, writes, shards=1)
        journal.accept(connection, [last], shards=1)
    order: list[UUID] = []
    drainer = Drainer(
        engine=engine,
        announce=lambda told: order.extend(reply.outcome.operation_id for reply in told),
        max_starts=3,
        ring=lambda _: None,
    )

    settled = drainer.drain(0)

    assert settled == len(order) == len(writes) + 1
    assert max(order.index(last.id), order.index(writes[-1].id)) < batches.BATCH
    assert order.index(writes[200].id) < order.index(last.id)
    with database.transaction(engine) as connection:
        states = set(connection.scalars(select(tables.operation.c.state).where(tables.operation.c.id.in_(order))))
    assert states == {"settled"}
