"""Count which tolerances a tenant's clients rely on, so that an operator sees what could be done without."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from services.directory import tables

# How often each tolerance was used, by tenant and name.
Counts = Mapping[tuple[UUID, str], int]


@dataclass(frozen=True, kw_only=True)
class Use:
    """How often a tolerance was needed, and when last; the time is that of writing it down, seconds later."""

    name: str
    uses: int
    last_used_at: datetime


def add(connection: Connection, counts: Counts) -> None:
    """Add uses to those of before; rows are locked in one order, so that two gateways cannot deadlock."""
    table = tables.tolerance_use
    new = insert(table)
    statement = new.on_conflict_do_update(
        index_elements=[table.c.tenant_id, table.c.name],
        set_={"uses": table.c.uses + new.excluded.uses, "last_used_at": func.now()},
    )
    rows = [{"tenant_id": tenant, "name": name, "uses": counts[tenant, name]} for tenant, name in sorted(counts)]
    connection.execute(statement, rows)


def of(connection: Connection, tenant_id: UUID) -> Sequence[Use]:
    """Return the tolerances that a tenant's clients used, the most used first."""
    table = tables.tolerance_use
    statement = (
        select(table.c.name, table.c.uses, table.c.last_used_at)
        .where(table.c.tenant_id == tenant_id)
        .order_by(table.c.uses.desc(), table.c.name)
    )
    return [Use(**row) for row in connection.execute(statement).mappings()]
