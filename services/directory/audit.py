"""Write the audit: one row for each thing that an operator did, chained to the row before it in the tenant's chain.

A row is written in the transaction of what it tells of. One lock for each chain lets one writer in at a time, until its
commit; whoever writes takes it last, so that nobody waits for anything else while holding it.
"""

import secrets
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, insert, text

from services.directory import audit_chain, tables
from services.directory.audit_chain import INSTALLATION, Action, Row

SALT_BYTES = 16
_LOCK_SPACE = 0x61756474
_LOCK = text("SELECT pg_advisory_xact_lock(:space, hashtext(:chain))")
# After the lock, as a statement of its own: it must see what whoever had the lock has committed.
_HEAD = text("""
SELECT clock_timestamp() AS now, h.seq, h.hash
FROM (SELECT 1) AS one
LEFT JOIN LATERAL (SELECT seq, hash FROM audit WHERE tenant_id = :chain ORDER BY seq DESC LIMIT 1) h ON true
""")


def record(
    connection: Connection,
    tenant_id: UUID | None,
    action: Action,
    *,
    actor: str,
    target: str | UUID | None = None,
    details: Any = None,
) -> Row:
    """Append a row to a tenant's chain, or with None to the installation's; return it.

    The target is an id or a name that means nobody; whatever may be somebody's own belongs into the details.
    """
    chain = tenant_id or INSTALLATION
    lock(connection, chain)
    head = connection.execute(_HEAD, {"chain": chain}).one()
    salt = secrets.token_bytes(SALT_BYTES)
    row = Row(
        tenant_id=chain,
        seq=(head.seq or 0) + 1,
        at=head.now,
        actor=actor,
        action=action.value,
        target=None if target is None else str(target),
        details=details,
        salt=salt,
        digest=audit_chain.digest(salt, details),
        previous=head.hash or audit_chain.BEGINNING,
        hash=b"",
    )
    row = replace(row, hash=audit_chain.hash_of(row))
    connection.execute(insert(tables.audit).values(vars(row)))
    return row


def lock(connection: Connection, chain: UUID) -> None:
    """Let nobody else write to a chain until the end of the transaction."""
    connection.execute(_LOCK, {"space": _LOCK_SPACE, "chain": str(chain)})
