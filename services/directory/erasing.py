"""Erase a person: every value of theirs, wherever it is kept. Ids stay, and that something was done stays.

It goes in steps, each a transaction of its own, since a whole journal may have to be read: the employee is deleted, so
that nothing new comes; what is about them is blanked, row by row; last goes the row that their names are known from. So
it can be done again after a failure, and does no harm then (docs/decisions/0031-erasure.md).
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import ARRAY, Connection, Engine, Text, bindparam, func, literal, or_, select, text, update

from services.directory import (
    admins,
    audit,
    columns,
    database,
    ids,
    members,
    refusals,
    region_saving,
    rows,
    scrubbing,
    searching,
    seeking,
    store,
    tables,
)
from services.directory.audit_chain import Action
from services.directory.scrubbing import ERASED
from shared.scim.errors import NotFoundError
from shared.scim.resource_types import USERS

NOTED_SECONDS = 1.0
"""Within this gateways write down what they refused."""


class ErasureError(ValueError):
    """A person cannot be erased; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Erased:
    """How many rows of each kind were blanked."""

    operations: int
    history: int
    tokens: int
    refusals: int
    audit: int


@dataclass(frozen=True, kw_only=True)
class _Person:
    """Who is erased, and by which names others may have spoken of them."""

    tenant_id: UUID
    id: UUID
    names: frozenset[str]
    unique_names: frozenset[str]

    @property
    def needles(self) -> list[str]:
        """What stands in JSON that speaks of them: the id, or a name in a filter."""
        return [str(self.id), *(_inside(scrubbing.literal(name)) for name in sorted(self.names))]


# What others call a person by: what is looked up, and so has an index.
_NAMES = [
    column
    for column in columns.of(USERS)
    if column.sub is None and isinstance(column.sql_type, Text) and (column.is_unique or column.leaf.is_ordered)
]
_UNIQUE = [column for column in _NAMES if column.is_unique]

_FIND_OPERATIONS = text("""
SELECT id FROM operation
WHERE tenant_id = :tenant_id
  AND (lane = :person OR bulk_id = ANY(:names)
       OR EXISTS (SELECT FROM unnest(:needles) n WHERE strpos(request::text, n) > 0 OR strpos(outcome::text, n) > 0)
       OR EXISTS (SELECT FROM unnest(:keys) k WHERE lower(request ->> k) = ANY(:folded)))
ORDER BY id
""").bindparams(*(bindparam(name, type_=ARRAY(Text)) for name in ("names", "needles", "keys", "folded")))
_READ_OPERATION = text("""
SELECT o.method, o.lane, o.request, o.outcome, o.bulk_id,
       o.resource_type = :type AND NOT EXISTS (SELECT FROM employee e WHERE e.id = o.lane AND e.id <> :person) AS is_own
FROM operation o WHERE o.id = :id FOR UPDATE OF o
""")
_FORGET = tuple(
    text(f"DELETE FROM {table} WHERE operation_id = :id")  # noqa: S608 - names of our own tables.
    for table in ("unanswered", "idempotency_key")
)
_FIND_HISTORY = text("""
SELECT at, id, resource_id, changes FROM history
WHERE tenant_id = :tenant_id AND (resource_id = :person OR strpos(changes::text, cast(:person AS text)) > 0)
""")
_FORGET_DETAILS = text("""
UPDATE audit SET details = NULL, salt = NULL
WHERE tenant_id = :tenant_id AND salt IS NOT NULL AND action <> ALL(:kept)
  AND EXISTS (SELECT FROM unnest(:needles) n WHERE strpos(details::text, n) > 0)
RETURNING seq
""").bindparams(*(bindparam(name, type_=ARRAY(Text)) for name in ("kept", "needles")))
_KEPT_ACTIONS = [Action.WRITES_SEALED.value, Action.PERSON_ERASED.value]
"""They have ids, and no details that are anybody's own; and who verifies needs them."""


def find(connection: Connection, tenant_id: UUID, named: str) -> UUID:
    """Return the id of an employee, deleted ones included, by the id or the unique name.

    Raises ErasureError when there is none, or more than one.
    """
    table, id_ = tables.employee, ids.parse(named)
    same = [columns.compared(c.leaf, table.c[c.name]) == columns.compared(c.leaf, literal(named)) for c in _UNIQUE]
    wanted = or_(*same) if id_ is None else table.c.id == id_
    found: list[UUID] = list(connection.scalars(select(table.c.id).where(table.c.tenant_id == tenant_id, wanted)))
    if not found:
        raise ErasureError(f"The tenant has and had nobody who is {named!r}")
    if len(found) > 1:
        several = ", ".join(map(str, found))
        raise ErasureError(f"{len(found)} people were {named!r}, one after the other. Name one by the id: {several}")
    return found[0]


def erase(engine: Engine, tenant_id: UUID, person_id: UUID, actor: str) -> Erased:
    """Erase an employee, who is deleted first if need be; return what was blanked."""
    with database.transaction(engine, tenant_id) as connection:
        _delete(connection, tenant_id, person_id)
        person = _person(connection, tenant_id, person_id)
    operations, history = _blank_operations(engine, person), _blank_history(engine, person)
    # What came meanwhile was refused, for there was nobody any more; but its request was journaled.
    operations += _blank_operations(engine, person)
    # What gateways have noted, and not written down yet.
    time.sleep(NOTED_SECONDS)
    with database.transaction(engine, tenant_id) as connection:
        return _finish(connection, person, actor, operations=operations, history=history)


def _delete(connection: Connection, tenant_id: UUID, person_id: UUID) -> None:
    members.lock_roles_of(connection, person_id)
    try:
        row = store.lock_to_delete(connection, USERS, tenant_id, person_id)
    except NotFoundError:
        return
    now = rows.as_shown(datetime.now(UTC))
    members.dissolve(connection, person_id, now)
    store.delete(connection, USERS, row, now)


def _person(connection: Connection, tenant_id: UUID, person_id: UUID) -> _Person:
    """Return all names that a person has and had, as far as the history knows them."""
    table, history = tables.employee, tables.history
    row = connection.execute(select(table).where(table.c.id == person_id)).mappings().one()
    found = {column.name: {row[column.name]} for column in _NAMES}
    entries = connection.scalars(select(history.c.changes).where(history.c.resource_id == person_id))
    for change in (each for changes in entries for each in changes):
        for column in _NAMES:
            if change["attribute"] == column.attribute.name:
                found[column.name] |= {change.get("from"), change.get("to")}
    nobody = {None, _nobody(person_id)}
    return _Person(
        tenant_id=tenant_id,
        id=person_id,
        names=frozenset(set().union(*found.values()) - nobody),
        unique_names=frozenset(set().union(*(found[column.name] for column in _UNIQUE)) - nobody),
    )


def _blank_operations(engine: Engine, person: _Person) -> int:
    wanted = {
        "tenant_id": person.tenant_id,
        "person": person.id,
        "names": sorted(person.names),
        "needles": person.needles,
        "keys": [column.attribute.name for column in _UNIQUE],
        "folded": sorted(name.lower() for name in person.unique_names),
    }
    with database.snapshot(engine, person.tenant_id) as connection:
        found = list(connection.scalars(_FIND_OPERATIONS, wanted))
    return sum(_blank_operation(engine, person, operation_id) for operation_id in found)


def _blank_operation(engine: Engine, person: _Person, operation_id: UUID) -> bool:
    """Blank one operation, in a transaction of its own: a drain may hold others, and wait for this one."""
    with database.transaction(engine, person.tenant_id) as connection:
        given = {"id": operation_id, "person": person.id, "type": USERS.name}
        row = connection.execute(_READ_OPERATION, given).mappings().one_or_none()
        if row is None:
            return False
        blanked = dict(_blanked(person, row))
        if all(row[name] == value for name, value in blanked.items()):
            return False
        table = tables.operation
        connection.execute(update(table).where(table.c.id == operation_id).values(blanked))
        for forget in _FORGET:
            connection.execute(forget, {"id": operation_id})
    return True


def _blanked(person: _Person, row: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what is left of an operation: nothing of the person's own ones, and of others' all but the person.

    A refused creation of the same name is one of theirs, unless somebody else came to be of it.
    """
    if row["lane"] == person.id or (row["is_own"] and row["method"] == "POST"):
        yield "request", scrubbing.blank_request(row["method"], row["request"])
        yield "outcome", scrubbing.blank_outcome(row["outcome"])
    else:
        yield "request", scrubbing.scrubbed(row["request"], str(person.id), person.names)
        yield "outcome", scrubbing.scrubbed(row["outcome"], str(person.id), person.names)
    if row["bulk_id"] in person.names:
        yield "bulk_id", ERASED


def _blank_history(engine: Engine, person: _Person) -> int:
    wanted = {"tenant_id": person.tenant_id, "person": person.id}
    with database.snapshot(engine, person.tenant_id) as connection:
        found = connection.execute(_FIND_HISTORY, wanted).all()
    table, blanked = tables.history, 0
    for row in found:
        if row.resource_id == person.id:
            changes = scrubbing.blank_changes(row.changes)
        else:
            changes = scrubbing.scrubbed(row.changes, str(person.id), person.names)
        if changes != row.changes:
            with database.transaction(engine, person.tenant_id) as connection:
                mine = (table.c.at == row.at, table.c.id == row.id)
                connection.execute(update(table).where(*mine).values(changes=changes))
            blanked += 1
    return blanked


def _finish(connection: Connection, person: _Person, actor: str, *, operations: int, history: int) -> Erased:
    """Blank the tokens and the row of the person, and the audit's details; write down that it was done."""
    token, table = tables.token, tables.employee
    tokens = connection.execute(
        update(token)
        .where(token.c.user_id == person.id, token.c.name != ERASED)
        .values(name=ERASED, last_used_from=None, revoked_at=func.coalesce(token.c.revoked_at, func.clock_timestamp()))
    ).rowcount
    [known] = seeking.by_ids(connection, person.tenant_id, [(USERS.name, person.id)])
    terms = {*known.known_as, *(name.lower() for name in person.names)}
    refused = refusals.forget(connection, person.tenant_id, terms, person.names)
    connection.execute(update(table).where(table.c.id == person.id).values(dict(_blank_row(person.id))))
    region_saving.forget(connection, person.tenant_id, person.names)
    admins.remove_employee(connection, person.tenant_id, person.id, person.unique_names)
    audit.lock(connection, person.tenant_id)
    needles = [str(person.id), *(orjson.dumps(name).decode() for name in sorted(person.unique_names))]
    given = {"tenant_id": person.tenant_id, "kept": _KEPT_ACTIONS, "needles": needles}
    seqs = sorted(connection.scalars(_FORGET_DETAILS, given))
    erased = Erased(operations=operations, history=history, tokens=tokens, refusals=refused, audit=len(seqs))
    details = {"operations": operations, "history": history, "tokens": tokens, "refusals": refused, "audit": seqs}
    audit.record(connection, person.tenant_id, Action.PERSON_ERASED, actor=actor, target=person.id, details=details)
    return erased


def _blank_row(person_id: UUID) -> Iterator[tuple[str, Any]]:
    for column in columns.of(USERS):
        if column.attribute.is_writable:
            yield column.name, _nobody(person_id) if column.leaf.required and not column.is_document else None
    yield columns.BAG, None
    yield searching.COLUMN, None


def _nobody(person_id: UUID) -> str:
    """Return what is required where nothing is left."""
    return f"{ERASED}-{person_id}"


def _inside(text_: str) -> str:
    """Return a text as it stands within a string of JSON."""
    return orjson.dumps(text_).decode()[1:-1]
