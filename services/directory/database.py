"""Open the database: the connection pool, its timeouts, and the place where transactions begin and end."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url

from services.directory import driver, tenancy
from services.directory.driver import Prepared

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
        execution_options={"role": options.get("role")},
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
    kind = driver.connection_type(engine.dialect.dbapi)  # type: ignore[arg-type]
    event.listen(engine, "do_connect", lambda _, __, arguments, settings: kind.connect(*arguments, **settings))
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
    with _serving(engine, _to(engine, tenant_id)) as connection, connection.begin():
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


NAMING = Prepared(name="muster_naming", types=("text",), query=f"SELECT {tenancy.NAMING}")
NAMING_WITH_ROLE = Prepared(
    name="muster_naming_with_role",
    types=("text",),
    query=f"SELECT set_config('role', '{tenancy.WORK}', true), {tenancy.NAMING}",
)


def read_at_once(
    engine: Engine, tenant_id: UUID, prepared: Prepared, arguments: Sequence[str]
) -> list[tuple[Any, ...]] | None:
    """Return the rows of a query that serves this tenant, for one way to the server and back.

    None when that failed, whatever the reason: who then reads in a transaction is told what it was.
    """
    dbapi: Any = engine.dialect.dbapi
    try:
        lent = engine.raw_connection()
    except dbapi.Error:
        return None
    own: Any = lent.driver_connection
    try:
        asked = ((_named_by(engine), (tenant_id.hex,)), (prepared, arguments))
        found: list[tuple[Any, ...]] = own.read_at_once(asked)
    except dbapi.Error as error:
        if own.closed:
            lent.invalidate(error)
        return None
    except BaseException:
        # Interrupted, so in an unknown state.
        lent.invalidate()
        raise
    else:
        return found
    finally:
        lent.close()


@contextmanager
def across(engine: Engine) -> Iterator[Connection]:
    """Run the block in one transaction that serves several tenants, or finds out first which one it serves.

    It has no right to what is of people. tests/structure/test_tenancy.py lists who may do so.
    """
    with _serving(engine, (tenancy.TO_SEVERAL,)) as connection, connection.begin():
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


def _to(engine: Engine, tenant_id: UUID | None) -> tuple[str, ...]:
    """Return what names a tenant; a connection that has the role anyway is not told to take it."""
    if tenant_id is None:
        return ()
    named = tenancy.naming(tenant_id)
    return (named,) if engine.get_execution_options().get("role") == tenancy.WORK else (tenancy.TO_ONE, named)


def _named_by(engine: Engine) -> Prepared:
    """Return the query that names a tenant for the rest of its transaction, as `_to` does."""
    return NAMING if engine.get_execution_options().get("role") == tenancy.WORK else NAMING_WITH_ROLE


@contextmanager
def _serving(engine: Engine, statements: tuple[str, ...]) -> Iterator[Connection]:
    """Lend a connection whose transactions begin with statements; the next who borrows it serves nobody."""
    with engine.connect() as connection:
        own: Any = connection.connection.driver_connection
        own.begins_with = tuple(each.encode() for each in statements)
        try:
            yield connection
        finally:
            own.begins_with = ()


def _dump(value: object) -> str:
    return orjson.dumps(value).decode()
