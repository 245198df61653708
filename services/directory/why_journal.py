"""Find in the journal what was accepted about a resource, or names it and had no effect, each by an index."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import ARRAY, Connection, RowMapping, Uuid, bindparam, select, text

from services.directory import history, reasons, refusal_rules, seeking, tables, why_events
from services.directory.catalogues import Catalogues
from services.directory.journal import State
from services.directory.reasons import Reason
from services.directory.why_events import SHOWN_LINES, Event, Source
from shared.scim import redaction
from shared.scim.attributes import VALUE
from shared.scim.resource_types import Catalogue

LARGEST_REQUEST = 65_536
"""Bytes of a journaled request that is still read; a larger one is told without what it says."""

MOST_PENDING = 5_000
"""Creations that wait, of which it is looked whom they are to create."""

_SELECT = """
SELECT o.id, o.accepted_at, o.token_id, o.request_id, o.resource_type, o.lane, o.seq, o.method, o.state, o.status,
       o.starts, o.not_before, o.is_urgent, o.outcome ->> 'scim_type' AS scim_type, o.outcome ->> 'detail' AS detail,
       CASE WHEN pg_column_size(o.request) < :largest THEN o.request END AS request,
       EXISTS (SELECT FROM operation r WHERE r.lane = o.lane AND r.replay_of = o.id
               AND r.state NOT IN ('dead', 'discarded')) AS is_replayed,
       EXISTS (SELECT FROM operation h WHERE h.lane = o.lane AND h.seq < o.seq AND h.state = 'pending'
               AND (h.not_before IS NOT NULL OR h.starts > 0)) AS is_held
"""
_OF_LANES = text(f"""
{_SELECT} FROM unnest(:lanes) AS wanted(lane)
CROSS JOIN LATERAL (
  SELECT * FROM operation
  WHERE lane = wanted.lane AND tenant_id = :tenant ORDER BY seq DESC LIMIT :most) AS o
""").bindparams(bindparam("lanes", type_=ARRAY(Uuid)))  # noqa: S608 - constants of this file.
_OF_REQUEST = text(f"{_SELECT} FROM operation o WHERE o.request_id = :request AND o.tenant_id = :tenant LIMIT :most")
# Found first, and read then: by their ids they would be read from the newest on, which is long when there are few.
_WITHOUT_EFFECT = f"""
WITH found AS MATERIALIZED (SELECT id FROM operation WHERE {tables.REFUSED} AND tenant_id = :tenant AND ({{says}}))
{_SELECT} FROM found JOIN operation o ON o.id = found.id ORDER BY o.id DESC LIMIT :most
"""  # noqa: S608 - constants of this file.
_WAITING = f"""
WITH found AS MATERIALIZED (
  SELECT id, request FROM operation
  WHERE state = 'pending' AND tenant_id = :tenant AND method = 'POST' LIMIT {MOST_PENDING})
{_SELECT} FROM operation o WHERE o.id IN (SELECT id FROM found WHERE {{says}}) LIMIT :most
"""  # noqa: S608 - constants of this file.


@dataclass(frozen=True, kw_only=True)
class Journal:
    """Reads what a tenant has in the journal, so many operations at once at most."""

    connection: Connection
    tenant_id: UUID
    catalogue: Catalogue
    most: int

    @classmethod
    def open(cls, connection: Connection, tenant_id: UUID, most: int) -> "Journal":
        """Return the journal of a tenant, whose extensions it knows."""
        catalogue = Catalogues().of_tenants(connection, {tenant_id})[tenant_id]
        return cls(connection=connection, tenant_id=tenant_id, catalogue=catalogue, most=most)

    def about(self, lanes: Sequence[UUID], request_id: str, called: Collection[str]) -> list[RowMapping]:
        """Return operations: of these lanes, of this request, and those without effect that name somebody."""
        given = {"tenant": self.tenant_id, "most": self.most, "largest": LARGEST_REQUEST}
        found = [
            *self.connection.execute(_OF_LANES, given | {"lanes": list(lanes)}).mappings(),
            *self.connection.execute(_OF_REQUEST, given | {"request": request_id}).mappings(),
            *self._naming(called, given),
        ]
        return list({row["id"]: row for row in found}.values())

    def _naming(self, called: Collection[str], given: dict[str, Any]) -> Iterator[RowMapping]:
        """Yield what was refused, cancelled or given up, and what waits to create somebody, by what it says."""
        patterns = [orjson.dumps(each).decode() for name in sorted(called) for each in _patterns(name)]
        bound = {f"p{number}": pattern for number, pattern in enumerate(patterns)}
        says = " OR ".join(f"lower(request::text)::jsonb @> cast(:{name} AS jsonb)" for name in bound)
        for statement in (_WITHOUT_EFFECT, _WAITING):
            yield from self.connection.execute(text(statement.format(says=says)), given | bound).mappings()

    def of_operation(self, row: RowMapping, changes: Iterable[history.Entry], tokens: Mapping[UUID, str]) -> Event:
        """Return an operation as an event, with what it changed."""
        resource_type = self.catalogue.by_name[row["resource_type"]]
        lines = redaction.lines(resource_type, row["method"], row["request"], redaction.with_values)
        shown = [
            " ".join(part for part in (each.op, each.path, each.value) if part) for each in islice(lines, SHOWN_LINES)
        ]
        own = [entry for entry in changes if entry.operation_id == row["id"] and entry.resource_id == row["lane"]]
        return Event(
            at=row["accepted_at"],
            source=Source.JOURNAL,
            method=row["method"],
            resource_type=row["resource_type"],
            resource_id=row["lane"],
            endpoint=f"{resource_type.endpoint}/{row['lane']}",
            request_id=row["request_id"],
            operation_id=row["id"],
            token_id=row["token_id"],
            token=tokens.get(row["token_id"], ""),
            status=row["status"],
            reason=_reason(row),
            detail=row["detail"],
            said=shown,
            changed=[line for entry in own for line in why_events.in_words(entry, resource_type)],
            is_pending=row["state"] == State.PENDING,
        )


def lanes_of_request(connection: Connection, tenant_id: UUID, request_id: str, most: int) -> set[tuple[str, UUID]]:
    """Return the resources that a request was about, by type and id."""
    table = tables.operation
    mine = (table.c.request_id == request_id, table.c.tenant_id == tenant_id)
    rows = connection.execute(select(table.c.resource_type, table.c.lane).where(*mine).limit(most))
    return {(row.resource_type, row.lane) for row in rows}


def _reason(row: RowMapping) -> Reason:
    """Return why an operation ended so, or where it stands."""
    match State(row["state"]):
        case State.PENDING:
            return _standing(row)
        case State.DEAD:
            return reasons.PROVISIONED if row["is_replayed"] else reasons.DEAD
        case State.DISCARDED:
            return reasons.DISCARDED
        case State.CANCELLED:
            return reasons.CANCELLED
        case State.SETTLED:
            is_applied = row["status"] < 400
            told = (row["status"], row["scim_type"], row["detail"] or "", row["resource_type"])
            return _effect(row) if is_applied else refusal_rules.of(*told)


def _standing(row: RowMapping) -> Reason:
    if row["is_held"]:
        return reasons.HELD
    return reasons.RETRYING if row["starts"] or row["not_before"] else reasons.WAITING


def _effect(row: RowMapping) -> Reason:
    if row["method"] == "DELETE":
        return reasons.DELETED
    return reasons.DEACTIVATED if row["is_urgent"] else reasons.PROVISIONED


def _patterns(name: str) -> Iterator[Any]:
    """Yield how a journaled request, in lower case, may name somebody: in a resource, or in a PATCH."""
    yield from ({attribute: value} for attribute, value in seeking.sayings(name))
    yield [{VALUE: name}]
    yield [{VALUE: [{VALUE: name}]}]
