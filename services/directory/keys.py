"""Keep secrets that the processes share: each is made once, by whoever needs it first."""

import secrets

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from services.directory import tables

BYTES = 32


def shared(connection: Connection, name: str) -> bytes:
    """Return the secret of this name, which is the same for every process."""
    made = insert(tables.shared_key).values(name=name, value=secrets.token_bytes(BYTES))
    connection.execute(made.on_conflict_do_nothing())
    value: bytes = connection.scalars(select(tables.shared_key.c.value).where(tables.shared_key.c.name == name)).one()
    return value
