"""Tells whether a resource passes a filter: the twin, in memory, of the directory's SQL (RFC 7644 section 3.4.2.2).

Both follow tests/unit/scim/filter_cases.py. What is absent is not equal to anything, and `not` of a comparison with it
is true. A multi-valued attribute passes if any of its values does.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, TypeAlias, assert_never

from shared.scim import values
from shared.scim.attributes import Attribute, Type
from shared.scim.filters import And, Comparison, ElementMatch, Filter, Not, Operator, Or, Present
from shared.scim.paths import Path

Lookup: TypeAlias = Callable[[Path], list[Any]]
_Place: TypeAlias = tuple[Attribute, Attribute | None]
_Test: TypeAlias = Callable[["_Values"], bool]

CAPITAL_SIGMA, SMALL_SIGMA, DOTTED_I = "\u03a3", "\u03c3", "\u0130"

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
    return test(filter_)(resource)


def test(filter_: Filter) -> Callable[[Mapping[str, Any]], bool]:
    """Return a test of whether a resource passes, made once for many resources."""
    passes = _compiled(filter_)
    return lambda resource: passes(_Values(partial(found, resource=resource)))


def element_test(filter_: Filter) -> Callable[[Mapping[str, Any]], bool]:
    """Return a test of whether an element of a multi-valued attribute passes a filter over its sub-attributes.

    It is made once for many elements: what is compared is folded once, and so is each value of an element.
    """
    test = _compiled(filter_)
    return lambda element: test(_Values(partial(_found_in_element, element)))


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


class _Values:
    """The values of one resource, or of one element; as they are compared they are made when first needed."""

    def __init__(self, lookup: Lookup) -> None:
        self.raw = lookup
        self._known: dict[_Place, list[Any]] = {}

    def comparable(self, place: _Place, path: Path) -> list[Any]:
        """Return the values at a path as they are compared; the place is what is known of the path."""
        known = self._known.get(place)
        if known is None:
            known = self._known[place] = [_comparable(path.leaf, value) for value in self.raw(path)]
        return known


def _compiled(filter_: Filter) -> _Test:
    match filter_:
        case And(terms):
            return partial(_all, [_compiled(term) for term in terms])
        case Or(terms):
            return partial(_any, [_compiled(term) for term in terms])
        case Not(term):
            return partial(_not, _compiled(term))
        case Present() | ElementMatch() | Comparison():
            return _leaf(filter_)
        case _:
            assert_never(filter_)


# Plain loops: there may be very many terms, and a generator for each would take most of the time.
def _all(tests: Sequence[_Test], present: _Values) -> bool:
    for test in tests:  # noqa: SIM110 - see above.
        if not test(present):
            return False
    return True


def _any(tests: Sequence[_Test], present: _Values) -> bool:
    for test in tests:  # noqa: SIM110 - see above.
        if test(present):
            return True
    return False


def _not(test: _Test, present: _Values) -> bool:
    return not test(present)


def _leaf(filter_: Present | ElementMatch | Comparison) -> _Test:
    match filter_:
        case Present(path):
            return lambda present: bool(present.raw(path))
        case ElementMatch(path, inner):
            passes = element_test(inner)
            return lambda present: any(passes(element) for element in present.raw(path))
        case Comparison(path, operator_, None):
            return lambda present: bool(present.raw(path)) is (operator_ is Operator.NE)
        case Comparison():
            return _comparison(filter_)
        case _:
            assert_never(filter_)


def _comparison(comparison: Comparison) -> _Test:
    path, test = comparison.path, TESTS[comparison.operator]
    wanted, absent = folded(path.leaf, comparison.value), comparison.operator is Operator.NE
    place = path.attribute, path.sub

    def compares(present: _Values) -> bool:
        given = present.comparable(place, path)
        if len(given) == 1:
            return test(given[0], wanted)
        return any(test(value, wanted) for value in given) if given else absent

    return compares


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
    """Return a text in lower case, letter by letter, as the directory's SQL has it: one letter stays one letter.

    Python's `lower` treats just two otherwise: a sigma that ends a word, and the dotted I, which becomes two letters.
    """
    return text.replace(CAPITAL_SIGMA, SMALL_SIGMA).replace(DOTTED_I, "i").lower()
