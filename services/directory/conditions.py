"""Compile the parts of a filter that are the same wherever an attribute is kept: logic, elements, comparisons.

An absent value makes SQL's NULL, which counts as false; `not` turns it into false first, so that what is absent is
found by a negation. Every value is a parameter.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Text, Uuid, and_, cast, false, func, literal, not_, or_, true

from services.directory import columns, ids
from shared.scim.attributes import Attribute
from shared.scim.errors import InvalidFilterError
from shared.scim.filters import And, Comparison, ElementMatch, Filter, Not, Operator, Or, Present
from shared.scim.paths import Path

Condition = ColumnElement[bool]
Value = str | bool | int | Decimal | datetime | None
Leaf = Comparison | Present | ElementMatch


def compile(filter_: Filter, leaf: Callable[[Leaf], Condition]) -> Condition:  # noqa: A001
    """Return the condition of a filter, whose leaves are compiled by `leaf`."""
    match filter_:
        case And(terms):
            return and_(*(compile(term, leaf) for term in terms))
        case Or(terms):
            return or_(*(compile(term, leaf) for term in terms))
        case Not(term):
            return not_(func.coalesce(compile(term, leaf), false()))
        case Comparison() | Present() | ElementMatch():
            return leaf(filter_)


def any_element(
    leaf: Leaf, any_: Callable[[Condition], Condition], value: Callable[[Path], ColumnElement[Any]]
) -> Condition:
    """Hold when one element does; `ne` and `eq null` also hold when no element has a value at all."""
    match leaf:
        case ElementMatch(_, inner):
            return any_(compile(inner, lambda term: test(term, value(term.path))))
        case Comparison(path, Operator.EQ, None):
            return not_(any_(value(path).is_not(None)))
        case Comparison(path, Operator.NE, compared) if compared is not None:
            given = any_(and_(value(path).is_not(None), test(leaf, value(path))))
            return or_(given, not_(any_(value(path).is_not(None))))
        case _:
            return any_(test(leaf, value(leaf.path)))


def test(leaf: Leaf, column: ColumnElement[Any]) -> Condition:
    """Return the condition on one value, of the attribute's SQL type. Raises InvalidFilterError for a value path."""
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
    if isinstance(column.type, Uuid):
        return _compare_id(operator, str(value), column)
    if isinstance(value, str):
        given = literal(value, Text())
        exact = _COMPARE[operator](columns.compared(attribute, column), columns.compared(attribute, given))
        if operator is Operator.EQ and columns.is_cut(attribute):
            # The index has the beginning alone.
            return and_(columns.ordered(attribute, column) == columns.ordered(attribute, given), exact)
        return exact
    return _COMPARE[operator](column, value)


def _compare_id(operator: Operator, value: str, column: ColumnElement[Any]) -> Condition:
    if operator not in {Operator.EQ, Operator.NE}:
        return _COMPARE[operator](cast(column, Text), value)
    known = ids.parse(value)
    if known is None:
        return false() if operator is Operator.EQ else true()
    return _COMPARE[operator](column, known)


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
