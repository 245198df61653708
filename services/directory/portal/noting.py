"""Note in the audit what the visitor did, and tell who did what to a thing.

The actor of a row is an id, for the audit keeps it for ever; the address stands in the details, which an erasure
blanks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from services.directory import audit, audit_reading
from services.directory.audit_chain import Action, Row
from services.directory.portal.desk import me

MOST = 20
ADMIN = "admin"


@dataclass(frozen=True, kw_only=True)
class Deed:
    """What somebody did, for a page."""

    at: datetime
    who: str
    action: Action
    details: dict[str, Any]


def note(connection: Connection, action: Action, target: UUID | str, **details: Any) -> None:
    """Write a row of the audit, in the transaction of its effect."""
    about = {ADMIN: me().email, **details}
    audit.record(connection, me().tenant_id, action, actor=actor(), target=target, details=about)


def actor() -> str:
    """Return how the visitor is called in what is kept for long: by an id, never by name."""
    return f"{ADMIN} {me().admin_id}"


def deeds(connection: Connection, target: UUID) -> Sequence[Deed]:
    """Return what was done to a thing of the visitor's tenant, the newest first."""
    return [_deed(row) for row in audit_reading.of_target(connection, me().tenant_id, target, MOST)]


def _deed(row: Row) -> Deed:
    details = row.details or {}
    operator = "somebody who was erased" if row.actor.startswith(ADMIN) else f"{row.actor} (operator)"
    return Deed(at=row.at, who=details.get(ADMIN) or operator, action=Action(row.action), details=details)
