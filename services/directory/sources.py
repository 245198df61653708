"""Name what employees and changes came by: a tenant's tokens, and its clients of other issuers."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, select, union_all

from services.directory import tables


@dataclass(frozen=True, kw_only=True)
class Source:
    """A token or a client, by the name that somebody gave it; `hint` is how its secret ends, if it has one."""

    id: UUID
    name: str
    hint: str | None


def of(connection: Connection, tenant_id: UUID) -> dict[UUID, Source]:
    """Return everything that a tenant's writes may have come by, revoked ones included."""
    token, client = tables.token, tables.client
    both = union_all(
        select(token.c.id, token.c.name, token.c.hint).where(token.c.tenant_id == tenant_id),
        select(client.c.id, client.c.name, client.c.hint).where(client.c.tenant_id == tenant_id),
    )
    found = [Source(**row) for row in connection.execute(both).mappings()]
    return {source.id: source for source in sorted(found, key=lambda source: source.id)}
