"""Compile a filter into SQL, with every value as a parameter.

The twin of `shared.scim.matching`; one table of cases holds them together. Each attribute is found where it is kept: in
a column, in rows, or in JSON (`services.directory.json_filtering`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    FromClause,
    Select,
    Uuid,
    any_,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from services.directory import columns, conditions, json_filtering, tables
from services.directory.conditions import Condition, Leaf
from shared.scim import versions
from shared.scim.attributes import Attribute, ResourceType, Schema, Stored
from shared.scim.errors import InvalidFilterError
from shared.scim.filters import And, Comparison, ElementMatch, Filter, Not, Or, Present
from shared.scim.paths import Path
from shared.scim.schemas.common import META, SCHEMAS
from shared.scim.schemas.group import MEMBERS
from shared.scim.schemas.user import GROUPS

MAX_SEARCHES = 20


@dataclass(frozen=True)
class _Rows:
    """A multi-valued attribute that is kept as rows: where they are, whose they are, and their sub-attributes."""

    source: FromClause
    owner: ColumnElement[Any]
    sub_attributes: Mapping[str, ColumnElement[Any]]


_employee, _role, _membership = tables.employee.alias("m_employee"), tables.role.alias("m_role"), tables.membership
_ROWS: dict[Attribute, _Rows] = {
    MEMBERS: _Rows(
        source=_membership,
        owner=_membership.c.role_id,
        sub_attributes={
            "value": _membership.c.member_id,
            "type": _membership.c.member_type,
            "display": func.coalesce(
                select(_employee.c.display_name).where(_employee.c.id == _membership.c.member_id).scalar_subquery(),
                select(_role.c.display_name).where(_role.c.id == _membership.c.member_id).scalar_subquery(),
            ),
        },
    ),
    GROUPS: _Rows(
        source=_membership.join(_role, _role.c.id == _membership.c.role_id),
        owner=_membership.c.member_id,
        sub_attributes={
            "value": _membership.c.role_id,
            "display": _role.c.display_name,
            "type": literal("direct"),
        },
    ),
}


def compile(filter_: Filter, resource_type: ResourceType) -> Condition:  # noqa: A001
    """Return the condition on the table of a resource type. Raises InvalidFilterError for what is not kept."""
    if _searches(filter_) > MAX_SEARCHES:
        raise InvalidFilterError(f"A filter takes at most {MAX_SEARCHES} terms over multi-valued attributes")
    table = tables.OF[resource_type.name]
    return conditions.compile(filter_, lambda leaf: _resource_leaf(leaf, resource_type, table))


def element(filter_: Filter, attribute: Attribute) -> Condition:
    """Return the condition on one row of an attribute that is kept as rows."""
    rows = _ROWS[attribute]
    return conditions.compile(filter_, lambda leaf: conditions.test(leaf, _row_column(rows, leaf.path)))


def elements(attribute: Attribute, owners: Sequence[UUID], limit: int | None) -> Select[Any]:
    """Return the query for the rows of an attribute, by owner: `owner`, then its sub-attributes by their name.

    With a limit, at most one row more than it for each owner.
    """
    rows, subs = _ROWS[attribute], _by_name(attribute)
    statement = (
        select(rows.owner.label("owner"), *(expression.label(name) for name, expression in subs.items()))
        .select_from(rows.source)
        .where(rows.owner == any_(literal(list(owners), ARRAY(Uuid))))
        .order_by(rows.owner, rows.sub_attributes["value"])
    )
    return statement if limit is None else statement.limit((limit + 1) * len(owners))


def document(attribute: Attribute, owner: ColumnElement[Any]) -> Select[Any]:
    """Return the query for all elements of one owner as one JSON array, in their order; NULL if there are none.

    Elements are as SCIM has them, but for sub-attributes without a value, which are null.
    """
    rows = _ROWS[attribute]
    named = [part for name, each in _by_name(attribute).items() for part in (literal_column(f"'{name}'"), each)]
    element_ = func.json_build_object(*named)
    ordered = aggregate_order_by(element_, rows.sub_attributes["value"])
    return select(func.json_agg(ordered)).select_from(rows.source).where(rows.owner == owner)


def _by_name(attribute: Attribute) -> dict[str, ColumnElement[Any]]:
    """Return the expressions for the sub-attributes that are kept, in the registry's order."""
    known = _ROWS[attribute].sub_attributes
    return {sub.name: known[sub.name] for sub in attribute.sub_attributes if sub.name in known}


def _searches(filter_: Filter) -> int:
    """Count the terms that become a search of their own in SQL, which the planner pays for more than once."""
    match filter_:
        case And(terms) | Or(terms):
            return sum(map(_searches, terms))
        case Not(term):
            return _searches(term)
        case Comparison(path) | Present(path) | ElementMatch(path):
            return int(path.attribute.multi_valued and path.attribute.stored is not Stored.COMPUTED)


def _resource_leaf(leaf: Leaf, resource_type: ResourceType, table: FromClause) -> Condition:
    if leaf.path.is_absent:
        return _absent(leaf)
    match leaf.path.attribute.stored:
        case Stored.ROWS:
            return _in_rows(leaf, _ROWS[leaf.path.attribute], table)
        case Stored.DOCUMENT:
            column = columns.find(resource_type, leaf.path.attribute, None)
            assert column is not None
            return json_filtering.in_document(leaf, table.c[column.name])
        case Stored.BAG:
            return json_filtering.in_bag(leaf, table.c[columns.BAG])
        case Stored.COLUMNS | Stored.COMPUTED:
            return _in_columns(leaf, resource_type, table)


def _absent(leaf: Leaf) -> Condition:
    """What the type does not have has no value, of whatever SQL type it is compared as."""
    if isinstance(leaf, ElementMatch):
        return false()
    return conditions.test(leaf, cast(null(), json_filtering.sql_type(leaf.path.leaf)))


def _in_columns(leaf: Leaf, resource_type: ResourceType, table: FromClause) -> Condition:
    attribute = leaf.path.attribute
    if attribute is SCHEMAS:
        return _on_schemas(leaf, resource_type, table)
    if attribute.is_complex and leaf.path.sub is None:
        return or_(*(table.c[c.name].is_not(None) for c in columns.of(resource_type) if c.attribute is attribute))
    return conditions.test(_of_resource(leaf), _column(leaf.path, resource_type, table))


def _of_resource(leaf: Leaf) -> Leaf:
    """Return a comparison of `meta.version` with the version of the resource alone, as it is kept."""
    match leaf:
        case Comparison(path, operator, str(tag)) if path.leaf is META.sub("version"):
            return Comparison(path, operator, versions.of_resource(tag))
        case _:
            return leaf


def _column(path: Path, resource_type: ResourceType, table: FromClause) -> ColumnElement[Any]:
    column = columns.find(resource_type, path.attribute, path.sub)
    if column is not None:
        return table.c[column.name]
    if path.attribute is META and path.leaf is META.sub("resourceType"):
        return literal(resource_type.name)
    if path.attribute is META and path.leaf is META.sub("version"):
        return func.concat('W/"', table.c.version, '"')
    raise InvalidFilterError(f"{path.text} is computed and cannot be filtered on")


def _on_schemas(leaf: Leaf, resource_type: ResourceType, table: FromClause) -> Condition:
    """Compare with the URN of the core schema, and with an extension's where one of its attributes is present."""
    in_use: list[ColumnElement[Any]] = [
        literal(resource_type.schema.id),
        *(case((_has_any(extension, resource_type, table), extension.id)) for extension in resource_type.extensions),
    ]
    return or_(*(conditions.test(leaf, urn) for urn in in_use))


def _has_any(extension: Schema, resource_type: ResourceType, table: FromClause) -> Condition:
    if extension.is_custom:
        return json_filtering.has_any(extension, table.c[columns.BAG])
    return or_(*(table.c[c.name].is_not(None) for c in columns.of(resource_type) if c.schema is extension))


def _in_rows(leaf: Leaf, rows: _Rows, table: FromClause) -> Condition:
    def any_row(condition: Condition) -> Condition:
        return exists(select(literal(1)).select_from(rows.source).where(rows.owner == table.c.id, condition))

    if isinstance(leaf, Present) and leaf.path.sub is None:
        return any_row(true())
    return conditions.any_element(leaf, any_row, lambda path: _row_column(rows, path))


def _row_column(rows: _Rows, path: Path) -> ColumnElement[Any]:
    column = rows.sub_attributes.get(path.leaf.name)
    if column is None:
        raise InvalidFilterError(f"{path.text} is computed and cannot be filtered on")
    return column
