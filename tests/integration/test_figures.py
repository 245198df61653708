"""The figures of operations: the pace, the lanes that wait and why, and what is dead without a decision."""

from datetime import UTC, datetime

from click.testing import CliRunner
from sqlalchemy import Engine

from services.cli import main
from services.directory import database, dead, figures, journal
from services.directory.drain import Drainer
from shared.settings import Settings
from tests import poison
from tests.factories import Tenant, patch, person, replace, write

PASSES = "RAISE EXCEPTION 'a deadlock' USING ERRCODE = '40P01'"


def test_the_pace_is_that_of_the_last_minutes(engine: Engine, tenant: Tenant) -> None:
    writes = [write(tenant) for _ in range(5)]
    with database.transaction(engine) as connection:
        journal.accept(connection, writes, shards=1)
    drain(engine)

    with database.transaction(engine) as connection:
        found = figures.pace(connection, datetime.now(UTC), tenant.principal.tenant_id)

    assert found.settled == 5
    assert 0 < found.per_second <= 5
    assert found.p50 is not None
    assert found.p99 is not None
    assert 0 < found.p50 <= found.p99


def test_a_tenant_without_operations_has_no_pace(engine: Engine, tenant: Tenant) -> None:
    with database.transaction(engine) as connection:
        found = figures.pace(connection, datetime.now(UTC), tenant.principal.tenant_id)
        given_up = figures.dead(connection, tenant.principal.tenant_id)

    assert (found.settled, found.per_second, found.p50) == (0, 0.0, None)
    assert (given_up.operations, given_up.oldest) == (0, None)


def test_a_lane_that_waits_is_told_with_what_it_waits_for(engine: Engine, tenant: Tenant, servers: Settings) -> None:
    created = write(tenant)
    with database.transaction(engine) as connection:
        journal.accept(connection, [created], shards=1)
    drain(engine)
    evil = write(tenant, "PATCH", patch(replace("title", poison.MARK)), lane=created.lane)
    behind = write(tenant, "PATCH", patch(replace("nickName", "x")), lane=created.lane)
    with poison.spread(engine, PASSES):
        with database.transaction(engine) as connection:
            journal.accept(connection, [evil, behind], shards=1)
        drain(engine)

        with database.transaction(engine) as connection:
            [found] = figures.waiting_lanes(connection, tenant.principal.tenant_id)
        shown = CliRunner().invoke(
            main,
            ["operations", "figures", "--tenant", tenant.principal.tenant],
            env={"MUSTER_DATABASE_URL": servers.database_url, "MUSTER_BROKER_URL": servers.broker_url},
        )

    assert (found.lane, found.operation_id, found.operations) == (created.lane, evil.id, 2)
    assert found.delays >= 1
    assert "40P01" in str(found.last_error)
    assert found.not_before is not None
    assert str(created.lane) in shown.stdout


def test_what_is_dead_counts_until_somebody_decided(engine: Engine, tenant: Tenant) -> None:
    evil = write(tenant, request=person(title=poison.MARK))
    poison.die(engine, evil)

    with database.transaction(engine) as connection:
        before = figures.dead(connection, tenant.principal.tenant_id)
        dead.discard(connection, evil.id, by="tests", why="a test")
        after = figures.dead(connection, tenant.principal.tenant_id)

    assert (before.operations, after.operations) == (1, 0)
    assert before.oldest is not None


def drain(engine: Engine) -> None:
    Drainer(engine=engine, announce=lambda _: None, max_starts=5, ring=lambda _: None).drain(0)
