"""Fill a directory by SQL: so many people, and groups with so many members, within minutes for a million.

This is the benches' fast path and no way to import people: nothing passes the journal, so there are no operations and
no history. What is there can be read and changed like everything else: each resource has its lane. The values of the
columns come from `rows.from_resource`, as a worker makes them, with a number in the place of `{n}`; a column that the
registry gains is filled without a change here. Indexes are built after the rows.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, Integer, Text, Uuid, cast, column, func, insert, literal, select, text
from sqlalchemy.types import TypeEngine

from bench.bodies import person, role
from services.directory import database, rows, tables
from shared.scim import resource_types
from shared.scim.attributes import ResourceType

STEP = 100_000
"""Rows of one statement."""

PLACE = "{n}"
INDEXED = ("employee", "membership", "lane")
MANY = 20_000
"""From so many people on, building the indexes afterwards pays."""


def user_id(block: int, number: int) -> UUID:
    """Return the id of a person: an old one, that sorts by number; a block of them is for one tenant."""
    return UUID(int=(0x018F_0000 << 96) | (block << 80) | (0x7000_8000 << 48) | number)


def group_id(block: int, size: int) -> UUID:
    """Return the id of the group with so many members."""
    return UUID(int=(0x018E_0000 << 96) | (block << 80) | (0x7000_8000 << 48) | size)


def user_name(number: int) -> str:
    """Return what a person is called, here and in all that is compared with."""
    return f"seeded{number}@bench.example"


def fill(engine: Engine, tenant_id: UUID, block: int, users: int, groups: Sequence[int]) -> None:
    """Fill a tenant; each group has the first people as its members."""
    with database.transaction(engine) as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL maintenance_work_mem = '512MB'"))
        dropped = _drop_indexes(connection) if users >= MANY else []
        for first in range(1, users + 1, STEP):
            last = min(first + STEP - 1, users)
            connection.execute(_people(tenant_id, block, first, last))
            connection.execute(_lanes(tenant_id, block, first, last))
        for size in groups:
            _group(connection, tenant_id, block, size)
        for definition in dropped:
            connection.execute(text(definition))
    with database.autocommit(engine) as connection:
        connection.execute(text("SET statement_timeout = 0"))
        for table in ("employee", "role", "membership", "lane"):
            connection.execute(text(f"VACUUM (ANALYZE, FREEZE) {table}"))
        connection.execute(text("CHECKPOINT"))
        connection.execute(text("RESET statement_timeout"))


def seeded_person() -> dict[str, Any]:
    """Return a person with the place of the number instead of it."""
    return {**person(PLACE), "externalId": f"seeded-{PLACE}", "userName": f"seeded{PLACE}@bench.example"}


def _people(tenant_id: UUID, block: int, first: int, last: int) -> Any:
    number = func.generate_series(first, last, type_=Integer).table_valued(column("n", Integer)).render_derived()
    values = _row(resource_types.USERS, seeded_person())
    fixed = _fixed(tenant_id, _user_id(block, number.c.n))
    filled = {name: _filled(value, tables.employee.c[name].type, number.c.n) for name, value in values.items()}
    return _insert(tables.employee, fixed | filled, number)


def _lanes(tenant_id: UUID, block: int, first: int, last: int) -> Any:
    number = func.generate_series(first, last, type_=Integer).table_valued(column("n", Integer)).render_derived()
    shard = number.c.n % 8
    chosen = {
        "id": _user_id(block, number.c.n),
        "tenant_id": literal(tenant_id, Uuid),
        "shard": shard,
        "seq": literal(1),
    }
    return _insert(tables.lane, chosen, number)


def _group(connection: Connection, tenant_id: UUID, block: int, size: int) -> None:
    own = group_id(block, size)
    now = func.date_trunc("milliseconds", func.now())
    values = {**rows.from_resource(resource_types.GROUPS, role(f"Group {size}"))}
    always = {"id": own, "tenant_id": tenant_id, "version": 1, "meta_created": now, "meta_last_modified": now}
    connection.execute(insert(tables.role).values(always | values))
    connection.execute(insert(tables.lane).values(id=own, tenant_id=tenant_id, shard=size % 8, seq=1))
    for first in range(1, size + 1, STEP):
        number = func.generate_series(first, min(first + STEP - 1, size), type_=Integer)
        series = number.table_valued(column("n", Integer)).render_derived()
        chosen = {
            "role_id": literal(own, Uuid),
            "member_id": _user_id(block, series.c.n),
            "member_type": literal("User"),
            "tenant_id": literal(tenant_id, Uuid),
            "since": now,
        }
        connection.execute(_insert(tables.membership, chosen, series))


def _row(resource_type: ResourceType, resource: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in rows.from_resource(resource_type, resource).items() if value is not None}


def _fixed(tenant_id: UUID, id_: Any) -> dict[str, Any]:
    now = func.date_trunc("milliseconds", func.now())
    mine = {"id": id_, "tenant_id": literal(tenant_id, Uuid), "version": literal(1)}
    return mine | {"meta_created": now, "meta_last_modified": now}


def _filled(value: Any, kind: TypeEngine[Any], number: Any) -> Any:
    """Return a value with the number in its place; a document is filled as text."""
    if isinstance(value, bool | int):
        return literal(value)
    if isinstance(value, str):
        return func.replace(literal(value), PLACE, cast(number, Text))
    return cast(func.replace(cast(literal(value, kind), Text), PLACE, cast(number, Text)), kind)


def _user_id(block: int, number: Any) -> Any:
    start = str(user_id(block, 0))[:-12]
    return cast(literal(start).concat(func.lpad(func.to_hex(number), 12, "0")), Uuid)


def _insert(table: Any, values: dict[str, Any], source: Any) -> Any:
    chosen = select(*(value.label(name) for name, value in values.items())).select_from(source)
    return insert(table).from_select(list(values), chosen)


def _drop_indexes(connection: Connection) -> list[str]:
    """Drop what is no constraint, and return how to make it again."""
    found = connection.execute(
        text("""
            SELECT i.indexname, i.indexdef FROM pg_indexes i
            WHERE i.tablename = ANY(:tables)
              AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conname = i.indexname)
        """),
        {"tables": list(INDEXED)},
    ).all()
    for name, _ in found:
        connection.execute(text(f'DROP INDEX "{name}"'))
    return [definition for _, definition in found]
