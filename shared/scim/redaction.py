"""Tells what a journaled request is about, attribute by attribute, without the values that may be personal.

What says nothing about a person is shown all the same: booleans, canonical values, and ids of this server's kind. An
attribute that is never returned, or only written, stays hidden from everybody.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

from shared.scim import projection, value_paths
from shared.scim.attributes import Attribute, Mutability, ResourceType, Returned
from shared.scim.errors import SCIMError
from shared.scim.filters import And, Comparison, ElementMatch, Filter, Not, Or, Present
from shared.scim.paths import Path
from shared.scim.resource_types import find_attribute

Show: TypeAlias = Callable[[Attribute, Any], str]
SECRET = "a secret"  # noqa: S105 - what is written instead of one.
UNDECLARED = "is declared no longer"


@dataclass(frozen=True)
class Line:
    """One thing that a request says: what it does there (in a PATCH), where, and its value as far as it is shown."""

    op: str
    path: str
    value: str


def without_values(attribute: Attribute, value: Any) -> str:
    """Return a value's kind and size, or the value itself if it can be nobody's own."""
    if is_secret(attribute):
        return SECRET
    match value:
        case bool():
            return str(value).lower()
        case str() if _is_canonical(attribute, value) or _is_id(value):
            return value
        case str():
            return f"{attribute.type} of {len(value)} characters"
        case _:
            return attribute.type.value


def with_values(attribute: Attribute, value: Any) -> str:
    """Return a value as it is, unless it is a secret."""
    if is_secret(attribute):
        return SECRET
    return str(value).lower() if isinstance(value, bool) else str(value)


def lines(resource_type: ResourceType, method: str, request: Any, show: Show) -> Iterator[Line]:
    """Yield what a request in the journal says, of which a DELETE says nothing."""
    if method == "PATCH":
        for operation in request:
            yield from _operation(resource_type, operation, show)
    elif request is not None:
        yield from _resource(resource_type, request, show)


def without_secrets(resource_type: ResourceType, method: str, request: Any) -> Any:
    """Return a request in the journal without what is never returned."""
    if method != "PATCH":
        return None if request is None else projection.without_secrets(request, resource_type)
    return [one if _is_open(resource_type, one["path"]) else one | {"value": None} for one in request]


def _is_open(resource_type: ResourceType, text: str) -> bool:
    """Whether the value at a path may be returned; what is declared no longer may have been anything."""
    try:
        path = value_paths.parse(text, resource_type)
    except SCIMError:
        return False
    return Returned.NEVER not in {path.attribute.returned, path.leaf.returned}


def _operation(resource_type: ResourceType, operation: dict[str, Any], show: Show) -> Iterator[Line]:
    try:
        path = value_paths.parse(operation["path"], resource_type)
    except SCIMError:
        yield Line(operation["op"], operation["path"].partition("[")[0], UNDECLARED)
        return
    where, value = _spelled(path, show), operation["value"]
    if value is None:
        yield Line(operation["op"], where, "")
    else:
        yield from (Line(operation["op"], *found) for found in _values(where, path.leaf, value, show))


def _resource(resource_type: ResourceType, resource: dict[str, Any], show: Show) -> Iterator[Line]:
    for name, value in resource.items():
        schema = resource_type.find_schema(name)
        if schema is not None and schema.is_extension:
            for inner, inner_value in value.items():
                yield from _attribute(f"{schema.id}:{inner}", schema.attribute(inner), inner_value, show)
        else:
            yield from _attribute(name, find_attribute(resource_type.schema, name), value, show)


def _attribute(where: str, attribute: Attribute | None, value: Any, show: Show) -> Iterator[Line]:
    if attribute is None:
        yield Line("", where, UNDECLARED)
    else:
        yield from (Line("", *found) for found in _values(where, attribute, value, show))


def _values(where: str, attribute: Attribute, value: Any, show: Show) -> Iterator[tuple[str, str]]:
    match value:
        case []:
            yield where, "none"
        case _ if is_secret(attribute):
            yield where, SECRET
        case list():
            for number, element in enumerate(value, start=1):
                yield from _values(f"{where}[{number}]", attribute, element, show)
        case dict() if attribute.is_complex:
            for name, inner in value.items():
                sub = attribute.sub(name)
                if sub is not None:
                    yield from _values(f"{where}.{sub.name}", sub, inner, show)
        case _:
            yield where, show(attribute, value)


def _spelled(path: Path, show: Show) -> str:
    """Return a path in its canonical spelling, with the values in its brackets as far as they are shown."""
    if path.filter is None:
        return path.text
    head, _, tail = path.text.partition("[...]")
    return f"{head}[{_filter(path.filter, show)}]{tail}"


def _filter(filter_: Filter, show: Show) -> str:
    match filter_:
        case And(terms):
            return " and ".join(_filter(term, show) for term in terms)
        case Or(terms):
            return "(" + " or ".join(_filter(term, show) for term in terms) + ")"
        case Not(term):
            return f"not ({_filter(term, show)})"
        case ElementMatch(_, inner):
            return f"({_filter(inner, show)})"
        case Present(path):
            return f"{path.leaf.name} pr"
        case Comparison(path, operator, value):
            shown = "null" if value is None else show(path.leaf, value)
            return f"{path.leaf.name} {operator} {shown}"


def is_secret(attribute: Attribute) -> bool:
    """Whether nobody is ever shown the attribute's value."""
    is_for_nobody = attribute.returned is Returned.NEVER or attribute.mutability is Mutability.WRITE_ONLY
    return is_for_nobody or attribute.is_sensitive


def _is_canonical(attribute: Attribute, value: str) -> bool:
    return value.lower() in {known.lower() for known in attribute.canonical_values}


def _is_id(value: str) -> bool:
    try:
        return str(UUID(value)) == value.lower()
    except ValueError:
        return False
