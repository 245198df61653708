"""Seal what tokens changed: take the settled operations of each tenant, in their order, into its audit.

A drain notes the operations that had an effect in the statement that settles them. Some seconds later a worker makes
one row of many of them, so that no write waits for the lock of a chain (docs/decisions/0030-audit.md).
"""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Connection, Engine, Uuid, bindparam, text

from services.directory import audit, database
from services.directory.audit_chain import Action

logger = logging.getLogger(__name__)

BATCH = 500
"""Operations in one row, at most."""

ROUNDS = 20
"""Rows that one call writes for a tenant, at most."""

ACTOR = "muster"

COLUMNS = ("id", "settled_at", "token_id", "method", "resource_type", "lane", "status")
"""What is sealed of an operation; none of it changes, and none of it is a person's."""

_WAITING = text("SELECT DISTINCT tenant_id FROM unsealed")
_TAKE = text("""
DELETE FROM unsealed
WHERE operation_id IN (SELECT operation_id FROM unsealed WHERE tenant_id = :tenant_id ORDER BY operation_id LIMIT :most)
RETURNING operation_id
""")
_LOOK = text(f"""
SELECT {", ".join(COLUMNS)} FROM operation
WHERE id = ANY(:ids) AND id BETWEEN :first AND :last ORDER BY settled_at, id
""").bindparams(bindparam("ids", type_=ARRAY(Uuid)))  # noqa: S608 - names of our own columns.


def seal(engine: Engine) -> int:
    """Seal what waits for it; return how many operations were sealed."""
    with database.across(engine) as connection:
        tenant_ids = list(connection.scalars(_WAITING))
    return sum(_seal_tenant(engine, tenant_id) for tenant_id in tenant_ids)


def lines(connection: Connection, operation_ids: Sequence[UUID]) -> list[list[Any]]:
    """Return what is sealed of operations, in the order in which they took effect; what is gone is left out."""
    if not operation_ids:
        return []
    between = {"ids": list(operation_ids), "first": min(operation_ids), "last": max(operation_ids)}
    return [[_plain(value) for value in row] for row in connection.execute(_LOOK, between)]


def _seal_tenant(engine: Engine, tenant_id: UUID) -> int:
    sealed = 0
    for _ in range(ROUNDS):
        with database.transaction(engine, tenant_id) as connection:
            audit.lock(connection, tenant_id)
            taken = list(connection.scalars(_TAKE, {"tenant_id": tenant_id, "most": BATCH}))
            if not taken:
                break
            found = lines(connection, taken)
            row = audit.record(connection, tenant_id, Action.WRITES_SEALED, actor=ACTOR, details={"operations": found})
        sealed += len(found)
        # Whoever keeps the log elsewhere can prove from it that the chain was not written anew.
        extra = {"tenant_id": str(tenant_id), "seq": row.seq, "hash": row.hash.hex(), "operations": len(found)}
        logger.info("writes sealed", extra=extra)
        if len(taken) < BATCH:
            break
    return sealed


def _plain(value: Any) -> str | int:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds")
        case int():
            return value
        case _:
            return str(value)
