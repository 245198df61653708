"""Tells whether a resource passes a filter: the twin, in memory, of the directory's SQL (RFC 7644 section 3.4.2.2).

Both follow tests/unit/scim/filter_cases.py. What is absent is not equal to anything, and `not` of a comparison with it
is true. A multi-valued attribute passes if any of its values does.
"""

import operator
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, TypeAlias, assert_never

from shared.scim import values
from shared.scim.attributes import Attribute, Type
from shared.scim.filters import And, Comparison, ElementMatch, Filter, Not, Operator, Or, Present
from shared.scim.paths import Path

Lookup: TypeAlias = Callable[[Path], list[Any]]

TESTS: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQ: operator.eq,
    Operator.NE: operator.ne,
    Operator.CO: operator.contains,
    Operator.SW: str.startswith,
    Operator.EW: str.endswith,
    Operator.GT: operator.gt,
    Operator.GE: operator.ge,
    Operator.LT: operator.lt,
    Operator.LE: operator.le,
}


def matches(filter_: Filter, resource: Mapping[str, Any]) -> bool:
    """Whether the resource passes."""
    return _holds(filter_, partial(found, resource=resource))


def element_matches(filter_: Filter, element: Mapping[str, Any]) -> bool:
    """Whether one element of a multi-valued attribute passes a filter over its sub-attributes."""
    return _holds(filter_, partial(_found_in_element, element))


def found(path: Path, resource: Mapping[str, Any]) -> list[Any]:
    """Return all values at a path of a resource; none, one or several."""
    container = resource.get(path.schema.id, {}) if path.is_extension else resource
    value = container.get(path.attribute.name)
    elements = value if isinstance(value, list) else [value]
    if path.sub:
        elements = [element.get(path.sub.name) for element in elements if element is not None]
    return [element for element in elements if element is not None]


def _found_in_element(element: Mapping[str, Any], path: Path) -> list[Any]:
    assert path.sub, "the paths in brackets name sub-attributes"
    value = element.get(path.sub.name)
    return [] if value is None else [value]


def _holds(filter_: Filter, lookup: Lookup) -> bool:
    match filter_:
        case And(terms):
            return all(_holds(term, lookup) for term in terms)
        case Or(terms):
            return any(_holds(term, lookup) for term in terms)
        case Not(term):
            return not _holds(term, lookup)
        case Present(path):
            return bool(lookup(path))
        case ElementMatch(path, inner):
            return any(element_matches(inner, element) for element in lookup(path))
        case Comparison():
            return _compares(filter_, lookup(filter_.path))
        case _:
            assert_never(filter_)


def _compares(comparison: Comparison, present: list[Any]) -> bool:
    if comparison.value is None:
        return bool(present) is (comparison.operator is Operator.NE)
    if not present:
        return comparison.operator is Operator.NE
    leaf, test = comparison.path.leaf, TESTS[comparison.operator]
    wanted = folded(leaf, comparison.value)
    return any(test(_comparable(leaf, value), wanted) for value in present)


def _comparable(attribute: Attribute, value: Any) -> Any:
    if attribute.type is Type.DATE_TIME:
        return _moment(value)
    if attribute.type is Type.DECIMAL:
        return Decimal(str(value))  # By its digits, as the client wrote it: 0.1 as a float is not 0.1.
    return folded(attribute, value)


def _moment(text: str) -> datetime:
    moment = values.date_time(text)
    assert moment, "resources hold valid dates"
    return moment


def folded(attribute: Attribute, value: Any) -> Any:
    """Return the value as it is compared: in lower case, unless the attribute is caseExact."""
    return fold(value) if isinstance(value, str) and not attribute.case_exact else value


def fold(text: str) -> str:
    """Return a text in lower case, letter by letter, as the directory's SQL has it: one letter stays one letter."""
    return text.lower() if text.isascii() else "".join(letter.lower()[0] for letter in text)
