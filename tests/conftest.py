"""What all tests share: a real PostgreSQL and Valkey, a migrated database, and the whole stack over HTTP.

Servers are started once for a run, in a folder of their own. The network beyond loopback is closed by nothing but
habit: every address here is a socket in that folder or a free port on 127.0.0.1.
"""

import inspect
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import settings as hypothesis_settings
from sqlalchemy import Engine

from services.directory import database, migrating, tenants, tokens
from services.stack import postgres, supervisor, valkey
from services.stack.supervisor import Stack
from shared import settings
from shared.settings import Settings
from tests.factories import Client, Tenant

# CI tries the same cases on each run, so that a change is judged by what it changed; at a desk new ones are looked for.
hypothesis_settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    hypothesis_settings.load_profile("ci")

# httpx gives up after 5 s by default, which a busy machine may take. What hangs is ended by the limit of each test.
_timeout: httpx.Timeout = inspect.signature(httpx.get).parameters["timeout"].default
_timeout.connect = _timeout.read = _timeout.write = _timeout.pool = 120.0


METRICS_TOKEN = "metrics-of-the-tests"


UNLIMITED = {
    "MUSTER_REQUESTS_PER_SECOND": "0",
    "MUSTER_TENANT_CONCURRENCY": "0",
    "MUSTER_WRONG_TOKENS_PER_MINUTE": "0",
}
"""Tests ask faster than any client, and all from one address."""


def environment() -> dict[str, str]:
    """Return the environment without the settings of whoever runs the tests, and without limits to them."""
    return {name: value for name, value in os.environ.items() if not name.startswith(settings.PREFIX)} | UNLIMITED


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A PostgreSQL and a Valkey for tests that call the directory and the queue themselves."""
    folder: Path = tmp_path_factory.mktemp("servers")
    with postgres.start(folder / "postgres") as database_server, valkey.start(folder / "valkey") as broker:
        yield Settings(database_url=database_server.url, broker_url=broker.url, shards=4)


@pytest.fixture(scope="session")
def engine(servers: Settings) -> Iterator[Engine]:
    """A pool of connections to a migrated database; it waits for a test that gets no turn on a busy machine."""
    patience = {"idle_in_transaction_session_timeout": "60s"}
    pool = database.connect(servers.database_url, process="test", pool_size=20, **patience)
    migrating.upgrade(pool, servers)
    yield pool
    pool.dispose()


@pytest.fixture
def tenant(engine: Engine, request: pytest.FixtureRequest) -> Tenant:
    """A tenant of the test's own, with a token."""
    return make_tenant(engine)


@pytest.fixture(scope="session")
def lines() -> list[tuple[str, str]]:
    """What the processes of the stack have written so far: the process's name, and the line."""
    return []


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[str, str]]) -> Iterator[Settings]:
    """Everything that `muster up` starts, on free ports."""
    environ = environment() | {
        "MUSTER_SWEEP_SECONDS": "1",
        "MUSTER_LOG_LEVEL": "INFO",
        "MUSTER_METRICS_TOKEN": METRICS_TOKEN,
    }
    data = tmp_path_factory.mktemp("stack")

    def sink(name: str, line: str) -> None:
        lines.append((name, line))

    with supervisor.running(data, gateway_port=0, flower_port=0, environ=environ, sink=sink) as running:
        yield running.settings


@pytest.fixture(scope="session")
def stack_engine(stack: Settings) -> Iterator[Engine]:
    """A pool of connections to the stack's database."""
    pool = database.connect(stack.database_url, process="test")
    yield pool
    pool.dispose()


@pytest.fixture
def client(stack: Settings, stack_engine: Engine) -> Iterator[Client]:
    """An HTTP client with a token of a tenant of the test's own."""
    own = make_tenant(stack_engine)
    with Client(stack.public_url, own) as http:
        yield http


@pytest.fixture
def stranger(stack: Settings, stack_engine: Engine) -> Iterator[Client]:
    """An HTTP client of another tenant."""
    with Client(stack.public_url, make_tenant(stack_engine)) as http:
        yield http


@pytest.fixture
def own_engine(own_stack: Stack) -> Iterator[Engine]:
    """A pool of connections to the database of a test's own stack, which its module makes."""
    pool = database.connect(own_stack.settings.database_url, process="test")
    yield pool
    pool.dispose()


@pytest.fixture
def own_tenant(own_engine: Engine) -> Tenant:
    """A tenant of the test's own stack."""
    return make_tenant(own_engine)


_numbers = iter(range(1, 1_000_000))


def make_tenant(pool: Engine) -> Tenant:
    with database.transaction(pool) as connection:
        made = tenants.create(connection, f"t{next(_numbers)}", None)
        secret = tokens.create(connection, made.id, "test")
        principal = tokens.authenticate(connection, secret)
    assert principal is not None
    return Tenant(principal=principal, secret=secret)


def another_token(pool: Engine, tenant: Tenant) -> Tenant:
    """Return the same tenant with another token."""
    with database.transaction(pool) as connection:
        secret = tokens.create(connection, tenant.principal.tenant_id, "another")
        principal = tokens.authenticate(connection, secret)
    assert principal is not None
    return Tenant(principal=principal, secret=secret)
