"""Keep secrets that the processes share: each is made once, by whoever needs it first."""

import secrets
from collections.abc import Callable

from sqlalchemy import Connection, Engine, select
from sqlalchemy.dialects.postgresql import insert

from services.directory import database, tables

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


class SharedKey:
    """A secret that a process asks for once, when it first needs it."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine, self._name = engine, name
        self._value = b""

    def value(self) -> bytes:
        """Return the secret. Raises SQLAlchemyError when it was never read and cannot be now."""
        if not self._value:
            with database.transaction(self._engine) as connection:
                self._value = shared(connection, self._name)
        return self._value
