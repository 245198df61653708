"""Look at the journal as an operator does: which operations there are, and how one fared; never their values."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, select

from services.directory import tables


@dataclass(frozen=True, kw_only=True)
class Line:
    """An operation in a list."""

    id: UUID
    tenant: str
    accepted_at: datetime
    method: str
    resource_type: str
    lane: UUID
    seq: int
    state: str
    status: int | None


def newest(connection: Connection, *, tenant: str | None, state: str | None, limit: int) -> Sequence[Line]:
    """Return operations, the newest first."""
    names = ("id", "accepted_at", "method", "resource_type", "lane", "seq", "state", "status")
    statement = _select(*names).order_by(tables.operation.c.id.desc()).limit(limit)
    if tenant is not None:
        statement = statement.where(tables.tenant.c.slug == tenant)
    if state is not None:
        statement = statement.where(tables.operation.c.state == state)
    return [Line(**row) for row in connection.execute(statement).mappings()]


def find(connection: Connection, operation_id: UUID) -> dict[str, Any] | None:
    """Return everything about one operation but what the client wrote, and the resource."""
    table = tables.operation
    hidden = {"request", "outcome", "tenant_id", "needs", "bulk_id", "path"}
    shown = [c.name for c in table.c if c.name not in hidden]
    statement = _select(*shown).add_columns(table.c.outcome["detail"].astext.label("error"))
    row = connection.execute(statement.where(table.c.id == operation_id)).mappings().one_or_none()
    return None if row is None else {name: value for name, value in row.items() if value is not None}


def _select(*names: str) -> Select[Any]:
    table = tables.operation
    return select(tables.tenant.c.slug.label("tenant"), *(table.c[name] for name in names)).join(
        tables.tenant, tables.tenant.c.id == table.c.tenant_id
    )
