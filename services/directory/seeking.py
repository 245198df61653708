"""Find the employees and roles that a text means: an id, a name, a userName, an e-mail address, an externalId.

Also those that were deleted, and those that had another name before. Every look goes by an index, whatever the size of
the directory; a test reads PostgreSQL's plans.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Text,
    Uuid,
    any_,
    cast,
    func,
    literal,
    or_,
    select,
    text,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.directory import columns, rows, tables
from services.directory.columns import Column
from shared.scim import resource_types
from shared.scim.attributes import VALUE, ResourceType
from shared.scim.resource_types import USERS
from shared.scim.schemas.common import EXTERNAL_ID
from shared.scim.schemas.enterprise import MANAGER
from shared.scim.schemas.user import ACTIVE, NAME

MOST = 20
"""Resources that one text means, at most."""

_LAST = "\U0010ffff"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An employee or a role, as far as it takes to tell which one it is."""

    resource_type: str
    id: UUID
    name: str
    """The userName, or a role's name."""
    display_name: str | None
    external_id: str | None
    is_active: bool
    created_at: datetime
    changed_at: datetime
    deleted_at: datetime | None
    manager: str | None
    """The id of the manager, which may be nobody's."""
    known_as: Sequence[str]
    """In lower case: all that it may be called by in a request."""

    @property
    def label(self) -> str:
        """What people call it."""
        is_plain = self.display_name in {None, self.name}
        return self.name if is_plain else f"{self.display_name} ({self.name})"


def find(connection: Connection, tenant_id: UUID, wanted: str) -> list[Subject]:
    """Return what a text means, the living and the newest first; what only begins so, if nothing is called so."""
    exact = _ids(connection, tenant_id, wanted, _exact)
    renamed = _renamed(connection, tenant_id, wanted)
    found = exact | renamed or _ids(connection, tenant_id, wanted, _beginning)
    return by_ids(connection, tenant_id, found)


def by_ids(connection: Connection, tenant_id: UUID, found: Iterable[tuple[str, UUID]]) -> list[Subject]:
    """Return resources by type and id, the living and the newest first; those of others are left out."""
    wanted = list(found)
    subjects = []
    for resource_type in resource_types.ALL:
        table = tables.OF[resource_type.name]
        own = literal([each for name, each in wanted if name == resource_type.name], ARRAY(Uuid))
        statement = select(table).where(table.c.id == any_(own), table.c.tenant_id == tenant_id)
        subjects += [_subject(resource_type, row) for row in connection.execute(statement).mappings()]
    return sorted(subjects, key=lambda each: (each.deleted_at is not None, -each.changed_at.timestamp()))


def is_user(connection: Connection, tenant_id: UUID, wanted: str) -> bool:
    """Whether a text is the id of a living employee of the tenant."""
    found, table = _uuid(wanted), tables.employee
    mine = (table.c.id == found, table.c.tenant_id == tenant_id, table.c.deleted_at.is_(None))
    return found is not None and connection.scalar(select(table.c.id).where(*mine)) is not None


def sayings(wanted: str) -> list[tuple[str, Any]]:
    """Return how a resource says that it is called so: attributes and their values, all in lower case."""
    found: list[tuple[str, Any]] = []
    for resource_type in resource_types.ALL:
        for column in _sought(resource_type):
            value: Any = wanted.lower()
            if column.is_document:
                value = [{VALUE: value}]
            elif column.sub is not None:
                value = {column.sub.name.lower(): value}
            found.append((column.attribute.name.lower(), value))
    return [each for number, each in enumerate(found) if each not in found[:number]]


def _ids(connection: Connection, tenant_id: UUID, wanted: str, conditions: Any) -> set[tuple[str, UUID]]:
    """Return the types and ids of what fulfils one of the conditions; each is a look of its own, by its own index."""
    looks = []
    for resource_type in resource_types.ALL:
        table = tables.OF[resource_type.name]
        ids = select(literal(resource_type.name), table.c.id).where(table.c.tenant_id == tenant_id)
        looks += [ids.where(condition).limit(MOST) for condition in conditions(resource_type, wanted)]
    return {(row[0], row[1]) for row in connection.execute(union_all(*(each.subquery().select() for each in looks)))}


def _exact(resource_type: ResourceType, wanted: str) -> Iterator[ColumnElement[bool]]:
    table = tables.OF[resource_type.name]
    given = _uuid(wanted)
    if given is not None:
        yield table.c.id == given
    for column in _sought(resource_type):
        if column.is_document:
            pattern = cast([{VALUE: wanted.lower()}], JSONB)
            yield table.c[column.name].is_not(None) & tables.folded(table.c[column.name]).op("@>")(pattern)
        else:
            yield from _alive_or_not(
                table, _key(table, column) == columns.ordered(column.leaf, literal(wanted, Text()))
            )
    yield from _whole_name(resource_type, wanted)


def _beginning(resource_type: ResourceType, wanted: str) -> Iterator[ColumnElement[bool]]:
    table = tables.OF[resource_type.name]
    for column in _sought(resource_type):
        if not column.is_document:
            low, high = (columns.ordered(column.leaf, literal(text, Text())) for text in (wanted, wanted + _LAST))
            key = _key(table, column)
            yield from _alive_or_not(table, (key >= low) & (key < high))


def _whole_name(resource_type: ResourceType, wanted: str) -> Iterator[ColumnElement[bool]]:
    """Yield what 'Ada Lovelace' means where no name is shown: the family name, behind the given one."""
    given, _, family = wanted.strip().rpartition(" ")
    if resource_type is not USERS or not given:
        return
    table, parts = tables.OF[resource_type.name], {c.leaf.name: c for c in columns.of(USERS) if c.attribute is NAME}
    last, first = parts["familyName"], parts["givenName"]
    is_family = _key(table, last) == columns.ordered(last.leaf, literal(family, Text()))
    is_given = func.lower(table.c[first.name]) == given.strip().lower()
    yield from _alive_or_not(table, is_family & is_given)


def _alive_or_not(table: Any, condition: ColumnElement[bool]) -> Iterator[ColumnElement[bool]]:
    """Yield a condition twice: the living have one index, and the deleted another."""
    yield condition & table.c.deleted_at.is_(None)
    yield condition & table.c.deleted_at.is_not(None)


def _key(table: Any, column: Column) -> ColumnElement[Any]:
    return columns.ordered(column.leaf, table.c[column.name])


def _sought(resource_type: ResourceType) -> list[Column]:
    return [column for column in columns.of(resource_type) if columns.is_sought(column)]


def _renamed(connection: Connection, tenant_id: UUID, wanted: str) -> set[tuple[str, UUID]]:
    """Return what was called so before."""
    table = tables.history
    said = cast(func.lower(cast(table.c.changes, Text)), JSONB)
    former = ({"attribute": name, "from": value} for name, value in sayings(wanted))
    patterns = (cast([each], JSONB) for each in former)
    # One condition for each: an index over documents does not answer for several at once.
    is_former = or_(*(said.op("@>")(pattern) for pattern in patterns))
    every = select(table.c.resource_type, table.c.resource_id)
    former_ones = every.where(table.c.tenant_id == tenant_id, text(tables.RENAMED), is_former).cte("former")
    # Found first, and told apart then: else all of the history is read in the order of its resources.
    found = former_ones.prefix_with("MATERIALIZED")
    statement = select(found.c.resource_type, found.c.resource_id).distinct().limit(MOST)
    return {(row.resource_type, row.resource_id) for row in connection.execute(statement)}


def _subject(resource_type: ResourceType, row: Any) -> Subject:
    resource = rows.to_resource(resource_type, row)
    [unique] = [column for column in columns.of(resource_type) if column.is_unique]
    name = row[unique.name]
    display = row["display_name"]
    external_id = row[EXTERNAL_ID.column]
    addresses = [
        one.get(VALUE)
        for column in _sought(resource_type)
        if column.is_document
        for one in resource.get(column.attribute.name, ())
    ]
    called = [str(row["id"]), name, external_id, *addresses]
    return Subject(
        resource_type=resource_type.name,
        id=row["id"],
        name=name,
        display_name=display,
        external_id=external_id,
        is_active=resource.get(ACTIVE.name, True) is not False,
        created_at=row["meta_created"],
        changed_at=row["meta_last_modified"],
        deleted_at=row["deleted_at"],
        manager=_manager(resource_type, row),
        known_as=list(dict.fromkeys(each.lower() for each in called if each)),
    )


def _manager(resource_type: ResourceType, row: Any) -> str | None:
    found = columns.find(resource_type, MANAGER, MANAGER.sub(VALUE))
    return None if found is None else row[found.name]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
