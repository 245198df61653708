"""Remember which assertions were used, so that none is used twice (RFC 7523 section 3, point 7)."""

import hashlib
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, delete, func
from sqlalchemy.dialects.postgresql import insert

from services.directory import tables


def claim(connection: Connection, client_id: UUID, jti: str, expires_at: datetime) -> bool:
    """Note that a client used an assertion; False when it had done so before, through whichever process."""
    values = {"client_id": client_id, "jti": hashlib.sha256(jti.encode()).digest(), "expires_at": expires_at}
    claimed = (
        insert(tables.used_assertion).values(values).on_conflict_do_nothing().returning(tables.used_assertion.c.jti)
    )
    return connection.scalar(claimed) is not None


def drop_old(connection: Connection) -> None:
    """Forget assertions that are refused for their age by now."""
    table = tables.used_assertion
    connection.execute(delete(table).where(table.c.expires_at < func.clock_timestamp()))
