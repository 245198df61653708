"""Open the database: the connection pool, its timeouts, and the place where transactions begin and end."""

import logging
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url

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
    kind = _kind(engine.dialect.dbapi)  # type: ignore[arg-type]
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


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A query that each connection prepares when it first needs it; `$1` is the first of its arguments."""

    name: str
    types: tuple[str, ...]
    """Names among `OIDS`."""
    query: str


OIDS = {"bigint": 20, "text": 25, "uuid": 2950}
"""Types of arguments, as PostgreSQL numbers them."""

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
    driver: Any = engine.dialect.dbapi
    try:
        lent = engine.raw_connection()
    except driver.Error:
        return None
    own: Any = lent.driver_connection
    try:
        asked = ((_named_by(engine), (tenant_id.hex,)), (prepared, arguments))
        found: list[tuple[Any, ...]] = own.read_at_once(asked)
    except driver.Error as error:
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


@cache
def _kind(driver: Any) -> Any:
    """Return psycopg's connection, as one that sends more with its BEGIN, so that it is no way to the server more.

    To send BEGIN by hand, as `transaction_from` does, costs a third of the shortest read. psycopg has no public place
    for this; tests fail should it move. It is not imported here, for in the gateway gevent has to come before it.
    """

    GOOD = {driver.pq.ExecStatus.COMMAND_OK, driver.pq.ExecStatus.TUPLES_OK}  # noqa: N806 - a constant of the driver.

    class Serving(driver.Connection):  # type: ignore[misc]
        begins_with: tuple[bytes, ...] = ()

        def read_at_once(self, asked: Sequence[tuple[Prepared, Sequence[str]]]) -> list[tuple[Any, ...]]:
            """Send queries in one message, which PostgreSQL takes for one transaction; return the rows of the last.

            Arguments travel apart from their queries, so that no log of the server quotes them.
            """
            fresh = [prepared for prepared, _ in asked if prepared.name not in self._prepared_by_name]
            self.pgconn.enter_pipeline_mode()
            try:
                for prepared in fresh:
                    oids = [OIDS[each] for each in prepared.types]
                    self.pgconn.send_prepare(prepared.name.encode(), prepared.query.encode(), oids)
                for prepared, arguments in asked:
                    self.pgconn.send_query_prepared(prepared.name.encode(), [each.encode() for each in arguments])
                self.pgconn.pipeline_sync()
                results = self.wait(self._answered(len(fresh) + len(asked)))
                self.pgconn.exit_pipeline_mode()
            except BaseException:
                # What is on its way still would be taken for the answer to somebody else.
                self.close()
                raise
            # What was prepared stays so, whatever comes after.
            made = zip(fresh, results, strict=False)
            self._prepared_by_name.update(each.name for each, result in made if result.status in GOOD)
            *_, last = self._checked(results)
            loading = driver.adapt.Transformer(self)
            loading.set_pgresult(last)
            rows: list[tuple[Any, ...]] = loading.load_rows(0, last.ntuples, tuple)
            return rows

        def _answered(self, commands: int) -> Generator[Any, Any, list[Any]]:
            yield from driver.generators.send(self.pgconn)
            results: list[Any] = []
            for _ in range(commands):
                results += yield from driver.generators.fetch_many(self.pgconn)
            yield from driver.generators.fetch_many(self.pgconn)
            return results

        @cached_property
        def _prepared_by_name(self) -> set[str]:
            return set()

        def _checked(self, results: Sequence[Any]) -> Sequence[Any]:
            for result in results:
                if result.status not in GOOD:
                    raise driver.errors.error_from_result(result, encoding=self.info.encoding)
            return results

        def _start_query(self) -> Generator[Any, Any, None]:
            is_idle = self.pgconn.transaction_status == driver.pq.TransactionStatus.IDLE
            if not self.begins_with or self.autocommit or not is_idle:
                yield from super()._start_query()
                return
            statements = (self._get_tx_start_command(), *self.begins_with)
            if self._pipeline:
                # Many rows at once, as the first statement: here each command goes alone, all of them in one message.
                for statement in statements:
                    yield from self._exec_command(statement)
                yield from self._pipeline._sync_gen()  # noqa: SLF001 - as psycopg does after BEGIN.
                return
            self.pgconn.send_query(b"; ".join(statements))
            self._checked((yield from driver.generators.execute(self.pgconn)))

    return Serving


def _dump(value: object) -> str:
    return orjson.dumps(value).decode()
