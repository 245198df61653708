"""Compile a filter into SQL, with every value as a parameter.

The twin of `shared.scim.matching`; one table of cases holds them together. An absent value makes SQL's NULL, which
counts as false; `not` turns it into false first, so that what is absent is found by a negation.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    FromClause,
    Select,
    Text,
    Uuid,
    and_,
    any_,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.directory import columns, tables
from shared.scim.attributes import Attribute, ResourceType, Stored, Type
from shared.scim.errors import InvalidFilterError
from shared.scim.filters import And, Comparison, ElementMatch, Filter, Not, Operator, Or, Present
from shared.scim.paths import Path
from shared.scim.schemas.common import META, SCHEMAS
from shared.scim.schemas.group import MEMBERS
from shared.scim.schemas.user import GROUPS

Condition = ColumnElement[bool]
MAX_SEARCHES = 20
Value = str | bool | int | Decimal | datetime | None


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
                select(func.coalesce(_employee.c.display_name, _employee.c.user_name))
                .where(_employee.c.id == _membership.c.member_id)
                .scalar_subquery(),
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
    return _compile(filter_, lambda leaf: _resource_leaf(leaf, resource_type, table))


def element(filter_: Filter, attribute: Attribute) -> Condition:
    """Return the condition on one row of an attribute that is kept as rows."""
    rows = _ROWS[attribute]
    return _compile(filter_, lambda leaf: _test(leaf, _row_column(rows, leaf.path)))


def elements(attribute: Attribute, owners: Sequence[UUID], limit: int | None) -> Select[Any]:
    """Return the query for the rows of an attribute, by owner: `owner`, then its sub-attributes by their column.

    With a limit, at most one row more than it for each owner.
    """
    rows = _ROWS[attribute]
    subs = {
        sub.column: rows.sub_attributes[sub.name] for sub in attribute.sub_attributes if sub.name in rows.sub_attributes
    }
    statement = (
        select(rows.owner.label("owner"), *(expression.label(name) for name, expression in subs.items()))
        .select_from(rows.source)
        .where(rows.owner == any_(literal(list(owners), ARRAY(Uuid))))
        .order_by(rows.owner, rows.sub_attributes["value"])
    )
    return statement if limit is None else statement.limit((limit + 1) * len(owners))


Leaf = Comparison | Present | ElementMatch


def _searches(filter_: Filter) -> int:
    """Count the terms that become a search of their own in SQL, which the planner pays for more than once."""
    match filter_:
        case And(terms) | Or(terms):
            return sum(map(_searches, terms))
        case Not(term):
            return _searches(term)
        case Comparison(path) | Present(path) | ElementMatch(path):
            return int(path.attribute.stored in {Stored.ROWS, Stored.DOCUMENT})


def _compile(filter_: Filter, leaf: Callable[[Leaf], Condition]) -> Condition:
    match filter_:
        case And(terms):
            return and_(*(_compile(term, leaf) for term in terms))
        case Or(terms):
            return or_(*(_compile(term, leaf) for term in terms))
        case Not(term):
            return not_(func.coalesce(_compile(term, leaf), false()))
        case Comparison() | Present() | ElementMatch():
            return leaf(filter_)


def _resource_leaf(leaf: Leaf, resource_type: ResourceType, table: FromClause) -> Condition:
    attribute = leaf.path.attribute
    if leaf.path.is_absent:
        return false() if isinstance(leaf, ElementMatch) else _test(leaf, cast(null(), Text))
    if attribute.stored is Stored.ROWS:
        return _in_rows(leaf, _ROWS[attribute], table)
    if attribute.stored is Stored.DOCUMENT:
        column = columns.find(resource_type, attribute, None)
        assert column is not None
        return _in_document(leaf, table.c[column.name])
    if attribute is SCHEMAS:
        return _on_schemas(leaf, resource_type, table)
    if attribute.is_complex and leaf.path.sub is None:
        return or_(*(table.c[c.name].is_not(None) for c in columns.of(resource_type) if c.attribute is attribute))
    return _test(leaf, _column(leaf.path, resource_type, table))


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
    in_use: list[ColumnElement[Any]] = [literal(resource_type.schema.id)]
    for extension in resource_type.extensions:
        present = or_(*(table.c[c.name].is_not(None) for c in columns.of(resource_type) if c.schema is extension))
        in_use.append(case((present, extension.id)))
    return or_(*(_test(leaf, urn) for urn in in_use))


def _in_rows(leaf: Leaf, rows: _Rows, table: FromClause) -> Condition:
    def any_row(condition: Condition) -> Condition:
        return exists(select(literal(1)).select_from(rows.source).where(rows.owner == table.c.id, condition))

    if isinstance(leaf, Present) and leaf.path.sub is None:
        return any_row(true())
    return _any_element(leaf, any_row, lambda path: _row_column(rows, path))


def _row_column(rows: _Rows, path: Path) -> ColumnElement[Any]:
    column = rows.sub_attributes.get(path.leaf.name)
    if column is None:
        raise InvalidFilterError(f"{path.text} is computed and cannot be filtered on")
    return column


def _in_document(leaf: Leaf, column: ColumnElement[Any]) -> Condition:
    item = func.jsonb_array_elements(column).table_valued("value").alias("item")
    value = cast(item.c.value, JSONB)

    def any_item(condition: Condition) -> Condition:
        return exists(select(literal(1)).select_from(item).where(condition))

    if isinstance(leaf, Present) and leaf.path.sub is None:
        return column.is_not(None)
    exact = _any_element(leaf, any_item, lambda path: _document_value(value, path))
    equal = _equalities(leaf.filter if isinstance(leaf, ElementMatch) else leaf)
    if not equal:
        return exact
    return and_(tables.folded(column).contains(tables.folded(literal([equal], JSONB))), exact)


def _equalities(filter_: Filter) -> dict[str, str]:
    """Return what an element must hold for the filter to pass: what the index can find."""
    match filter_:
        case And(terms):
            return {name: value for term in terms for name, value in _equalities(term).items()}
        case Comparison(path, Operator.EQ, str() as value) if path.sub is not None and path.leaf.type is Type.STRING:
            return {path.sub.name: value}
        case _:
            return {}


def _any_element(
    leaf: Leaf, any_: Callable[[Condition], Condition], value: Callable[[Path], ColumnElement[Any]]
) -> Condition:
    """Hold when one element does; `ne` and `eq null` also hold when no element has a value at all."""
    match leaf:
        case ElementMatch(_, inner):
            return any_(_compile(inner, lambda term: _test(term, value(term.path))))
        case Comparison(path, Operator.EQ, None):
            return not_(any_(value(path).is_not(None)))
        case Comparison(path, Operator.NE, compared) if compared is not None:
            given = any_(and_(value(path).is_not(None), _test(leaf, value(path))))
            return or_(given, not_(any_(value(path).is_not(None))))
        case _:
            return any_(_test(leaf, value(leaf.path)))


def _document_value(item: ColumnElement[Any], path: Path) -> ColumnElement[Any]:
    if path.sub is None:
        return func.jsonb_build_array(item).op("->>")(0)
    text = item.op("->>")(path.sub.name)
    return cast(text, columns.SQL_TYPES[path.leaf.type]) if path.leaf.type is not Type.STRING else text


def _test(leaf: Leaf, column: ColumnElement[Any]) -> Condition:
    match leaf:
        case Present():
            return column.is_not(None)
        case Comparison(path, operator, value):
            return _compare(path.leaf, operator, value, column)
        case ElementMatch():
            raise InvalidFilterError(f"{leaf.path.text}: a value path cannot stand inside another")


def _compare(attribute: Attribute, operator: Operator, value: Value, column: ColumnElement[Any]) -> Condition:
    if value is None:
        return column.is_(None) if operator is Operator.EQ else column.is_not(None)
    if isinstance(column.type, type(tables.employee.c.id.type)):
        return _compare_id(operator, str(value), column)
    if isinstance(value, str):
        column, value = _comparable(attribute, operator, column, value)
    return _COMPARE[operator](column, value)


def _comparable(attribute: Attribute, operator: Operator, column: ColumnElement[Any], value: str) -> tuple[Any, Any]:
    """Fold both sides by one function where case does not matter; order them by code point, whatever the locale."""
    given: ColumnElement[str] = literal(value)
    if not attribute.case_exact:
        column, given = func.lower(column), func.lower(given)
    if operator in _ORDERING:
        column = column.collate("C")
    return column, given


def _compare_id(operator: Operator, value: str, column: ColumnElement[Any]) -> Condition:
    if operator not in {Operator.EQ, Operator.NE}:
        return _COMPARE[operator](cast(column, Text), value)
    try:
        return _COMPARE[operator](column, UUID(value))
    except ValueError:
        return false() if operator is Operator.EQ else true()


_ORDERING = frozenset({Operator.GT, Operator.GE, Operator.LT, Operator.LE})
_COMPARE: dict[Operator, Callable[[ColumnElement[Any], Any], Condition]] = {
    Operator.EQ: lambda column, value: column == value,
    Operator.NE: lambda column, value: column.is_distinct_from(value),
    Operator.CO: lambda column, value: func.strpos(column, value) > 0,
    Operator.SW: func.starts_with,
    Operator.EW: lambda column, value: func.right(column, func.length(value)) == value,
    Operator.GT: lambda column, value: column > value,
    Operator.GE: lambda column, value: column >= value,
    Operator.LT: lambda column, value: column < value,
    Operator.LE: lambda column, value: column <= value,
}
assert set(_COMPARE) == set(Operator)
