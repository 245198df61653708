"""psycopg's connection, as one that sends more at once: names with its BEGIN, and whole reads in one message."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A query that each connection prepares when it first needs it; `$1` is the first of its arguments."""

    name: str
    types: tuple[str, ...]
    """Names among `OIDS`."""
    query: str


OIDS = {"bigint": 20, "text": 25, "uuid": 2950}
"""Types of arguments, as PostgreSQL numbers them."""


@cache
def connection_type(driver: Any) -> Any:
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
