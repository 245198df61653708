"""Rules in force: every write places, and saved rules move everybody else, in the lanes, whatever dies in between."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, event, func, select, text, update

from services.directory import (
    audit_reading,
    database,
    extensions,
    history,
    journal,
    region_moving,
    region_saving,
    regions,
    sealing,
    tables,
)
from services.directory.drain import Drainer
from services.directory.region_moving import Mover
from services.directory.region_rules import HQ, Operator, Rule
from services.directory.region_saving import Saved, StaleRulesError
from services.directory.region_tables import region_rules as rules_table
from services.directory.regions import RegionError
from shared.scim.schemas import enterprise
from tests import shards
from tests.conftest import make_tenant
from tests.factories import Tenant, employee, patch, person, replace, write
from tests.region_cases import EXTENSION, URN

SHARDS = 4


@dataclass(kw_only=True)
class Company:
    """A tenant with regions and rules, whose operations are drained here."""

    engine: Engine
    tenant: Tenant
    drainer: Drainer
    woken: list[int] = field(default_factory=list)

    @property
    def id(self) -> UUID:
        return self.tenant.principal.tenant_id

    @property
    def mover(self) -> Mover:
        return Mover(engine=self.engine, shards=SHARDS, wake=self.woken.append)

    def region(self, name: str) -> str:
        with database.transaction(self.engine) as connection:
            return regions.create(connection, self.id, name).id

    def save(self, *rules: Rule, seen: int | None = None) -> Saved:
        with database.transaction(self.engine) as connection:
            before = region_saving.newest(connection, self.id)
            number = (before.number if before else 0) if seen is None else seen
            return region_saving.save(connection, self.id, rules, number, "somebody")

    def hire(self, **attributes: Any) -> UUID:
        made = write(self.tenant, request=employee(**attributes))
        self.accept(made)
        self.drain()
        return made.lane

    def accept(self, *writes: Any) -> None:
        with database.transaction(self.engine) as connection:
            journal.accept(connection, writes, SHARDS)

    def drain(self) -> int:
        return sum(self.drainer.drain(shard) for shard in range(SHARDS))

    def move(self) -> None:
        """Move everybody, as the worker does."""
        while self.mover.advance():
            self.drain()
        self.drain()

    def of(self, employee_id: UUID) -> str:
        with database.transaction(self.engine) as connection:
            statement = select(tables.employee.c.region).where(tables.employee.c.id == employee_id)
            return str(connection.scalars(statement).one())

    def changes(self, employee_id: UUID) -> list[list[dict[str, Any]]]:
        with database.transaction(self.engine) as connection:
            return [entry.changes for entry in history.of(connection, self.id, employee_id, 100)]

    def moves(self) -> int:
        with database.transaction(self.engine) as connection:
            mine = (tables.operation.c.tenant_id == self.id, tables.operation.c.method == "MOVE")
            return connection.scalar(select(func.count()).where(*mine)) or 0


@pytest.fixture
def company(engine: Engine, tenant: Tenant) -> Company:
    with database.transaction(engine) as connection:
        shards.empty(connection)
        connection.execute(update(rules_table).values(ended_at=func.now()))
    drainer = Drainer(engine=engine, announce=lambda _: None, max_starts=3, ring=lambda _: None)
    return Company(engine=engine, tenant=tenant, drainer=drainer)


def night(region: str) -> Rule:
    return Rule(attribute="department", operator=Operator.EQUALS, value="Night Patrol", region=region)


def in_(department: str) -> dict[str, Any]:
    return {enterprise.URN: {"department": department}}


def test_a_write_places_by_the_rules_of_now(company: Company) -> None:
    north = company.region("North")
    company.save(night(north))

    guard = company.hire(**in_("Night Patrol"))
    clerk = company.hire(**in_("Sales"))
    company.accept(write(company.tenant, "PATCH", patch(replace("department", "Night Patrol")), lane=clerk))
    company.accept(write(company.tenant, "PUT", employee(userName="g@example.com", **in_("Sales")), lane=guard))
    company.drain()

    assert (company.of(guard), company.of(clerk)) == (HQ, north)
    assert {"attribute": "region", "from": "HQ", "to": "North"} in company.changes(clerk)[0]
    assert {"attribute": "region", "from": "North", "to": "HQ"} in company.changes(guard)[0]


def test_many_who_are_made_in_one_batch_are_placed_each(company: Company) -> None:
    north = company.region("North")
    company.save(night(north))
    guards = [write(company.tenant, request=employee(**in_("Night Patrol"))) for _ in range(20)]
    clerks = [write(company.tenant, request=employee(**in_("Sales"))) for _ in range(20)]

    company.accept(*(each for pair in zip(guards, clerks, strict=True) for each in pair))
    company.drain()

    assert {company.of(each.lane) for each in guards} == {north}
    assert {company.of(each.lane) for each in clerks} == {HQ}
    for each in guards:
        [created] = company.changes(each.lane)
        assert created[-1] == {"attribute": "region", "from": "HQ", "to": "North"}


def test_several_writes_of_one_batch_place_once_by_the_last(company: Company) -> None:
    north = company.region("North")
    company.save(night(north))
    made = write(company.tenant, request=employee(**in_("Sales")))
    there, back = (
        write(company.tenant, "PATCH", patch(replace("department", name)), lane=made.lane)
        for name in ("Night Patrol", "Day Patrol")
    )

    company.accept(made)
    company.accept(there)
    company.accept(back)
    company.drain()

    assert company.of(made.lane) == HQ
    assert all(change["attribute"] != "region" for changes in company.changes(made.lane) for change in changes)


def test_a_refused_write_moves_nobody(company: Company) -> None:
    north = company.region("North")
    guard = company.hire(**in_("Night Patrol"))
    company.save(night(north))

    refused = write(company.tenant, "PATCH", patch(replace("department", "Night Patrol")), lane=guard, if_match='W/"9"')
    company.accept(refused)
    company.drain()

    assert company.of(guard) == HQ


def test_a_tenant_without_rules_is_not_touched(company: Company) -> None:
    company.region("North")

    guard = company.hire(**in_("Night Patrol"))

    assert company.of(guard) == HQ


def test_saved_rules_move_everybody_in_the_lanes(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(region_moving, "MOST_PENDING", 3)
    guards = [company.hire(**in_("Night Patrol")) for _ in range(8)]
    clerk = company.hire(**in_("Sales"))
    north = company.region("North")
    saved = company.save(night(north))

    company.move()

    assert {company.of(each) for each in guards} == {north}
    assert company.of(clerk) == HQ
    [moved, _] = company.changes(guards[0])
    assert moved == [{"attribute": "region", "from": "HQ", "to": "North"}]
    with database.transaction(company.engine) as connection:
        [newest, *_] = history.of(connection, company.id, guards[0], 10)
        now = region_saving.newest(connection, company.id)
        standing = region_moving.standing(connection, company.id, saved)
    assert (newest.token_id, newest.request_id) == (saved.id, "region-rules-1")
    assert now is not None
    assert (now.moves, now.ended_at is not None, standing.left, standing.pending) == (8, True, 0, 0)
    assert company.moves() == 8
    assert set(company.woken) <= set(range(SHARDS))


def test_few_moves_are_pending_at_a_time(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(region_moving, "MOST_PENDING", 3)
    for _ in range(8):
        company.hire(**in_("Night Patrol"))
    company.save(night(company.region("North")))

    went_on = [company.mover.advance() for _ in range(3)]

    assert went_on == [True, False, False]
    assert company.moves() == 3


def test_what_keeps_its_version_is_a_move(company: Company) -> None:
    guard = company.hire(**in_("Night Patrol"))
    company.save(night(company.region("North")))

    company.move()

    with database.transaction(company.engine) as connection:
        table = tables.employee
        row = connection.execute(select(table.c.version, table.c.region).where(table.c.id == guard)).one()
        outcome = connection.scalars(
            select(tables.operation.c.outcome).where(
                tables.operation.c.lane == guard, tables.operation.c.method == "MOVE"
            )
        ).one()
    assert row.version == 1
    assert outcome == {"status": 204, "is_complete": True}


def test_whoever_was_deleted_meanwhile_moves_nowhere(company: Company) -> None:
    guard = company.hire(**in_("Night Patrol"))
    company.save(night(company.region("North")))
    assert company.mover.advance()

    company.accept(write(company.tenant, "DELETE", lane=guard))
    with database.transaction(company.engine) as connection:  # The deletion is first in the lane.
        connection.execute(text("UPDATE operation SET seq = -seq WHERE lane = :lane"), {"lane": guard})
        connection.execute(
            text("UPDATE operation SET position = -position WHERE lane = :lane AND method = 'DELETE'"), {"lane": guard}
        )
    company.drain()

    with database.transaction(company.engine) as connection:
        table = tables.operation
        rows = connection.execute(select(table.c.method, table.c.state, table.c.status).where(table.c.lane == guard))
        assert {(row.method, row.state, row.status) for row in rows if row.method != "POST"} == {
            ("DELETE", "settled", 204),
            ("MOVE", "settled", 204),
        }


def test_a_change_before_and_one_behind_the_move_have_the_right_end(company: Company) -> None:
    before, behind = company.hire(**in_("Night Patrol")), company.hire(**in_("Night Patrol"))
    north = company.region("North")
    company.accept(write(company.tenant, "PATCH", patch(replace("department", "Sales")), lane=before))
    company.save(night(north))
    assert company.mover.advance()
    company.accept(write(company.tenant, "PATCH", patch(replace("department", "Sales")), lane=behind))

    company.move()

    assert (company.of(before), company.of(behind)) == (HQ, HQ)


def test_newer_rules_take_over_from_older_ones(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(region_moving, "MOST_PENDING", 2)
    guards = [company.hire(**in_("Night Patrol")) for _ in range(5)]
    north, south = company.region("North"), company.region("South")
    company.save(night(north))
    assert company.mover.advance()

    company.save(night(south))
    company.move()

    assert {company.of(each) for each in guards} == {south}


def test_no_rules_at_all_move_everybody_back(company: Company) -> None:
    north = company.region("North")
    company.save(night(north))
    guard = company.hire(**in_("Night Patrol"))
    assert company.of(guard) == north

    company.save()
    company.move()

    assert company.of(guard) == HQ


def test_it_can_be_begun_again(company: Company) -> None:
    guard = company.hire(**in_("Night Patrol"))
    north = company.region("North")
    company.save(night(north))
    company.move()
    with database.transaction(company.engine) as connection:  # As an older release leaves somebody it took back.
        connection.execute(update(tables.employee).where(tables.employee.c.id == guard).values(region=HQ))
        region_saving.begin_again(connection, company.id)

    company.move()

    assert company.of(guard) == north


@pytest.mark.parametrize("statement", range(1, 12))
def test_whoever_dies_in_between_leaves_nothing_half_done(company: Company, statement: int) -> None:
    """As after kill -9: the connection breaks at each statement of a step, and the next step does the rest, once."""
    guards = [company.hire(**in_("Night Patrol")) for _ in range(3)]
    north = company.region("North")
    company.save(night(north))
    pool = database.connect(company.engine.url.render_as_string(hide_password=False), process="victim")
    _breaks_at(pool, statement)

    try:
        Mover(engine=pool, shards=SHARDS, wake=company.woken.append).advance()
    except _KilledError:
        pass
    finally:
        pool.dispose()
    company.move()

    assert {company.of(each) for each in guards} == {north}
    assert company.moves() == 3


def test_an_older_drain_that_is_under_way_is_waited_for(company: Company) -> None:
    """It read the older rules, and puts somebody there who was looked at already, if nobody waits for it."""
    guard = company.hire(**in_("Night Patrol"))
    company.save(night(company.region("North")))
    with (
        database.connect(
            company.engine.url.render_as_string(hide_password=False), process="impatient", lock_timeout="50ms"
        ).connect() as connection,
        company.engine.connect() as drain,
    ):
        drain.execute(text("SELECT pg_advisory_xact_lock(:space, 2)"), {"space": 0x6D757374})

        mover = Mover(engine=connection.engine, shards=SHARDS, wake=company.woken.append)
        with pytest.raises(Exception, match="lock timeout"):
            mover.advance()
        assert company.moves() == 0
        drain.rollback()
        assert mover.advance()
    connection.engine.dispose()
    company.drain()

    assert company.of(guard) != HQ


def test_who_was_not_the_last_to_look_does_not_overwrite(company: Company) -> None:
    north = company.region("North")
    company.save(night(north))

    with pytest.raises(StaleRulesError):
        company.save(seen=0)
    assert company.save(seen=1).number == 2


def test_rules_of_a_tenants_own_attributes_place(company: Company) -> None:
    with database.transaction(company.engine) as connection:
        extensions.declare(connection, company.id, EXTENSION)
    north = company.region("North")
    company.save(Rule(attribute=f"{URN}:site", operator=Operator.EQUALS, value="Graz", region=north))

    made = company.hire(schemas=[*person()["schemas"], URN], **{URN: {"site": "Graz"}})

    assert company.of(made) == north


def test_who_was_placed_by_an_extension_that_is_forgotten_goes_back_and_comes_again(company: Company) -> None:
    with database.transaction(company.engine) as connection:
        extensions.declare(connection, company.id, EXTENSION)
    north = company.region("North")
    company.save(Rule(attribute=f"{URN}:site", operator=Operator.EQUALS, value="Graz", region=north))
    made = company.hire(schemas=[*person()["schemas"], URN], **{URN: {"site": "Graz"}})

    with database.transaction(company.engine) as connection:
        extensions.forget(connection, company.id, URN)
    company.move()
    forgotten = company.of(made)
    with database.transaction(company.engine) as connection:
        extensions.declare(connection, company.id, EXTENSION)
    company.move()

    assert (forgotten, company.of(made)) == (HQ, north)


def test_moves_are_sealed_in_the_audit(company: Company) -> None:
    company.hire(**in_("Night Patrol"))
    saved = company.save(night(company.region("North")))
    company.move()

    sealing.seal(company.engine)

    with database.snapshot(company.engine) as connection:
        rows = audit_reading.newest(connection, company.id, 10)
        verdict = audit_reading.verify(connection, company.id)
    sealed = [line for row in rows if row.details for line in row.details.get("operations", ())]
    assert [line[2] for line in sealed if line[3] == "MOVE"] == [str(saved.id)]
    assert verdict.fault is None


def test_a_region_is_removed_when_nobody_needs_it(company: Company) -> None:
    north, south = company.region("North"), company.region("South")
    company.save(night(north))
    guard = company.hire(**in_("Night Patrol"))

    def refused(region: str) -> str:
        with pytest.raises(RegionError) as told, database.transaction(company.engine) as connection:
            regions.remove(connection, company.id, region)
        return str(told.value)

    assert "the region of rule 1" in refused(north)
    company.save()
    assert "in force everywhere" in refused(north)
    company.mover.advance()
    assert "There are employees in North" in refused(north)
    company.move()
    assert company.of(guard) == HQ
    with database.transaction(company.engine) as connection:
        for region in (north, south):
            regions.remove(connection, company.id, region)
        assert [each.id for each in regions.every(connection, company.id)] == [HQ]
    assert "stays" in refused(HQ)
    assert "no such region" in refused(north)


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "x" * 10_000, "a\0b", "a\u202eb", "HQ", "hq", "north"])
def test_a_name_that_makes_no_sense_is_refused(company: Company, name: str) -> None:
    company.region("North")

    with pytest.raises(RegionError), database.transaction(company.engine) as connection:
        regions.create(connection, company.id, name)


def test_a_region_is_renamed_and_everybody_stays(company: Company) -> None:
    north = company.region("North")
    company.save(night(north))
    guard = company.hire(**in_("Night Patrol"))
    with database.transaction(company.engine) as connection:
        regions.rename(connection, company.id, north, "  Far   North ")
        regions.rename(connection, company.id, HQ, "Main office")

    company.save()
    company.move()

    assert company.of(guard) == HQ
    assert company.changes(guard)[0] == [{"attribute": "region", "from": "Far North", "to": "Main office"}]


def test_another_tenants_region_is_none(company: Company, engine: Engine) -> None:
    other = make_tenant(engine).principal.tenant_id
    north = company.region("North")

    with pytest.raises(RegionError, match="no such region"), database.transaction(engine) as connection:
        regions.rename(connection, other, north, "Mine")
    with pytest.raises(RegionError, match="no such region"), database.transaction(engine) as connection:
        regions.remove(connection, other, north)


def test_a_person_who_is_erased_is_in_no_rule(company: Company) -> None:
    north = company.region("North")
    company.save(
        Rule(attribute="userName", operator=Operator.EQUALS, value="Ada@example.com", region=north), night(north)
    )

    with database.transaction(company.engine) as connection:
        region_saving.forget(connection, company.id, {"ada@example.com"})
        saved = region_saving.newest(connection, company.id)

    assert saved is not None
    assert [rule.value for rule in saved.rules] == ["erased", "Night Patrol"]


class _KilledError(Exception):
    """The process would be gone now."""


def _breaks_at(pool: Engine, number: int) -> None:
    """Let the connections of a pool break before their n-th statement, together."""
    left = iter(range(1, number + 1))

    def kill(connection: Any, *_: Any) -> None:
        if next(left, number) == number:
            connection.invalidate()
            raise _KilledError

    event.listen(pool, "before_cursor_execute", kill)
