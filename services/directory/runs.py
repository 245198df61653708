"""Let one drain at a time into a shard, and note what it begins there, so that a crash is seen afterwards.

A note is committed by itself and without waiting for the disk: it must outlive the process, not the server. Only what
one noted oneself is taken back: who was frozen and lost the lock must not spoil what the next one noted.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from uuid import UUID

import orjson
from sqlalchemy import Connection, Engine, text

from services.directory import database, tenancy

LOCK_SPACE = 0x6D757374

Begun = Mapping[int, Sequence[UUID]]
"""What a run has begun: by shard, the ids of its operations."""

_LOCK = text("SELECT pg_advisory_xact_lock(:space, :shard)")
_LOOK = text("SELECT coalesce((SELECT running FROM shard WHERE id = :shard), '{}') AS left")
_NOTE = """
WITH quick AS (SELECT set_config('synchronous_commit', 'off', true))
INSERT INTO shard (id, running)
SELECT b.id, b.running FROM quick, json_to_recordset(cast(%(begun)s AS json)) AS b(id integer, running uuid[])
ORDER BY b.id
ON CONFLICT (id) DO UPDATE SET running = excluded.running WHERE shard.running = '{}'
"""
_CLEAR = text("UPDATE shard SET running = '{}' WHERE id = :shard AND running <> '{}'")
_TAKE_BACK = """
UPDATE shard SET running = '{}'
FROM json_to_recordset(cast(%(begun)s AS json)) AS b(id integer, running uuid[])
WHERE shard.id = b.id AND shard.running = b.running
"""


def entered(engine: Engine, shard: int) -> AbstractContextManager[Connection]:
    """Begin a transaction, and wait until nobody else drains the shard.

    PostgreSQL gives up the locks of a transaction as soon as one of its statements fails, but only those that were
    taken since its last savepoint. All is sent at once. What a statement sees was there when it began, so nothing
    is chosen by the one that waits.
    """
    lock = f"SELECT pg_advisory_xact_lock({LOCK_SPACE}, {shard:d})"
    return database.transaction_from(engine, f"{tenancy.TO_SEVERAL}; {lock}; SAVEPOINT entered")


def entered_several(engine: Engine, first: int | None) -> AbstractContextManager[Connection]:
    """Begin a transaction that gets into several shards; nobody else drains the first one then, if one is named.

    Whoever waits holds nothing meanwhile, so that nobody waits for somebody who waits.
    """
    wait = "" if first is None else f"; SELECT pg_advisory_xact_lock({LOCK_SPACE}, {first:d})"
    return database.transaction_from(engine, f"{tenancy.TO_SEVERAL}{wait}")


def go_back(connection: Connection) -> None:
    """Undo what was done since the shard was entered, and keep its lock."""
    connection.exec_driver_sql("ROLLBACK TO SAVEPOINT entered")


def lock(connection: Connection, shard: int) -> None:
    """Wait until nobody else drains the shard, in a transaction that began otherwise."""
    connection.execute(_LOCK, {"space": LOCK_SPACE, "shard": shard})


def note(engine: Engine, begun: Begun) -> None:
    """Write down what is begun, on a connection of its own."""
    with database.autocommit(engine) as connection:
        connection.exec_driver_sql(_NOTE, _parameters(begun))


def take_back(connection: Connection, begun: Begun) -> None:
    """Take a note back: what it tells of did not end, and has been seen to."""
    connection.exec_driver_sql(_TAKE_BACK, _parameters(begun))


def unfinished(connection: Connection, shard: int) -> Sequence[UUID]:
    """Take the operations of the run that did not end out of the shard, under its lock; return their ids."""
    left: Sequence[UUID] = connection.execute(_LOOK, {"shard": shard}).one().left
    connection.execute(_CLEAR, {"shard": shard})
    return left


def _parameters(begun: Begun) -> dict[str, str]:
    rows = [{"id": shard, "running": ids} for shard, ids in sorted(begun.items())]
    return {"begun": orjson.dumps(rows).decode()}
