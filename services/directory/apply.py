"""Apply operations to the directory, inside the transaction of their drain, and say what each ended in.

What a client got wrong is an outcome like any other; it leaves no effect, because every refusal comes before the
first write, or inside a savepoint.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from services.directory import history, members, queries, rows, store
from services.directory.history import Entry, Kind
from services.directory.journal import Operation
from services.directory.members import Change, Named, Role
from services.directory.rows import Resource, Row
from services.directory.store import Newcomer
from shared.outcomes import Outcome
from shared.scim import mutability, patch, patching, projection, resource_types, validation, versions
from shared.scim.attributes import Attribute, ResourceType, Stored
from shared.scim.dialects.tolerances import Used
from shared.scim.errors import NotFoundError, PreconditionFailedError, SCIMError
from shared.scim.resource_types import Catalogue
from shared.scim.schemas.group import MEMBERS
from shared.scim.schemas.user import GROUPS

MOVE = "MOVE"
"""The method of an operation that changes no attribute: as behind every write, the rules say the region then."""

ECHOED_MEMBERS = 100
"""A PATCH answers with the members of a role that has at most so many."""

FEW_MEMBERS = 50
"""So many at most are told with the outcome, and cost no statement more."""


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What an operation ended in, and what the history says of it."""

    outcome: Outcome
    entries: Sequence[Entry] = ()


@dataclass(frozen=True, kw_only=True)
class _Work:
    """An operation while it is applied."""

    connection: Connection
    operation: Operation
    resource_type: ResourceType
    now: datetime

    @property
    def role(self) -> Role:
        return Role(tenant_id=self.operation.tenant_id, id=self.operation.lane, now=self.now)

    def entry(self, kind: Kind, changes: list[dict[str, Any]]) -> Entry:
        return history.entry(self.operation, self.resource_type, self.operation.lane, kind, changes, self.now)


def apply(connection: Connection, operation: Operation, catalogue: Catalogue, now: datetime) -> Applied:
    """Apply an operation. Raises only what is no client's fault: database errors, and bugs."""
    work = _work(connection, operation, catalogue, now)
    try:
        return _METHODS[operation.method](work)
    except SCIMError as error:
        return Applied(outcome=refusal(operation.id, error))


def is_plain_create(operation: Operation) -> bool:
    """Whether an operation makes a resource without members, so that many of them can be applied at once."""
    return operation.method == "POST" and not operation.request.get(MEMBERS.name)


def create_all(
    connection: Connection, operations: Sequence[Operation], catalogues: Mapping[UUID, Catalogue], now: datetime
) -> list[Applied]:
    """Apply plain creates of one resource type with one statement, as if it were one after the other."""
    works = [_work(connection, each, catalogues[each.tenant_id], now) for each in operations]
    resources = [_with_defaults(work.resource_type, work.operation.request) for work in works]
    made = store.create_all(connection, list(map(_newcomer, works, resources)), works[0].now)
    return list(map(_created, works, resources, made))


def refusal(operation_id: UUID, error: SCIMError) -> Outcome:
    """Return the outcome of an operation that was refused."""
    return Outcome(operation_id=operation_id, status=error.status, scim_type=error.scim_type, detail=error.detail)


def _work(connection: Connection, operation: Operation, catalogue: Catalogue, now: datetime) -> _Work:
    return _Work(
        connection=connection,
        operation=operation,
        resource_type=catalogue.by_name[operation.resource_type],
        now=rows.as_shown(now),
    )


def _newcomer(work: _Work, resource: Resource) -> Newcomer:
    return Newcomer(
        resource_type=work.resource_type,
        tenant_id=work.operation.tenant_id,
        id=work.operation.lane,
        resource=resource,
        source=work.operation.token_id,
    )


def _created(work: _Work, resource: Resource, row: Row | None) -> Applied:
    if row is None:
        return Applied(outcome=refusal(work.operation.id, store.in_use(work.resource_type)))
    return _applied(work, 201, row, Kind.CREATED, history.changes(work.resource_type, {}, resource), Change())


def _create(work: _Work) -> Applied:
    resource = _with_defaults(work.resource_type, work.operation.request)
    joining = _members(work.resource_type, resource)
    with _savepoint(work, is_needed=bool(joining)):
        row = store.create(
            work.connection,
            work.resource_type,
            work.operation.tenant_id,
            work.operation.lane,
            resource,
            work.now,
            work.operation.token_id,
        )
        change = members.set_to(work.connection, work.role, joining) if joining else Change()
    changes = history.changes(work.resource_type, {}, _without_rows(work.resource_type, resource))
    return _applied(work, 201, row, Kind.CREATED, changes, change)


def _replace(work: _Work) -> Applied:
    row = _lock(work)
    current = rows.to_resource(work.resource_type, row)
    resource = _keeping_defaults(work.resource_type, work.operation.request, current)
    resource = mutability.keep(work.resource_type, current, resource)
    validation.check(work.resource_type, resource)
    has_members = _has_members(work.resource_type)
    with _savepoint(work, is_needed=has_members):
        joining = _members(work.resource_type, resource)
        change = members.set_to(work.connection, work.role, joining) if has_members else Change()
        return _write(work, row, current, resource, change)


def _patch(work: _Work) -> Applied:
    operations = patch.restore(work.operation.request, work.resource_type)
    of_rows = [operation for operation in operations if patch.is_row_operation(operation)]
    row = _lock(work)
    current = rows.to_resource(work.resource_type, row)
    used: Used = set()
    resource = patching.apply([o for o in operations if not patch.is_row_operation(o)], current, used)
    validation.check(work.resource_type, resource)
    with _savepoint(work, is_needed=bool(of_rows) and _may_stop_halfway(operations)):
        change = members.change(work.connection, work.role, of_rows)
        applied = _write(work, row, current, resource, change)
    return replace(applied, outcome=replace(applied.outcome, tolerances=sorted(used) or None))


def _may_stop_halfway(operations: Sequence[patch.Operation]) -> bool:
    """Whether a refusal may follow an effect: a replacement removes before it finds an unknown member."""
    return len(operations) > 1 or any(operation.op is patch.Op.REPLACE for operation in operations)


def _delete(work: _Work) -> Applied:
    members.lock_roles_of(work.connection, work.operation.lane)
    row = _unless_changed(work, store.lock_to_delete(*_address(work)))
    known_row = rows.to_resource(work.resource_type, row)
    were_members, left = members.dissolve(work.connection, work.operation.lane, work.now)
    store.delete(work.connection, work.resource_type, row, work.now)
    entries = [
        work.entry(Kind.DELETED, history.changes(work.resource_type, known_row, {})),
        *_left_roles(work, left),
        *_of_members(work, row, were_members, Change(removed=frozenset(were_members))),
    ]
    return Applied(outcome=Outcome(operation_id=work.operation.id, status=204), entries=entries)


def _move(work: _Work) -> Applied:
    """Change nothing; whoever was deleted meanwhile moves nowhere (services/directory/region_placing.py)."""
    try:
        row = _lock(work)
    except NotFoundError:
        return Applied(outcome=Outcome(operation_id=work.operation.id, status=204))
    resource = projection.without_secrets(rows.to_resource(work.resource_type, row), work.resource_type)
    return Applied(outcome=Outcome(operation_id=work.operation.id, status=200, resource=resource))


_METHODS: dict[str, Callable[[_Work], Applied]] = {
    "POST": _create,
    "PUT": _replace,
    "PATCH": _patch,
    "DELETE": _delete,
    MOVE: _move,
}


def _lock(work: _Work) -> Row:
    return _unless_changed(work, store.lock(*_address(work)))


def _address(work: _Work) -> tuple[Connection, ResourceType, UUID, UUID]:
    return work.connection, work.resource_type, work.operation.tenant_id, work.operation.lane


def _unless_changed(work: _Work, row: Row) -> Row:
    """Check If-Match under the lock of the transaction that writes (RFC 7644 section 3.14)."""
    wanted = work.operation.if_match
    if wanted is not None and not versions.matches(wanted, row["version"]):
        raise PreconditionFailedError(
            f"The {work.resource_type.name} is at version {versions.etag(row['version'])}, not at the one that "
            "If-Match names, or 'version' in a bulk request"
        )
    return row


def _write(work: _Work, row: Row, current: Resource, resource: Resource, change: Change) -> Applied:
    """Write a changed resource; one that stays as it is keeps its version and its lastModified."""
    mutability.check(work.resource_type, current, resource)
    changes = history.changes(
        work.resource_type, _without_rows(work.resource_type, current), _without_rows(work.resource_type, resource)
    )
    if changes or change:
        row = store.change(work.connection, work.resource_type, row, resource, work.now)
    return _applied(work, 200, row, Kind.CHANGED, changes, change)


def _applied(work: _Work, status: int, row: Row, kind: Kind, changes: list[dict[str, Any]], change: Change) -> Applied:
    resource = rows.to_resource(work.resource_type, row)
    limit = ECHOED_MEMBERS if work.operation.method == "PATCH" else None
    has_rows = kind is not Kind.CREATED or bool(change)
    wants = queries.wants_all if has_rows else queries.wants_none_of({Stored.ROWS})
    [complete] = queries.complete(
        work.connection, work.operation.tenant_id, work.resource_type, [resource], wants, limit
    )
    outcome = Outcome(
        operation_id=work.operation.id,
        status=status,
        resource=projection.without_secrets(complete, work.resource_type),
        is_complete=not _has_more_members(work, complete),
    )
    known = members.named(work.connection, change.added | change.removed)
    changes = [*changes, *_membership_changes(known, change)]
    entries = [work.entry(kind, changes)] if changes else []
    types = {member: named.resource_type for member, named in known.items()}
    return Applied(outcome=outcome, entries=[*entries, *_of_members(work, row, types, change)])


def _has_more_members(work: _Work, resource: Resource) -> bool:
    """Whether a role's members were too many to be echoed."""
    return (
        _has_members(work.resource_type)
        and work.operation.method == "PATCH"
        and MEMBERS.name not in resource
        and members.any_of(work.connection, work.operation.lane)
    )


def _membership_changes(known: dict[UUID, Named], change: Change) -> list[dict[str, Any]]:
    if not change:
        return []
    return [{"attribute": MEMBERS.name, **_joined_and_left(known, change.added, change.removed)}]


def _of_members(work: _Work, row: Row, types: Mapping[UUID, str], change: Change) -> list[Entry]:
    """Tell each member's own history of the role that it joined or left; those of many members are written at once."""
    role = (
        {work.operation.lane: Named(resource_type=work.resource_type.name, name=row["display_name"])} if change else {}
    )
    joined, left = _joined_and_left(role, role, ()), _joined_and_left(role, (), role)
    entries: list[Entry] = []
    for those, told in ((change.added, joined), (change.removed, left)):
        changes = [{"attribute": GROUPS.name, **told}]
        if len(those) > FEW_MEMBERS:
            of_those = {each: types[each] for each in those}
            history.add_alike(work.connection, work.operation, of_those, changes, work.now)
        else:
            entries += [_member_entry(work, each, types[each], changes) for each in sorted(those)]
    return entries


def _member_entry(work: _Work, member: UUID, type_: str, changes: list[dict[str, Any]]) -> Entry:
    resource_type = resource_types.BY_NAME[type_]
    return history.entry(work.operation, resource_type, member, Kind.CHANGED, changes, work.now)


def _left_roles(work: _Work, left: frozenset[UUID]) -> list[Entry]:
    """Tell each role's history of the deleted member."""
    member = members.named(work.connection, {work.operation.lane}) if left else {}
    changes = [{"attribute": MEMBERS.name, **_joined_and_left(member, (), member)}]
    return [
        history.entry(work.operation, resource_types.GROUPS, role, Kind.CHANGED, changes, work.now)
        for role in sorted(left)
    ]


def _joined_and_left(known: dict[UUID, Named], added: Iterable[UUID], removed: Iterable[UUID]) -> dict[str, Any]:
    def described(ids: Iterable[UUID]) -> list[dict[str, Any]]:
        return [{"value": str(i), "display": known[i].name} for i in sorted(ids)]

    return {"added": described(added), "removed": described(removed)}


def _has_members(resource_type: ResourceType) -> bool:
    return MEMBERS in resource_type.schema.attributes


def _members(resource_type: ResourceType, resource: Resource) -> list[dict[str, Any]]:
    writable = [a for _, a in resource_type.walk() if a.stored is Stored.ROWS and a.is_writable]
    return [element for attribute in writable for element in resource.get(attribute.name, [])]


def _without_rows(resource_type: ResourceType, resource: Resource) -> Resource:
    kept = {a.name for _, a in resource_type.walk() if a.stored is Stored.ROWS}
    return {name: value for name, value in resource.items() if name not in kept}


def _with_defaults(resource_type: ResourceType, resource: Resource) -> Resource:
    return _defaults(resource_type) | resource


def _keeping_defaults(resource_type: ResourceType, resource: Resource, current: Resource) -> Resource:
    """A PUT that leaves out an attribute with a default keeps what there is, so that nobody is disabled by omission."""
    return {name: current.get(name, value) for name, value in _defaults(resource_type).items()} | resource


def _defaults(resource_type: ResourceType) -> Resource:
    with_default: list[Attribute] = [a for _, a in resource_type.walk() if a.default is not None]
    return {attribute.name: attribute.default for attribute in with_default}


def _savepoint(work: _Work, *, is_needed: bool) -> AbstractContextManager[Any]:
    return work.connection.begin_nested() if is_needed else nullcontext()
