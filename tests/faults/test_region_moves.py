"""Rules that move people while their workers are killed: everybody arrives, each by one operation."""

import os
import signal
from collections.abc import Iterator
from functools import partial
from uuid import UUID

import psutil
import pytest
from sqlalchemy import Engine, text

from services.directory import database, region_moves, region_moving, region_saving, regions
from services.directory.region_rules import HQ, Operator, Rule
from services.stack import children
from services.stack.supervisor import Stack
from tests import conftest, stacks
from tests.factories import Client, Tenant, patch, replace

PATIENCE = 300.0
EMPLOYEES = 3_000
KILLS = 6

_HIRE = text("""
WITH hired AS (
  INSERT INTO employee (id, tenant_id, user_name, title, version, meta_created, meta_last_modified)
  SELECT uuidv7(), :tenant, 'guard' || n, 'Guard', 1, now(), now() FROM generate_series(1, :employees) n RETURNING id
)
INSERT INTO lane (id, tenant_id, shard, seq) SELECT id, :tenant, abs(hashtext(id::text)) % :shards, 0 FROM hired
RETURNING id
""")


@pytest.fixture
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose sweeper comes every second."""
    environ = conftest.environment() | {"MUSTER_SWEEP_SECONDS": "1"}
    with stacks.lean(tmp_path_factory.mktemp("own"), environ) as running:
        yield running


def test_everybody_arrives_once_though_workers_are_killed(
    own_stack: Stack, own_engine: Engine, own_tenant: Tenant
) -> None:
    tenant_id = own_tenant.principal.tenant_id
    with database.transaction(own_engine) as connection:
        shards = own_stack.settings.shards
        given = {"tenant": tenant_id, "employees": EMPLOYEES, "shards": shards}
        hired = connection.scalars(_HIRE, given).all()
    with database.transaction(own_engine) as connection:
        north = regions.create(connection, tenant_id, "North").id
        rule = Rule(attribute="title", operator=Operator.EQUALS, value="Guard", region=north)
        region_saving.save(connection, tenant_id, [rule], 0, "somebody")

    with Client(own_stack.settings.public_url, own_tenant) as client:
        for number in range(KILLS):
            wanted = EMPLOYEES * number // (2 * KILLS)
            assert children.until(partial(have_arrived, own_engine, tenant_id, north, wanted), PATIENCE)
            kill_one_at_work(own_stack)
            leaver = hired[-1 - number]
            changed = client.patch(f"/Users/{leaver}", json=patch(replace("title", "Clerk")))
            assert changed.status_code == 200
    assert children.until(lambda: is_done(own_engine, tenant_id), PATIENCE)

    with database.transaction(own_engine) as connection:
        clerks = connection.scalars(
            text("SELECT region FROM employee WHERE tenant_id = :t AND title = 'Clerk'"), {"t": tenant_id}
        ).all()
        twice = connection.scalars(
            text(
                "SELECT lane FROM operation WHERE method = 'MOVE' AND tenant_id = :t GROUP BY lane HAVING count(*) > 1"
            ),
            {"t": tenant_id},
        ).all()
        ended = connection.execute(
            text("SELECT state, status, count(*) FROM operation WHERE method = 'MOVE' GROUP BY 1, 2")
        ).all()
        told = connection.scalar(
            text("SELECT count(*) FROM history WHERE tenant_id = :t AND request_id = 'region-rules-1'"),
            {"t": tenant_id},
        )
    assert list(clerks) == [HQ] * KILLS
    assert arrived(own_engine, tenant_id, north) == EMPLOYEES - KILLS
    assert twice == []
    assert {(row.state, row.status) for row in ended} == {("settled", 204)}
    assert told is not None
    assert EMPLOYEES - KILLS <= told <= EMPLOYEES


def kill_one_at_work(stack: Stack) -> None:
    """Kill a process of the worker's pool, as the kernel does when memory ends."""
    pool = psutil.Process(stack.child("worker").pid).children(recursive=True)
    if pool:
        os.kill(pool[0].pid, signal.SIGKILL)


def have_arrived(engine: Engine, tenant_id: UUID, region: str, wanted: int) -> bool:
    return arrived(engine, tenant_id, region) >= wanted


def arrived(engine: Engine, tenant_id: UUID, region: str) -> int:
    with database.transaction(engine) as connection:
        counted = text("SELECT count(*) FROM employee WHERE tenant_id = :t AND region = :r")
        return connection.scalar(counted, {"t": tenant_id, "r": region}) or 0


def is_done(engine: Engine, tenant_id: UUID) -> bool:
    with database.transaction(engine) as connection:
        saved = region_saving.newest(connection, tenant_id)
        assert saved is not None
        standing = region_moving.standing(connection, tenant_id, saved)
        left = region_moves.count(connection, region_moving.rules_of(connection, tenant_id, saved))
        return saved.ended_at is not None and not standing.pending and not left
