"""Open the database: the connection pool, its timeouts, and the place where transactions begin and end."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import orjson
from sqlalchemy import URL, Connection, Engine, create_engine, make_url

from services.directory import tenancy

logger = logging.getLogger(__name__)

# A frozen process must not hold its locks for ever: the server ends its transaction, and its lanes go on.
TIMEOUTS = {
    "idle_in_transaction_session_timeout": "3s",
    "statement_timeout": "10s",
}
# A server that does not answer at all, not even as a machine, is given up; the kernel's own patience is a quarter of an
# hour. Sockets of this machine take no notice.
SILENCE = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}


def connect(database_url: str, *, process: str, pool_size: int = 5, lock_timeout: str = "5s", **options: str) -> Engine:
    """Open a pool of connections to PostgreSQL; nothing is contacted before the first use.

    `options` are settings of PostgreSQL, by their names; whoever serves tenants has a `role` among them, which sees
    nobody's rows until a transaction names somebody.
    """
    given = TIMEOUTS | {"lock_timeout": lock_timeout} | options
    engine = create_engine(
        driver_url(database_url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        pool_pre_ping=False,
        pool_use_lifo=True,
        hide_parameters=True,
        json_serializer=_dump,
        json_deserializer=orjson.loads,
        connect_args={
            "options": " ".join(f"-c {name}={value}" for name, value in given.items()),
            "application_name": f"muster-{process}",
            "connect_timeout": 5,
            "prepare_threshold": 3,
            **SILENCE,
        },
    )
    # Many rows become one statement. psycopg's own executemany is a pipeline, after which PostgreSQL does not watch an
    # idle transaction: a process that froze then kept its locks for ever.
    engine.dialect.use_insertmanyvalues_wo_returning = True
    return engine


def driver_url(database_url: str) -> URL:
    """Return the URL with the driver named, as SQLAlchemy wants it: postgresql:// is psycopg 3 here."""
    url = make_url(database_url)
    return url.set(drivername="postgresql+psycopg") if url.drivername in {"postgresql", "postgres"} else url


@contextmanager
def transaction(engine: Engine, tenant_id: UUID | None = None) -> Iterator[Connection]:
    """Run the block in one transaction: committed when it ends, rolled back when it raises.

    It serves this tenant, and sees no other's rows; without one it sees no tenant's.
    """
    with engine.begin() if tenant_id is None else transaction_from(engine, tenancy.to(tenant_id)) as connection:
        yield connection


@contextmanager
def transaction_from(engine: Engine, statements: str) -> Iterator[Connection]:
    """Run the block in one transaction that begins with these statements: one way to the server and back for all."""
    with engine.connect() as connection:
        # The driver would send a BEGIN of its own, and wait for it; it commits whatever was begun.
        by_hand = connection.execution_options(isolation_level="AUTOCOMMIT")
        with by_hand.begin():
            by_hand.exec_driver_sql(f"BEGIN; {statements}")
            yield by_hand


@contextmanager
def across(engine: Engine) -> Iterator[Connection]:
    """Run the block in one transaction that serves several tenants, or finds out first which one it serves.

    It has no right to what is of people. tests/structure/test_tenancy.py lists who may do so.
    """
    with transaction_from(engine, tenancy.TO_SEVERAL) as connection:
        yield connection


@contextmanager
def snapshot(engine: Engine, tenant_id: UUID | None = None) -> Iterator[Connection]:
    """Read one state of the database for as long as it takes, as `transaction` does; nothing is written."""
    with _snapshot(engine, None if tenant_id is None else tenancy.to(tenant_id)) as connection:
        yield connection


@contextmanager
def snapshot_across(engine: Engine) -> Iterator[Connection]:
    """Read one state of the database for as long as it takes, as `across` does; nothing is written."""
    with _snapshot(engine, tenancy.TO_SEVERAL) as connection:
        yield connection


@contextmanager
def autocommit(engine: Engine) -> Iterator[Connection]:
    """Run single statements, each its own transaction, which serves nobody."""
    with engine.connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


@contextmanager
def _snapshot(engine: Engine, serves: str | None) -> Iterator[Connection]:
    with engine.connect() as connection:
        reading = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with reading.begin():
            if serves is not None:
                reading.exec_driver_sql(serves)
            for timeout in TIMEOUTS:
                reading.exec_driver_sql(f"SET LOCAL {timeout} = 0")
            yield reading


def plan_once(connection: Connection) -> None:
    """Let PostgreSQL keep its plans in this transaction, where to plan takes longer than to look.

    A look goes to each of a hundred weeks by an index, whatever is looked for.
    """
    connection.exec_driver_sql("SET LOCAL plan_cache_mode = auto")


def _dump(value: object) -> str:
    return orjson.dumps(value).decode()
