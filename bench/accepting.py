"""The limit *accept*: what PostgreSQL's own pgbench does with the journal's accept statement alone, for one write each.

The statement is the one that the journal sends, read off a real accept, with fresh ids in the place of its own.
"""

import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import psycopg
from sqlalchemy import Engine, event

from bench.bodies import person
from bench.contestants import Field, MissingError
from services.directory import database, ids, journal
from services.directory.journal import Write
from services.stack import binaries
from shared.scim import resource_types

_DOCUMENT = re.compile(r"E?'(\[\{.*?\}\])'")
"""The writes, as one JSON document."""


def prepare(field: Field, tenant_id: UUID, token_id: UUID) -> Path:
    """Write the script that accepts one new person, and return where it is."""
    path = field.folder / "accept.sql"
    path.write_text(_script(field.engine, tenant_id, token_id))
    return path


def per_second(field: Field, script: Path, connections: int, seconds: float) -> float:
    """Return how many accepts commit in a second. Raises MissingError without pgbench."""
    pgbench = binaries.postgres("") / "pgbench"
    if not pgbench.exists():
        raise MissingError("there is no pgbench beside this PostgreSQL")
    url = urlsplit(field.stack.settings.database_url)
    host = parse_qs(url.query)["host"][0]
    argv = [
        *(str(pgbench), "--no-vacuum", "--protocol", "prepared", "--file", str(script)),
        *("--client", str(connections), "--jobs", "1", "--time", str(max(2, round(seconds)))),
        *("--host", host, "--username", str(url.username), url.path.removeprefix("/")),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603 - our own pgbench.
    rates = [line for line in done.stdout.splitlines() if line.startswith("tps = ")]
    if not rates:
        raise MissingError(f"pgbench: {done.stderr[-200:]}")
    return float(rates[0].split()[2])


def _script(engine: Engine, tenant_id: UUID, token_id: UUID) -> str:
    write = Write(
        id=ids.new(),
        tenant_id=tenant_id,
        token_id=token_id,
        request_id="bench",
        resource_type=resource_types.USERS.name,
        lane=ids.new(),
        method="POST",
        request=person("accepted"),
        if_match=None,
        reply_to="bench",
        digest=b"0" * 32,
        is_new=True,
    )
    statement = _sent(engine, write)
    found = _DOCUMENT.search(statement)
    if found is None or any(str(id_) not in found[1] for id_ in (write.id, write.lane)):
        raise MissingError("the accept statement names its ids in a way that is not known here")
    fresh = found[0]
    for id_ in (write.id, write.lane):
        fresh = f"replace({fresh}, '{id_}', cast(uuidv7() AS text))"
    statement = statement.replace(found[0], fresh)
    # pgbench takes a colon before a letter for a variable of its own; in the document it can be written otherwise.
    statement = re.sub(r"(?<=\w):(?=\w)", lambda _: r"\\u003a", statement)
    statement = re.sub(r'":(?=\w)', '": ', statement)
    return f"{' '.join(statement.split())};\n"


def _sent(engine: Engine, write: Write) -> str:
    """Return the statement of an accept that is rolled back, with its parameters in it."""
    seen: list[tuple[str, Any]] = []

    def look(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    with engine.connect() as connection:
        event.listen(engine, "before_cursor_execute", look)
        try:
            journal.accept(connection, [write], shards=8)
        finally:
            event.remove(engine, "before_cursor_execute", look)
        raw: Any = connection.connection.driver_connection
        connection.rollback()
        statement, parameters = seen[-1]
        return psycopg.ClientCursor(raw).mogrify(statement, parameters)


def forget(field: Field) -> None:
    """Forget what was accepted, for nobody is to apply it: the next to be measured begins with nothing."""
    with database.transaction(field.engine) as connection:
        connection.exec_driver_sql("DELETE FROM operation WHERE request_id = 'bench' AND reply_to = 'bench'")
        connection.exec_driver_sql(
            "DELETE FROM unanswered u WHERE NOT EXISTS (SELECT FROM operation o WHERE o.id = u.operation_id)"
        )
