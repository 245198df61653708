"""Works on the elements of a multi-valued attribute: selects, adds, changes and removes them (RFC 7643 section 2.4)."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeAlias

from shared.scim.attributes import DISPLAY, PRIMARY, TYPE, VALUE, Attribute, Mutability
from shared.scim.errors import MutabilityError, NoTargetError
from shared.scim.filters import And, Comparison, Filter, Operator
from shared.scim.matching import element_test, folded
from shared.scim.paths import Path

Element: TypeAlias = dict[str, Any]
# What says how an element is seen, and not which one it is; an element of nothing but labels says nothing at all.
NOT_IDENTITY = frozenset({DISPLAY, PRIMARY})
LABELS = frozenset({TYPE, PRIMARY, DISPLAY})


def select(filter_: Filter | None, elements: Sequence[Element]) -> list[int]:
    """Return the places of the elements that pass, or of all without a filter."""
    if filter_ is None:
        return list(range(len(elements)))
    passes = element_test(filter_)
    return [place for place, element in enumerate(elements) if passes(element)]


def described(path: Path, changes: Element) -> Element:
    """Return the element that the filter of a path describes, with the changes made to it.

    Raises NoTargetError unless the filter is a conjunction of `eq` that such an element passes.
    """
    if path.filter is None:
        return changes
    description = equalities(path.filter)
    if description is None or not element_test(path.filter)(description):
        raise NoTargetError(f"{path.text} selects nothing")
    return {**description, **changes}


def equalities(filter_: Filter) -> Element | None:
    """Return the sub-attributes that a plain conjunction of `eq` names; None if the filter is anything else."""
    terms = filter_.terms if isinstance(filter_, And) else (filter_,)
    description: Element = {}
    for term in terms:
        if not isinstance(term, Comparison) or term.operator is not Operator.EQ:
            return None
        if term.value is not None:
            description[term.path.leaf.name] = term.value
    return description


def added(attribute: Attribute, elements: Sequence[Any], new: Sequence[Any], where: str) -> list[Any]:
    """Append what is not there; an element of the same value and type as a present one is merged into it."""
    result = list(elements)
    places = {_identity(attribute, element): place for place, element in enumerate(elements)}
    touched: set[int] = set()
    for element in new:
        place = places.setdefault(_identity(attribute, element), len(result))
        if place == len(result):
            result.append(element)
        elif isinstance(element, dict):
            result[place] = changed(attribute, result[place], {**result[place], **element}, where)
        touched.add(place)
    return with_one_primary(result, touched)


def replaced(attribute: Attribute, elements: Sequence[Any], new: Sequence[Any], where: str) -> list[Any]:
    """Return what takes the place of all elements; one of the same value and type as a present one is that one.

    So it keeps what it cannot lose. Raises MutabilityError if an immutable sub-attribute of it would differ.
    """
    if not any(map(_is_lasting, attribute.sub_attributes)):
        return list(new)
    present = {_identity(attribute, element): element for element in elements}
    return [
        element if before is None else changed(attribute, before, lasting(attribute, before) | element, where)
        for element in new
        for before in [present.get(_identity(attribute, element))]
    ]


def lasting(attribute: Attribute, element: Element) -> Element:
    """Return what an element does not lose by being replaced: the same as an object does not (RFC 7643 section 7)."""
    return {sub.name: element[sub.name] for sub in attribute.sub_attributes if _is_lasting(sub) and sub.name in element}


def _is_lasting(sub: Attribute) -> bool:
    return sub.mutability is not Mutability.READ_WRITE


def removed(attribute: Attribute, elements: Sequence[Any], chosen: Collection[int], listed: Any) -> list[Any]:
    """Leave out the chosen elements; if some are listed, only those among the chosen."""
    is_listed = _listing(attribute, listed if isinstance(listed, list) else [listed])
    return [
        element
        for place, element in enumerate(elements)
        if place not in chosen or not (listed is None or is_listed(element))
    ]


def changed(attribute: Attribute, element: Element, after: Element, where: str) -> Element:
    """Return the element after a change; raises MutabilityError if an immutable sub-attribute would differ."""
    for sub in attribute.sub_attributes:
        if sub.mutability is Mutability.IMMUTABLE and sub.name in element:
            refuse_change(sub, element[sub.name], after.get(sub.name), f"{where}.{sub.name}")
    return after


def refuse_change(attribute: Attribute, before: Any, after: Any, where: str) -> None:
    """Raise MutabilityError if an immutable attribute that has a value would get another, or none."""
    if attribute.mutability is Mutability.IMMUTABLE and before is not None and before != after:
        raise MutabilityError(f"{where} is immutable, and has a value")


def contains(attribute: Attribute, present: Any, listed: Any) -> bool:
    """Whether a value is the listed one; of objects, whether all that the listed one says of its identity is so."""
    return _listing(attribute, [listed])(present)


def without_empty(elements: Sequence[Element]) -> list[Element]:
    """Leave out what a removal has emptied: an element that has a type, but no value, means nothing."""
    return [element for element in elements if element.keys() - LABELS]


def with_one_primary(elements: Sequence[Any], touched: Collection[int]) -> list[Any]:
    """Let the touched element that is primary be the only one (RFC 7644 section 3.5.2).

    If several of the touched are, which is an error, they stay for `shared.scim.validation` to refuse.
    """
    if not any(_is_primary(elements[place]) for place in touched):
        return list(elements)
    return [
        {**element, PRIMARY: False} if _is_primary(element) and place not in touched else element
        for place, element in enumerate(elements)
    ]


def _is_primary(element: Any) -> bool:
    return isinstance(element, dict) and element.get(PRIMARY) is True


def _listing(attribute: Attribute, listed: Sequence[Any]) -> Callable[[Any], bool]:
    """Return a test for being listed, which takes the same time however long the list is."""
    names = {_identifying(one) for one in listed}
    keys = {(given, _key(attribute, one, given)) for one in listed for given in [_identifying(one)]}
    return lambda element: any((given, _key(attribute, element, given)) in keys for given in names)


def _identifying(listed: Any) -> tuple[str, ...]:
    """The sub-attributes by which a listed object is found; a simple value has none."""
    names = listed.keys() if isinstance(listed, dict) else set()
    return tuple(sorted((names - NOT_IDENTITY) or names))


def _identity(attribute: Attribute, element: Any) -> Any:
    """What tells elements apart: the value with its type, or all of an element that has no value."""
    if not isinstance(element, dict):
        return _key(attribute, element, ())
    names = (VALUE, TYPE) if VALUE in element else tuple(sorted(element))
    return names, _key(attribute, element, names)


def _key(attribute: Attribute, element: Any, names: tuple[str, ...]) -> Any:
    """The named parts of an element, as they are compared."""
    if not isinstance(element, dict):
        return folded(attribute, element)
    return tuple(folded(attribute.sub(name) or attribute, element.get(name)) for name in names)
