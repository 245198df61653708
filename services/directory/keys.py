"""Keep secrets that the processes share: each is made once, by whoever needs it first."""

import secrets
from collections.abc import Callable

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from services.directory import tables

BYTES = 32


def random_bytes() -> bytes:
    """Return a new secret for whatever takes plain bytes."""
    return secrets.token_bytes(BYTES)


def shared(connection: Connection, name: str, make: Callable[[], bytes] = random_bytes) -> bytes:
    """Return the secret of this name, which is the same for every process; `make` makes it where there is none yet."""
    table = tables.shared_key
    look = select(table.c.value).where(table.c.name == name)
    found: bytes | None = connection.scalar(look)
    if found is None:
        connection.execute(insert(table).values(name=name, value=make()).on_conflict_do_nothing())
        found = connection.scalars(look).one()
    return found
