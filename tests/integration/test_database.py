"""A process that froze or lost its server keeps nothing for ever: PostgreSQL, or the kernel, ends its connection."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, insert, text

from services.directory import database, ids, tables
from tests.factories import Tenant

TRIES = 600


def is_there(engine: Engine, pid: int) -> bool:
    """Whether a session is still there."""
    with database.autocommit(engine) as connection:
        connection.execute(text("SELECT pg_sleep(0.05)"))
        found = connection.scalar(text("SELECT pid FROM pg_stat_activity WHERE pid = :pid"), {"pid": pid})
        return found is not None


@pytest.mark.parametrize("entries", [1, 2, 5])
def test_a_transaction_that_stands_still_is_ended_whatever_it_wrote(
    engine: Engine, tenant: Tenant, entries: int
) -> None:
    entry = {
        "at": datetime.now(UTC),
        "tenant_id": tenant.principal.tenant_id,
        "resource_type": "User",
        "resource_id": ids.new(),
        "kind": "changed",
        "changes": [],
        "operation_id": ids.new(),
        "token_id": tenant.principal.token_id,
        "request_id": "test",
    }
    frozen = engine.connect()
    frozen.execute(text("SET LOCAL idle_in_transaction_session_timeout = '200ms'"))
    pid = frozen.scalar(text("SELECT pg_backend_pid()"))
    assert pid is not None

    frozen.execute(insert(tables.history), [entry] * entries)
    tries = 0
    while is_there(engine, pid) and tries < TRIES:
        tries += 1

    assert tries < TRIES
    frozen.invalidate()
    frozen.close()


def test_a_server_that_says_nothing_is_given_up_by_the_kernel(engine: Engine) -> None:
    with engine.connect() as connection:
        opened = connection.connection.driver_connection

    assert opened is not None
    parameters = opened.info.get_parameters()
    assert {name: int(parameters[name]) for name in database.SILENCE} == database.SILENCE
