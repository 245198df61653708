"""Draining: one effect for each operation, whatever fails, and an end for what always fails."""

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace as replace_fields
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, event, func, select, text, update
from sqlalchemy.exc import DBAPIError

from services.directory import batches, database, failures, history, ids, journal, tables
from services.directory.apply import FEW_MEMBERS
from services.directory.backoff import Fault
from services.directory.drain import Drainer
from services.directory.journal import Write
from shared.outcomes import Outcome, Reply
from tests import poison, shards
from tests.factories import Tenant, patch, person, replace, role, write

MAX_STARTS = 3


class Announced:
    """Collects what is announced, and the shards that are rung."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.rung: list[int] = []

    def __call__(self, replies: Sequence[Reply]) -> None:
        self.replies += replies

    def of(self, each: Write) -> Outcome:
        [outcome] = [r.outcome for r in self.replies if r.outcome.operation_id == each.id]
        return outcome


@pytest.fixture
def announced() -> Announced:
    return Announced()


@pytest.fixture
def drainer(engine: Engine, announced: Announced) -> Drainer:
    with database.transaction(engine) as connection:
        shards.empty(connection)
    return Drainer(engine=engine, announce=announced, max_starts=MAX_STARTS, ring=announced.rung.append)


def accept(engine: Engine, *writes: Write) -> None:
    with database.transaction(engine) as connection:
        journal.accept(connection, writes, shards=1)


def row(engine: Engine, operation_id: UUID) -> Any:
    with database.transaction(engine) as connection:
        return connection.execute(select(tables.operation).where(tables.operation.c.id == operation_id)).one()


@contextmanager
def impatient(engine: Engine) -> Iterator[Engine]:
    """A pool whose statements wait for no lock."""
    url = engine.url.render_as_string(hide_password=False)
    pool = database.connect(url, process="impatient", lock_timeout="50ms")
    yield pool
    pool.dispose()


@contextmanager
def listening(engine: Engine, name: str, listener: Callable[..., None]) -> Iterator[None]:
    """Tell a listener of an event of the pool while the block runs."""
    event.listen(engine, name, listener)
    yield
    event.remove(engine, name, listener)


def make_due(engine: Engine) -> None:
    """Let what waits for its next start be due now."""
    with database.transaction(engine) as connection:
        connection.execute(update(tables.operation).values(not_before=None))


def test_a_lane_is_applied_in_its_order(engine: Engine, tenant: Tenant, drainer: Drainer, announced: Announced) -> None:
    lane = ids.new()
    accept(engine, write(tenant, lane=lane))
    titles = [write(tenant, "PATCH", patch(replace("title", f"title {n}")), lane=lane) for n in range(5)]
    accept(engine, *titles)

    drainer.drain(0)

    versions = [announced.of(each).resource["meta"]["version"] for each in titles]  # type: ignore[index]
    assert versions == ['W/"2"', 'W/"3"', 'W/"4"', 'W/"5"', 'W/"6"']


def test_more_than_a_batch_is_drained_at_once(engine: Engine, tenant: Tenant, drainer: Drainer) -> None:
    accept(engine, *(write(tenant) for _ in range(batches.BATCH * 2 + 1)))

    assert drainer.drain(0) == batches.BATCH * 2 + 1


def test_creates_in_a_row_are_one_statement_and_each_has_its_own_end(
    engine: Engine, tenant: Tenant, drainer: Drainer, announced: Announced
) -> None:
    twins = [write(tenant, request=person(userName=name)) for name in ("twin@x.example", "TWIN@x.example")]
    others = [write(tenant) for _ in range(3)]
    accept(engine, others[0], *twins, *others[1:])
    inserts: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        if "INSERT INTO employee" in statement:
            inserts.append(statement)

    with listening(engine, "before_cursor_execute", note):
        drainer.drain(0)

    statuses = [announced.of(each).status for each in (*twins, *others)]
    assert (statuses, len(inserts)) == ([201, 409, 201, 201, 201], 1)
    with database.transaction(engine) as connection:
        told = [history.of(connection, tenant.principal.tenant_id, each.lane, limit=9) for each in (*twins, *others)]
    assert [len(entries) for entries in told] == [1, 0, 1, 1, 1]


def test_two_drains_at_once_apply_everything_once(engine: Engine, tenant: Tenant, drainer: Drainer) -> None:
    writes = [write(tenant) for _ in range(60)]
    accept(engine, *writes)

    with ThreadPoolExecutor(6) as pool:
        settled = sum(pool.map(lambda _: drainer.drain(0), range(6)))

    assert settled == 60
    with database.transaction(engine) as connection:
        lanes = [each.lane for each in writes]
        versions = connection.scalars(select(tables.employee.c.version).where(tables.employee.c.id.in_(lanes))).all()
    assert list(versions) == [1] * 60


def test_a_refusal_is_an_outcome_and_changes_nothing(
    engine: Engine, tenant: Tenant, drainer: Drainer, announced: Announced
) -> None:
    first, second = write(tenant, request=person(userName="twin")), write(tenant, request=person(userName="TWIN"))
    accept(engine, first, second)

    drainer.drain(0)

    assert announced.of(first).status == 201
    assert (announced.of(second).status, announced.of(second).scim_type) == (409, "uniqueness")
    with database.transaction(engine) as connection:
        assert connection.scalar(select(func.count()).select_from(tables.history).where(_of(second))) == 0


def test_a_group_with_an_unknown_member_leaves_nothing_behind(
    engine: Engine, tenant: Tenant, drainer: Drainer, announced: Announced
) -> None:
    known = write(tenant)
    group = write(
        tenant,
        resource_type="Group",
        request=role(members=[{"value": str(known.lane)}, {"value": str(ids.new())}]),
    )
    accept(engine, known, group)

    drainer.drain(0)

    assert (announced.of(group).status, announced.of(group).scim_type) == (400, "invalidValue")
    with database.transaction(engine) as connection:
        assert connection.scalar(select(tables.role.c.id).where(tables.role.c.id == group.lane)) is None


def test_a_poison_operation_is_dead_in_the_end_and_its_lane_goes_on(
    engine: Engine, tenant: Tenant, drainer: Drainer, announced: Announced
) -> None:
    healthy, lane = write(tenant), ids.new()
    accept(engine, write(tenant, lane=lane), healthy)
    poison = write(tenant, "POISON", lane=lane)
    after = write(tenant, "PATCH", patch(replace("title", "after")), lane=lane)
    accept(engine, poison, after)

    for _ in range(MAX_STARTS):
        make_due(engine)
        drainer.drain(0)
    make_due(engine)
    drainer.drain(0)

    assert announced.of(healthy).status == 201
    assert row(engine, poison.id).state == "dead"
    assert announced.of(poison).status == 500
    assert announced.of(after).resource["title"] == "after"  # type: ignore[index]


def test_a_failing_operation_does_not_take_its_batch_with_it(
    engine: Engine, tenant: Tenant, drainer: Drainer, announced: Announced
) -> None:
    lane = ids.new()
    accept(engine, write(tenant, lane=lane))
    others = [write(tenant) for _ in range(5)]
    accept(engine, write(tenant, "POISON", lane=lane), *others)

    drainer.drain(0)

    assert [announced.of(each).status for each in others] == [201] * 5


def test_a_run_that_did_not_end_is_counted_as_a_start(
    engine: Engine, tenant: Tenant, drainer: Drainer, announced: Announced
) -> None:
    crashed = write(tenant)
    accept(engine, crashed)
    with database.transaction(engine) as connection:
        connection.execute(text("INSERT INTO shard (id, running) VALUES (0, :ids)"), {"ids": [crashed.id]})

    drainer.drain(0)

    assert announced.of(crashed).status == 201
    assert row(engine, crashed.id).starts == 2


def test_an_operation_that_always_kills_its_worker_is_dead_in_the_end(
    engine: Engine, tenant: Tenant, drainer: Drainer, announced: Announced
) -> None:
    killer, healthy = write(tenant), write(tenant)
    accept(engine, killer, healthy)

    for _ in range(MAX_STARTS):
        with database.transaction(engine) as connection:
            connection.execute(
                text(
                    "INSERT INTO shard (id, running) VALUES (0, :ids) "
                    "ON CONFLICT (id) DO UPDATE SET running = excluded.running"
                ),
                {"ids": [killer.id]},
            )
        drainer.failed_starts.recover(0)

    drainer.drain(0)

    assert row(engine, killer.id).state == "dead"
    assert announced.of(killer).status == 500
    assert announced.of(healthy).status == 201


def test_each_failed_start_is_kept_with_its_error_and_its_place(
    engine: Engine, tenant: Tenant, drainer: Drainer
) -> None:
    lane = ids.new()
    accept(engine, write(tenant, lane=lane))
    poison = write(tenant, "POISON", lane=lane)
    accept(engine, poison)

    for _ in range(MAX_STARTS):
        make_due(engine)
        drainer.drain(0)

    kept = failures.read(row(engine, poison.id).failures)
    assert [(each.error, each.counts) for each in kept] == [("KeyError", True)] * MAX_STARTS
    assert all(
        each.where is not None and re.match(r"services\.directory\.apply\.apply:\d+", each.where) for each in kept
    )
    assert sorted(kept, key=lambda each: each.at) == kept
    assert (row(engine, poison.id).starts, row(engine, poison.id).last_error) == (MAX_STARTS, "KeyError")


def test_only_the_last_failed_starts_are_kept(engine: Engine, tenant: Tenant, drainer: Drainer) -> None:
    unlucky = write(tenant)
    accept(engine, unlucky)
    faults = [Fault(name=f"fault {n}", is_passing=True, counts=False) for n in range(failures.KEPT + 5)]

    with database.transaction(engine) as connection:
        for fault in faults:
            failures.postpone(connection, unlucky.id, 0, fault)

    kept = failures.read(row(engine, unlucky.id).failures)
    assert [each.error for each in kept] == [fault.name for fault in faults[5:]]
    assert (row(engine, unlucky.id).starts, row(engine, unlucky.id).delays) == (0, failures.KEPT + 5)


def test_what_succeeds_at_its_first_start_keeps_nothing(engine: Engine, tenant: Tenant, drainer: Drainer) -> None:
    healthy = write(tenant)
    accept(engine, healthy)

    drainer.drain(0)

    assert row(engine, healthy.id).failures is None


def test_a_fault_that_passes_is_kept_and_not_counted(
    engine: Engine, tenant: Tenant, drainer: Drainer, announced: Announced
) -> None:
    locked = write(tenant)
    accept(engine, locked)

    with engine.connect() as other:
        other.execute(text("LOCK TABLE employee IN ACCESS EXCLUSIVE MODE"))
        with impatient(engine) as pool:
            replace_fields(drainer, engine=pool).drain(0)
        other.rollback()
    make_due(engine)
    drainer.drain(0)

    assert announced.of(locked).status == 201
    [failure] = failures.read(row(engine, locked.id).failures)
    assert (failure.error, failure.counts, failure.where) == ("LockNotAvailable 55P03", False, None)
    assert row(engine, locked.id).starts == 1


def test_a_run_that_others_recovered_is_not_counted_twice(engine: Engine, tenant: Tenant, drainer: Drainer) -> None:
    crashed = write(tenant)
    accept(engine, crashed)
    with database.transaction(engine) as connection:
        connection.execute(text("INSERT INTO shard VALUES (0, :ids)"), {"ids": [crashed.id]})

    drainer.failed_starts.recover(0)
    drainer.failed_starts.recover(0)

    assert row(engine, crashed.id).starts == 1


def test_what_failed_before_is_run_alone(
    engine: Engine, tenant: Tenant, drainer: Drainer, caplog: pytest.LogCaptureFixture
) -> None:
    """So nobody shares a run with what may end its process, and no batch is done for nothing."""
    drainer, lane = replace_fields(drainer, max_starts=1_000), ids.new()
    accept(engine, write(tenant, lane=lane))
    accept(engine, write(tenant, "POISON", lane=lane))
    drainer.drain(0)
    healthy = write(tenant)
    accept(engine, healthy)
    make_due(engine)
    caplog.clear()

    drainer.drain(0)

    assert row(engine, healthy.id).state == "settled"
    assert "batch failed" not in caplog.messages
    assert "operation postponed" in caplog.messages


def test_creates_that_fail_together_are_run_alone_by_whoever_comes_next(
    engine: Engine, tenant: Tenant, drainer: Drainer, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody knows which of them it was; without a note everyone who waits for the shard would try them all again."""
    evil = write(tenant, request=person(title=poison.MARK))
    others = [write(tenant) for _ in range(5)]
    accept(engine, evil, *others)

    with poison.spread(engine, poison.RAISES):
        drainer.advance(0)

    assert [row(engine, each.id).state for each in others] == ["settled"] * 5
    assert row(engine, evil.id).state == "pending"
    # The pause after its first failure is a matter of chance, and may be over before the others are through.
    assert row(engine, evil.id).starts >= 1
    assert "batch failed" not in caplog.messages


def test_who_waits_for_the_shard_does_not_take_a_failed_run_for_one_that_did_not_end(
    engine: Engine, tenant: Tenant, drainer: Drainer, caplog: pytest.LogCaptureFixture
) -> None:
    """A statement that fails must not give the lock away before the note of the run is taken back."""
    evil = write(tenant, request=person(title=poison.MARK))
    others = [write(tenant) for _ in range(5)]
    accept(engine, evil, *others)

    with poison.spread(engine, "PERFORM pg_sleep(0.1); " + poison.RAISES), ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: drainer.drain(0), range(6)))

    assert "a run did not end" not in caplog.messages
    assert {each.error for each in failures.read(row(engine, evil.id).failures)} == {"RaiseException P0001"}
    assert [row(engine, other.id).starts for other in others] == [1] * 5


def test_history_tells_what_changed_and_in_which_operation(engine: Engine, tenant: Tenant, drainer: Drainer) -> None:
    lane = ids.new()
    accept(engine, write(tenant, lane=lane, request=person(title="Clerk")))
    change = write(tenant, "PATCH", patch(replace("title", "Head Clerk")), lane=lane, request_id="request-7")
    accept(engine, change)

    drainer.drain(0)

    with database.transaction(engine) as connection:
        entry = connection.execute(select(tables.history).where(_of(change))).one()
    assert entry.kind == history.Kind.CHANGED
    assert entry.changes == [{"attribute": "title", "from": "Clerk", "to": "Head Clerk"}]
    assert (entry.resource_id, entry.request_id, entry.token_id) == (lane, "request-7", tenant.principal.token_id)


def test_a_write_that_changes_nothing_keeps_the_version_and_leaves_no_history(
    engine: Engine, tenant: Tenant, drainer: Drainer, announced: Announced
) -> None:
    lane = ids.new()
    same = write(tenant, "PATCH", patch(replace("title", "Clerk")), lane=lane)
    accept(engine, write(tenant, lane=lane, request=person(title="Clerk")))
    accept(engine, same)

    drainer.drain(0)

    assert announced.of(same).resource["meta"]["version"] == 'W/"1"'  # type: ignore[index]
    with database.transaction(engine) as connection:
        assert connection.scalar(select(func.count()).select_from(tables.history).where(_of(same))) == 0


@pytest.mark.parametrize("count", [1, FEW_MEMBERS, FEW_MEMBERS + 1])
def test_who_joins_a_role_and_loses_it_is_told_in_all_histories(
    engine: Engine, tenant: Tenant, drainer: Drainer, count: int
) -> None:
    group, nested = (write(tenant, resource_type="Group", request=role(displayName=name)) for name in ("Night", "Day"))
    joining = [nested, *(write(tenant) for _ in range(count - 1))]
    accept(engine, group, *joining)
    add = {"op": "add", "path": "members", "value": [{"value": str(each.lane)} for each in joining]}
    joined = write(tenant, "PATCH", patch(add), lane=group.lane, resource_type="Group")
    accept(engine, joined)
    drainer.drain(0)
    ended = write(tenant, "DELETE", lane=group.lane, resource_type="Group")
    accept(engine, ended)

    drainer.drain(0)

    told, of_end = _told(engine, joined), _told(engine, ended)
    assert sorted(each["value"] for each in told.pop(group.lane).changes[0]["added"]) == sorted(
        str(each.lane) for each in joining
    )
    assert of_end.pop(group.lane).kind == history.Kind.DELETED
    named = [{"value": str(group.lane), "display": "Night"}]
    for entries, added, removed in ((told, named, []), (of_end, [], named)):
        assert {lane: entry.resource_type for lane, entry in entries.items()} == {
            each.lane: each.resource_type for each in joining
        }
        assert all(each.kind == history.Kind.CHANGED and each.request_id == "test" for each in entries.values())
        same = {"attribute": "groups", "added": added, "removed": removed}
        assert [each.changes for each in entries.values()] == [[same]] * count


def _told(engine: Engine, of: Write) -> dict[UUID, Any]:
    with database.transaction(engine) as connection:
        found = connection.execute(select(tables.history).where(_of(of))).all()
    return {entry.resource_id: entry for entry in found}


def _of(each: Write) -> Any:
    return tables.history.c.operation_id == each.id


def test_lost_connections_are_never_held_against_an_operation(
    engine: Engine, tenant: Tenant, drainer: Drainer, announced: Announced
) -> None:
    """Each run of it loses its connection, more often than it may fail."""
    losses = iter(range(MAX_STARTS + 2))
    pool = database.connect(engine.url.render_as_string(hide_password=False), process="losing")

    @contextmanager
    def losing() -> Iterator[Callable[[], None]]:
        yield lambda: _end_sessions(engine, "muster-losing") if next(losses, None) is not None else None

    created = write(tenant)
    accept(engine, created)
    unlucky = replace_fields(drainer, engine=pool, watch=losing)
    for _ in range(3 * MAX_STARTS):
        with suppress(DBAPIError):
            unlucky.advance(0)
        make_due(engine)
    pool.dispose()

    assert next(losses, None) is None
    assert announced.of(created).status == 201
    assert {failure["counts"] for failure in row(engine, created.id).failures} == {False}


def _end_sessions(engine: Engine, name: str) -> None:
    with database.transaction(engine) as connection:
        ended = text("SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name = :name")
        connection.execute(ended, {"name": name})
