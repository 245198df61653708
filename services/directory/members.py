"""Membership as rows: members join and leave a role one row at a time, whatever the role's size."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BindParameter,
    ColumnElement,
    Connection,
    DateTime,
    Select,
    Text,
    Uuid,
    all_,
    and_,
    any_,
    bindparam,
    column,
    delete,
    func,
    literal,
    or_,
    select,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from services.directory import filtering, tables
from services.directory import ids as identifiers
from shared.scim import patch, resource_types
from shared.scim.errors import InvalidValueError, NoTargetError
from shared.scim.patch import Op, Operation

NAMED_IDS = 5
"""Unknown member ids that an error names, at most."""


_IDS = bindparam("ids", type_=ARRAY(Uuid))
_NAMED = union_all(
    select(
        tables.employee.c.id,
        literal(resource_types.USERS.name),
        func.coalesce(tables.employee.c.display_name, tables.employee.c.user_name),
    ).where(tables.employee.c.id == any_(_IDS)),
    select(tables.role.c.id, literal(resource_types.GROUPS.name), tables.role.c.display_name).where(
        tables.role.c.id == any_(_IDS)
    ),
)
_LIVING_NAMES = select(tables.employee.c.id, tables.employee.c.display_name).where(
    tables.employee.c.display_name.is_not(None),
    tables.employee.c.id == any_(_IDS),
    tables.employee.c.tenant_id == bindparam("tenant"),
    tables.employee.c.deleted_at.is_(None),
)
_JOINING = (
    func.unnest(_IDS, bindparam("types", type_=ARRAY(Text)))
    .table_valued(column("id", Uuid), column("type", Text), name="joining")
    .render_derived()
)
# One statement with arrays, however many they are: ten thousand rows as parameters take longer to make than to insert.
_JOIN = (
    insert(tables.membership)
    .from_select(
        ["role_id", "member_id", "member_type", "tenant_id", "since"],
        select(
            bindparam("role", type_=Uuid),
            _JOINING.c.id,
            _JOINING.c.type,
            bindparam("tenant", type_=Uuid),
            bindparam("now", type_=DateTime(timezone=True)),
        ),
    )
    .on_conflict_do_nothing()
    .returning(tables.membership.c.member_id)
)


@dataclass(frozen=True, kw_only=True)
class Role:
    """The role that is changed, and when."""

    tenant_id: UUID
    id: UUID
    now: datetime


@dataclass(frozen=True, kw_only=True)
class Named:
    """What a member is, and what it is called."""

    resource_type: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Change:
    """Who joined and who left, in the end."""

    added: frozenset[UUID] = frozenset()
    removed: frozenset[UUID] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)

    def then(self, later: "Change") -> "Change":
        """Return both changes as one: who joins and leaves again did neither."""
        return Change(
            added=(self.added - later.removed) | (later.added - self.removed),
            removed=(self.removed - later.added) | (later.removed - self.added),
        )


def change(connection: Connection, role: Role, operations: Iterable[Operation]) -> Change:
    """Apply PATCH operations on members, in their order.

    Raises InvalidValueError when a member does not exist, NoTargetError when a filter matches none.
    """
    total = Change()
    for operation in operations:
        with patch.blame(operation.number):
            total = total.then(_apply(connection, role, operation))
    return total


def set_to(connection: Connection, role: Role, members: Sequence[dict[str, Any]]) -> Change:
    """Make these the only members. Raises InvalidValueError when one does not exist."""
    wanted = _ids(members)
    mine = tables.membership.c.role_id == role.id
    removed = _remove(connection, and_(mine, tables.membership.c.member_id != all_(_array(wanted))) if wanted else mine)
    return Change(removed=removed).then(Change(added=_add(connection, role, wanted)))


def lock_roles_of(connection: Connection, member_id: UUID) -> None:
    """Lock the roles of a member, before the member itself: in the order in which a change of a role locks both."""
    role, membership = tables.role, tables.membership
    roles = select(membership.c.role_id).where(membership.c.member_id == member_id)
    connection.execute(
        select(role.c.id).where(role.c.id.in_(roles)).order_by(role.c.id).with_for_update(key_share=True)
    )


def dissolve(connection: Connection, resource_id: UUID, now: datetime) -> tuple[dict[UUID, str], frozenset[UUID]]:
    """End all memberships of a resource that is deleted; return its members with their types, and where it was one.

    The roles that it was in are changed by that, so they have a new version. Rows are locked in one order, so that
    the deletions of roles which are members of each other do not wait for each other in a circle.
    """
    membership, role = tables.membership, tables.role
    key = tuple_(membership.c.role_id, membership.c.member_id)
    mine = or_(membership.c.role_id == resource_id, membership.c.member_id == resource_id)
    ordered = select(membership.c.role_id, membership.c.member_id).where(mine).order_by(*key.clauses).with_for_update()
    told = (membership.c.role_id, membership.c.member_id, membership.c.member_type)
    ended = connection.execute(delete(membership).where(key.in_(ordered)).returning(*told)).all()
    left = frozenset(role_id for role_id, member_id, _ in ended if member_id == resource_id)
    if left:
        changed = {"version": role.c.version + 1, "meta_last_modified": now}
        connection.execute(update(role).where(role.c.id == any_(_array(sorted(left)))).values(changed))
    return {member_id: type_ for role_id, member_id, type_ in ended if role_id == resource_id}, left


def any_of(connection: Connection, role_id: UUID) -> bool:
    """Whether a role has members."""
    statement = select(literal(1)).where(tables.membership.c.role_id == role_id).limit(1)
    return connection.scalar(statement) is not None


def named(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, Named]:
    """Return what employees and roles are called, deleted ones included."""
    wanted = list(ids)
    found = connection.execute(_NAMED, {"ids": wanted}) if wanted else ()
    return {row[0]: Named(resource_type=row[1], name=row[2]) for row in found}


def living_names(connection: Connection, tenant_id: UUID, ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return the display names of a tenant's employees who are there now: what another resource may show of them."""
    wanted = list(ids)
    found = connection.execute(_LIVING_NAMES, {"ids": wanted, "tenant": tenant_id}) if wanted else ()
    return {row[0]: row[1] for row in found}


def living_name(tenant_id: ColumnElement[UUID], id_: ColumnElement[UUID]) -> Select[tuple[str | None]]:
    """Return the query for the same of one employee."""
    named = tables.employee.alias("named")
    return select(named.c.display_name).where(
        named.c.id == id_, named.c.tenant_id == tenant_id, named.c.deleted_at.is_(None)
    )


def _apply(connection: Connection, role: Role, operation: Operation) -> Change:
    mine = tables.membership.c.role_id == role.id
    given = operation.value or []
    match operation.op:
        case Op.ADD:
            return Change(added=_add(connection, role, _ids(given)))
        case Op.REMOVE:
            return Change(removed=_remove(connection, and_(mine, *_chosen(operation))))
        case Op.REPLACE if operation.path.filter is not None:
            removed = _remove(connection, and_(mine, _condition(operation)))
            if not removed:
                raise NoTargetError(f"{operation.path.text} matches no member")
            return Change(removed=removed).then(Change(added=_add(connection, role, _ids(given))))
        case Op.REPLACE:
            return set_to(connection, role, given)


def _chosen(operation: Operation) -> Iterator[ColumnElement[bool]]:
    """Yield what a removal says of the members to remove: a filter, a list, both, or nothing."""
    if operation.path.filter is not None:
        yield _condition(operation)
    if operation.value is not None:
        yield tables.membership.c.member_id == any_(_array(_known(operation.value)))


def _condition(operation: Operation) -> ColumnElement[bool]:
    assert operation.path.filter is not None
    return filtering.element(operation.path.filter, operation.path.attribute)


def _add(connection: Connection, role: Role, ids: Sequence[UUID]) -> frozenset[UUID]:
    if not ids:
        return frozenset()
    types = _types(connection, role, ids)
    joining = {"ids": list(ids), "types": [types[member_id] for member_id in ids]}
    given = {"role": role.id, "tenant": role.tenant_id, "now": role.now}
    return frozenset(connection.scalars(_JOIN, joining | given))


def _remove(connection: Connection, condition: ColumnElement[bool]) -> frozenset[UUID]:
    gone = delete(tables.membership).where(condition).returning(tables.membership.c.member_id)
    return frozenset(connection.scalars(gone))


def _types(connection: Connection, role: Role, ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return the type of each member; their rows stay as they are until we commit."""
    if role.id in ids:
        raise InvalidValueError("members: a group cannot be a member of itself")
    types: dict[UUID, str] = {}
    for resource_type in (resource_types.USERS, resource_types.GROUPS):
        missing = [member_id for member_id in ids if member_id not in types]
        if missing:
            found = connection.scalars(_living(resource_type.name), {"ids": missing, "tenant": role.tenant_id})
            types.update(dict.fromkeys(found, resource_type.name))
    _require_all(ids, types)
    return types


@lru_cache
def _living(resource_type: str) -> Select[Any]:
    table = tables.OF[resource_type]
    mine = (table.c.tenant_id == bindparam("tenant"), table.c.id == any_(_IDS), table.c.deleted_at.is_(None))
    return select(table.c.id).where(*mine).order_by(table.c.id).with_for_update(read=True, key_share=True)


def _array(members: list[UUID]) -> BindParameter[Any]:
    """Return ids as one array parameter: a list of parameters would be a new statement for each length."""
    return literal(members, ARRAY(Uuid))


def _require_all(ids: Sequence[UUID], types: dict[UUID, str]) -> None:
    unknown = [str(member_id) for member_id in ids if member_id not in types]
    if unknown:
        raise _unknown(unknown)


def _ids(members: Iterable[dict[str, Any]]) -> list[UUID]:
    values = list(dict.fromkeys(member["value"] for member in members))
    malformed = [str(place) for place, value in enumerate(values, start=1) if identifiers.parse(value) is None]
    if malformed:
        raise InvalidValueError(
            f"members: no ids of this server, counted from 1 without repetitions: {_listed(malformed)}. "
            "Nobody was added, and nothing was changed"
        )
    return [UUID(value) for value in values]


def _known(members: Iterable[dict[str, Any]]) -> list[UUID]:
    return [found for found in (identifiers.parse(member["value"]) for member in members) if found is not None]


def _unknown(ids: Sequence[str]) -> InvalidValueError:
    return InvalidValueError(
        f"members: no such User or Group: {_listed(ids)}. Nothing was changed; "
        "provision the members first, then send this again."
    )


def _listed(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - NAMED_IDS} more" if len(ids) > NAMED_IDS else ""
    return ", ".join(ids[:NAMED_IDS]) + more
