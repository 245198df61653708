"""Keep the requests that were refused, and find them by what they were about; gateways write them down off the path.

What was refused by the directory itself is in the journal, too; it is known by its operation's id.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Connection, Select, Text, Uuid, any_, bindparam, insert, literal, select, text

from services.directory import tables, trace_tables

KNOWN_TERMS = 60
"""Terms of one refusal that are kept."""


_FORGET = text("""
UPDATE refused SET body = NULL, filter = NULL, terms = ARRAY[lower(request_id)]
WHERE tenant_id = :tenant AND (body IS NOT NULL OR filter IS NOT NULL OR cardinality(terms) > 1)
  AND (terms && :terms
       OR EXISTS (SELECT FROM unnest(:names) n WHERE strpos(lower(concat_ws(' ', body, filter)), n) > 0))
""").bindparams(*(bindparam(name, type_=ARRAY(Text)) for name in ("terms", "names")))


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """One request that was refused: what of it may be kept, and what its client was told."""

    at: datetime
    id: UUID
    tenant_id: UUID
    token_id: UUID
    request_id: str
    method: str
    endpoint: str
    resource_type: str | None
    resource_id: UUID | None
    status: int
    scim_type: str | None
    detail: str
    reason: str
    """The code of one of services/directory/reasons.py."""
    terms: Sequence[str] = ()
    """What it is found by, in lower case."""
    filter: str | None = None
    body: Any = None
    operation_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Whose token a secret was, when it was presented and refused."""

    tenant_id: UUID
    token_id: UUID
    revoked_at: datetime | None
    expires_at: datetime | None


def owners(connection: Connection, digests: Collection[bytes]) -> Mapping[bytes, Owner]:
    """Return whose tokens have these digests, whether they work or not; unknown ones are left out."""
    table = tables.token
    columns = (table.c.sha256, table.c.tenant_id, table.c.id.label("token_id"), table.c.revoked_at, table.c.expires_at)
    rows = connection.execute(select(*columns).where(table.c.sha256.in_(list(digests)))).mappings()
    return {row["sha256"]: Owner(**{name: row[name] for name in row if name != "sha256"}) for row in rows}


def keep(connection: Connection, refusals: Sequence[Refusal]) -> None:
    """Write refusals down."""
    if refusals:
        connection.execute(insert(trace_tables.refused), [vars(_findable(each)) for each in refusals])


def about(connection: Connection, tenant_id: UUID, terms: Collection[str], limit: int) -> list[Refusal]:
    """Return the newest refusals of a tenant that have one of these terms, in lower case; the newest first."""
    given = literal(list(terms), ARRAY(Text))
    # As a step of its own: by the time it would be read from the newest on, which is long when none is about this.
    found = _select().where(trace_tables.refused.c.terms.overlap(given)).cte("found").prefix_with("MATERIALIZED")
    mine = select(found).where(found.c.tenant_id == tenant_id).order_by(found.c.at.desc(), found.c.id.desc())
    return _read(connection, mine.limit(limit))


def since(connection: Connection, tenant_id: UUID, moment: datetime, limit: int) -> list[Refusal]:
    """Return the refusals of a tenant since a moment, the newest first."""
    table = trace_tables.refused
    mine = (table.c.tenant_id == tenant_id, table.c.at >= moment)
    return _read(connection, _select().where(*mine).order_by(table.c.at.desc(), table.c.id.desc()).limit(limit))


def forget(connection: Connection, tenant_id: UUID, terms: Collection[str], names: Collection[str]) -> int:
    """Blank the refusals of a tenant that have one of these terms, or speak of one of these names; return how many."""
    given = {"tenant": tenant_id, "terms": list(terms), "names": [name.lower() for name in names]}
    return connection.execute(_FORGET, given).rowcount


def without_journaled(connection: Connection, refusals: Sequence[Refusal]) -> list[Refusal]:
    """Return the refusals whose operation the journal does not have."""
    table, ids = tables.operation, [each.operation_id for each in refusals if each.operation_id is not None]
    statement = select(table.c.id).where(table.c.id == any_(literal(ids, ARRAY(Uuid))))
    journaled = set(connection.scalars(statement)) if ids else set()
    return [each for each in refusals if each.operation_id not in journaled]


def _findable(refusal: Refusal) -> Refusal:
    own = (refusal.request_id.lower(), *((str(refusal.resource_id),) if refusal.resource_id else ()))
    return replace(refusal, terms=list(dict.fromkeys((*own, *sorted(refusal.terms))))[:KNOWN_TERMS])


def _select() -> Select[Any]:
    return select(*(trace_tables.refused.c[f.name] for f in fields(Refusal)))


def _read(connection: Connection, statement: Select[Any]) -> list[Refusal]:
    return [Refusal(**row) for row in connection.execute(statement).mappings()]
