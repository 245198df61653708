"""Tolerances are counted by tenant: summed up in the gateway, written down now and then, shown to the operator."""

import re
from concurrent.futures import ThreadPoolExecutor

from click.testing import CliRunner
from sqlalchemy import Engine

from services.cli import main
from services.directory import database, tolerance_uses
from services.gateway.flushing import ToleranceCounter
from shared.scim.dialects import tolerances
from shared.settings import Settings
from tests.factories import Tenant


def uses(engine: Engine, tenant: Tenant) -> dict[str, int]:
    with database.transaction(engine) as connection:
        return {use.name: use.uses for use in tolerance_uses.of(connection, tenant.principal.tenant_id)}


def test_uses_add_up_over_processes(engine: Engine, tenant: Tenant) -> None:
    counters = [ToleranceCounter(engine) for _ in range(4)]

    def count(counter: ToleranceCounter) -> None:
        for _ in range(10):
            counter.note(tenant.principal.tenant_id, ["key-case", "bare-value"])
            counter.note(tenant.principal.tenant_id, ["bare-value"])
            counter.flush()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, counters))

    assert uses(engine, tenant) == {"bare-value": 80, "key-case": 40}


def test_what_could_not_be_written_down_is_kept_for_the_next_time(engine: Engine, tenant: Tenant) -> None:
    nowhere = database.connect("postgresql://x@127.0.0.1:1/x", process="test")
    counter = ToleranceCounter(nowhere)
    counter.note(tenant.principal.tenant_id, ["key-case"])
    counter.flush()

    counter._engine = engine
    counter.note(tenant.principal.tenant_id, ["key-case"])
    counter.stop()

    assert uses(engine, tenant) == {"key-case": 2}


def test_nothing_used_is_nothing_written(engine: Engine, tenant: Tenant) -> None:
    counter = ToleranceCounter(engine)
    counter.note(tenant.principal.tenant_id, [])
    counter.stop()

    assert uses(engine, tenant) == {}


def test_the_command_shows_each_use_with_its_source(servers: Settings, engine: Engine, tenant: Tenant) -> None:
    counter = ToleranceCounter(engine)
    for _ in range(3):
        counter.note(tenant.principal.tenant_id, [tolerances.STRING_BOOLEAN.name])
    counter.note(tenant.principal.tenant_id, ["of-a-later-release"])
    counter.stop()
    environ = {"MUSTER_DATABASE_URL": servers.database_url, "MUSTER_BROKER_URL": servers.broker_url}

    result = CliRunner().invoke(main, ["tenant", "tolerances", tenant.principal.tenant], env=environ)

    assert result.exit_code == 0, result.output
    known, unknown = result.stdout.splitlines()[1:]
    assert re.match(r"string-boolean +3 +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", known)
    assert tolerances.STRING_BOOLEAN.source in known
    assert tolerances.STRING_BOOLEAN.description in known
    assert unknown.startswith("of-a-later-release")
