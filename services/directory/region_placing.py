"""Put employees where the rules say, behind every write of theirs: one statement for each tenant in a batch.

The rules of a tenant are read once for each version and process, as its catalogue is. A tenant that never saved rules
costs nothing: everybody is in HQ, which a new row says by itself.
"""

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

from cachetools import LRUCache
from sqlalchemy import ARRAY, Connection, Row, Text, Uuid, bindparam, select, text

from services.directory import catalogues, history, region_rules, region_saving, regions, rows, tables, tenancy
from services.directory.apply import MOVE, Applied
from services.directory.history import Kind
from services.directory.journal import Operation
from services.directory.region_rules import Compiled
from shared.outcomes import Outcome
from shared.scim.resource_types import USERS, Catalogue

REGION = "region"
"""What the history calls it; no attribute of SCIM has this name at the top of a User."""

# The rows are locked by the writes before. Who is there already is not written again.
_PLACE = text("""
UPDATE employee e SET region = n.region
FROM unnest(:ids, :regions) AS n(id, region) JOIN employee was ON was.id = n.id
WHERE e.id = n.id AND e.region <> n.region
RETURNING e.id, was.region AS before, e.region AS after
""").bindparams(bindparam("ids", type_=ARRAY(Uuid)), bindparam("regions", type_=ARRAY(Text)))


@dataclass(frozen=True, kw_only=True)
class _Known:
    """The rules of a tenant at a version, None if it never had any, and what its regions are called."""

    version: int
    rules: Compiled | None
    names: Mapping[str, str]


@dataclass(frozen=True)
class Placer:
    """Places employees, by the rules that this process has read."""

    _known: LRUCache[UUID, _Known] = field(default_factory=lambda: LRUCache(catalogues.LARGEST_CACHE))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def place(
        self,
        connection: Connection,
        operations: Sequence[Operation],
        results: Sequence[Applied],
        versions: Mapping[UUID, int],
        catalogues_: Mapping[UUID, Catalogue],
        now: datetime,
    ) -> list[Applied]:
        """Move whom a batch changed, in its transaction; return the results with what the history says of it.

        The versions were read in this transaction, under the lock of the shard.
        """
        known = {
            tenant_id: self._of(connection, tenant_id, version, catalogues_[tenant_id])
            for tenant_id, version in versions.items()
            if version
        }
        wanted = dict(_wanted(operations, results, known))
        placed = list(results)
        if wanted:
            for row in _moved(connection, operations, wanted):
                number, operation = wanted[row.id][0], operations[wanted[row.id][0]]
                names = known[operation.tenant_id].names
                change = {"attribute": REGION, "from": _name(names, row.before), "to": _name(names, row.after)}
                placed[number] = _told(placed[number], operation, change, now)
        return [_brief(operation, each) for operation, each in zip(operations, placed, strict=True)]

    def _of(self, connection: Connection, tenant_id: UUID, version: int, catalogue: Catalogue) -> _Known:
        with self._lock:
            known = self._known.get(tenant_id)
        if known is not None and known.version >= version:
            return known
        return self._read(connection, tenant_id, catalogue)

    def _read(self, connection: Connection, tenant_id: UUID, catalogue: Catalogue) -> _Known:
        """Read the version first: what is read after it is of that version or a later one."""
        tenant = tables.tenant
        version = connection.scalars(select(tenant.c.catalogue_version).where(tenant.c.id == tenant_id)).one()
        saved, users = region_saving.newest(connection, tenant_id), catalogue.by_name[USERS.name]
        rules = None if saved is None else region_rules.compiled(saved.rules, users)
        known = _Known(version=version, rules=rules, names=regions.names(connection, tenant_id))
        with self._lock:
            self._known[tenant_id] = known
        return known


def _moved(
    connection: Connection, operations: Sequence[Operation], wanted: Mapping[UUID, tuple[int, str]]
) -> Iterator[Row[Any]]:
    """Move employees of each tenant in turn, and yield who was not there already."""
    by_tenant: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for employee, (number, _) in wanted.items():
        by_tenant[operations[number].tenant_id].append(employee)
    for tenant_id, employees in by_tenant.items():
        tenancy.serve(connection, tenant_id)
        given = {"ids": employees, "regions": [wanted[each][1] for each in employees]}
        yield from connection.execute(_PLACE, given).all()
    tenancy.serve_several(connection)


def _wanted(
    operations: Sequence[Operation], results: Sequence[Applied], known: Mapping[UUID, _Known]
) -> Iterator[tuple[UUID, tuple[int, str]]]:
    """Yield where each employee belongs after the last write of the batch, and the number of that write."""
    for number, (operation, result) in enumerate(zip(operations, results, strict=True)):
        rules = known[operation.tenant_id].rules if operation.tenant_id in known else None
        resource = result.outcome.resource
        is_written = operation.resource_type == USERS.name and result.outcome.status < HTTPStatus.MULTIPLE_CHOICES
        if rules is not None and is_written and resource is not None:
            yield operation.lane, (number, region_rules.region_of(rules, resource))


def _told(result: Applied, operation: Operation, change: Mapping[str, Any], now: datetime) -> Applied:
    """Return a result whose history tells of the move: in the entry of the write, or in one of its own."""
    own = [entry for entry in result.entries if entry.resource_id == operation.lane and entry.kind is not Kind.DELETED]
    others = [entry for entry in result.entries if entry not in own]
    if own:
        return replace(result, entries=[replace(own[0], changes=[*own[0].changes, dict(change)]), *others])
    entry = history.entry(operation, USERS, operation.lane, Kind.CHANGED, [dict(change)], rows.as_shown(now))
    return replace(result, entries=[entry, *others])


def _brief(operation: Operation, result: Applied) -> Applied:
    """Return a result without the resource if nobody asked for it: a move has no client."""
    if operation.method != MOVE or result.outcome.resource is None:
        return result
    return replace(result, outcome=Outcome(operation_id=operation.id, status=HTTPStatus.NO_CONTENT))


def _name(names: Mapping[str, str], region: str) -> str:
    return names.get(region, region)
