"""Compile what queries ask of JSON: multi-valued attributes, and the bag of a tenant's extensions.

An equality is first asked of the GIN index, which holds the document in lower case, and then of the value itself.
"""

from typing import Any

from sqlalchemy import ColumnElement, DateTime, Text, and_, case, cast, exists, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import TypeEngine

from services.directory import columns, conditions, tables
from services.directory.conditions import Condition, Leaf
from shared.scim.attributes import Attribute, Schema, Type
from shared.scim.filters import And, Comparison, ElementMatch, Filter, Operator, Present
from shared.scim.paths import Path

# Types whose JSON text is a literal of their SQL type.
_CAST = frozenset({Type.BOOLEAN, Type.INTEGER, Type.DECIMAL})
_ZONE = "([Zz]|[+-][0-9]{2}:[0-9]{2})$"
_BEYOND_MICROSECONDS = "([.][0-9]{6})[0-9]+"


def in_document(leaf: Leaf, column: ColumnElement[Any]) -> Condition:
    """Return the condition on a column that is the array of an attribute's elements."""
    exact = _in_array(leaf, column)
    equal = _equalities(leaf.filter if isinstance(leaf, ElementMatch) else leaf)
    return and_(_holds(column, [equal]), exact) if equal else exact


def typed(value: ColumnElement[Any], path: Path) -> ColumnElement[Any]:
    """Return a JSON value at a path, or its sub-attribute, as an SQL value of the attribute's type."""
    return _typed(_text(value, path.sub), path.leaf)


def sql_type(attribute: Attribute) -> TypeEngine[Any]:
    """Return the SQL type of an attribute's values; an object is JSON."""
    if attribute.type is Type.DATE_TIME:
        return DateTime(timezone=True)
    return JSONB() if attribute.is_complex else columns.SQL_TYPES[attribute.type]()


def member(bag: ColumnElement[Any], path: Path) -> ColumnElement[Any]:
    """Return the JSON value of an attribute of an extension, in the column of the bag."""
    return _member(_member(bag, path.schema.id), path.attribute.name)


def in_bag(leaf: Leaf, bag: ColumnElement[Any]) -> Condition:
    """Return the condition on an attribute of an extension, in the column of the bag."""
    path = leaf.path
    value = member(bag, path)
    if path.attribute.multi_valued:
        exact = _in_array(leaf, value)
    elif path.attribute.is_complex and path.sub is None:
        exact = conditions.test(leaf, value)
    else:
        exact = conditions.test(leaf, typed(value, path))
    equal = _equal_in_bag(leaf)
    if equal is None:
        return exact
    return and_(_holds(bag, {path.schema.id: {path.attribute.name: equal}}), exact)


def has_any(extension: Schema, bag: ColumnElement[Any]) -> Condition:
    """Return the condition that a bag has an attribute of an extension, as the extension is declared now."""
    names = cast([attribute.name for attribute in extension.attributes], ARRAY(Text))
    return func.jsonb_exists_any(_member(bag, extension.id), names)


def _in_array(leaf: Leaf, array: ColumnElement[Any]) -> Condition:
    item = func.jsonb_array_elements(array).table_valued("value").alias("item")
    value = cast(item.c.value, JSONB)

    def any_item(condition: Condition) -> Condition:
        return exists(select(literal(1)).select_from(item).where(condition))

    if isinstance(leaf, Present) and leaf.path.sub is None:
        return array.is_not(None)
    return conditions.any_element(leaf, any_item, lambda path: typed(value, path))


def _member(document: ColumnElement[Any], name: str) -> ColumnElement[Any]:
    return document.op("->", return_type=JSONB())(name)


def _text(value: ColumnElement[Any], sub: Attribute | None) -> ColumnElement[Any]:
    """Return a JSON value, or one of its sub-attributes, as text."""
    if sub is None:
        return value.op("#>>", return_type=Text())(cast([], ARRAY(Text)))
    return value.op("->>", return_type=Text())(sub.name)


def _typed(text: ColumnElement[Any], attribute: Attribute) -> ColumnElement[Any]:
    """Return the text as a value of the attribute's type; what has no zone is UTC, as `shared.scim.values` reads it."""
    if attribute.type in _CAST:
        return cast(text, sql_type(attribute))
    if attribute.type is Type.DATE_TIME:
        zoned = case((text.op("~")(_ZONE), text), else_=func.concat(text, "Z"))
        moment = func.regexp_replace(zoned, _BEYOND_MICROSECONDS, r"\1")
        return case((text.is_not(None), cast(moment, sql_type(attribute))))
    return text


def _holds(document: ColumnElement[Any], part: Any) -> Condition:
    """Return a condition that the index answers: necessary, and sufficient only where case does not matter."""
    return tables.folded(document).contains(tables.folded(literal(part, JSONB)))


def _equal_in_bag(leaf: Leaf) -> Any:
    """Return what the value of an attribute must hold for the leaf to be true; None if nothing is known of it."""
    if isinstance(leaf, Comparison) and leaf.path.sub is None:
        equal: Any = _equal(leaf)
    else:
        equal = _equalities(leaf.filter if isinstance(leaf, ElementMatch) else leaf) or None
    return [equal] if equal is not None and leaf.path.attribute.multi_valued else equal


def _equalities(filter_: Filter) -> dict[str, Any]:
    """Return what an element must hold for the filter to pass: what the index can find."""
    match filter_:
        case And(terms):
            return {name: value for term in terms for name, value in _equalities(term).items()}
        case Comparison(path) if path.sub is not None and _equal(filter_) is not None:
            return {path.sub.name: _equal(filter_)}
        case _:
            return {}


def _equal(comparison: Comparison) -> str | bool | int | None:
    """Return the value that is asked for, where it has one spelling in JSON: decimals and times have several."""
    value = comparison.value
    return value if comparison.operator is Operator.EQ and isinstance(value, str | bool | int) else None
