"""Holds a changed resource to what may not change (RFC 7643 section 7, RFC 7644 sections 3.5.1 and 3.5.2).

Only attributes that are kept with their resource are looked at. Elements of a multi-valued attribute may be removed,
and then added anew; while they are there, `shared.scim.elements` holds them to the same.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from shared.scim import elements
from shared.scim.attributes import Attribute, Mutability, ResourceType, Stored
from shared.scim.elements import refuse_change
from shared.scim.paths import Path

_NOT_KEPT_HERE = frozenset({Stored.ROWS, Stored.COMPUTED})
# What a PUT cannot clear by leaving it out: a client cannot, or cannot have read what it would have to send again.
_KEPT = frozenset({Mutability.IMMUTABLE, Mutability.WRITE_ONLY})
_KEPT_SUBS = _KEPT | {Mutability.READ_ONLY}


def keep(resource_type: ResourceType, before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the replacement with what it cannot have meant to clear, since it may not be cleared.

    That is an immutable attribute or sub-attribute; one that is writeOnly, unless its whole extension is left out; and
    likewise the sub-attributes of an object that it names, or an element, readOnly ones too.
    Raises MutabilityError for an element that has another value for what is immutable.
    """
    kept = dict(after)
    for path in _special(resource_type):
        if _is_left_out_with_all(path, after):
            continue
        present, given = _value(path, before), _value(path, kept)
        if path.sub is None and given is None and present is not None:
            kept = _put(path, kept, present)
        elif path.sub is not None and path.sub.name in (present or {}) and _is_meant_to_stay(path.sub, given):
            kept = _put(path, kept, {path.sub.name: present[path.sub.name], **(given or {})})
    for path in _of_elements(resource_type):
        present, given = _value(path, before), _value(path, kept)
        if present and given:
            kept = _put(path, kept, elements.replaced(path.attribute, present, given, path.text))
    return kept


def check(resource_type: ResourceType, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Raise MutabilityError if an immutable attribute that has a value would get another, or none."""
    for path in _special(resource_type):
        present, given = _value(path, before), _value(path, after)
        if path.sub is None:
            refuse_change(path.attribute, present, given, path.text)
        elif present is not None:
            refuse_change(path.sub, present.get(path.sub.name), (given or {}).get(path.sub.name), path.text)


def _is_left_out_with_all(path: Path, after: Mapping[str, Any]) -> bool:
    return path.attribute.mutability is Mutability.WRITE_ONLY and path.is_extension and path.schema.id not in after


def _is_meant_to_stay(sub: Attribute, given: Any) -> bool:
    """What is immutable outlasts even the object around it, for that could come back with another value."""
    return given is not None or sub.mutability is Mutability.IMMUTABLE


@lru_cache(maxsize=1024)
def _of_elements(resource_type: ResourceType) -> tuple[Path, ...]:
    """Return the multi-valued attributes whose elements have something to keep."""
    return tuple(
        Path(schema, attribute)
        for schema, attribute in resource_type.walk()
        if attribute.multi_valued and any(map(_is_kept, attribute.sub_attributes))
        if attribute.stored not in _NOT_KEPT_HERE
    )


@lru_cache(maxsize=1024)
def _special(resource_type: ResourceType) -> tuple[Path, ...]:
    """Return the paths that are looked at: few types have any."""
    return tuple(_find_special(resource_type))


def _find_special(resource_type: ResourceType) -> Iterator[Path]:
    for schema, attribute in resource_type.walk():
        if attribute.stored in _NOT_KEPT_HERE:
            continue
        if attribute.mutability in _KEPT:
            yield Path(schema, attribute)
        if not attribute.multi_valued:
            yield from (Path(schema, attribute, sub) for sub in attribute.sub_attributes if _is_kept(sub))


def _is_kept(sub: Attribute) -> bool:
    return sub.mutability in _KEPT_SUBS and sub.stored not in _NOT_KEPT_HERE


def _value(path: Path, resource: Mapping[str, Any]) -> Any:
    """Return the value of the attribute as a whole, of which a sub-attribute may be meant."""
    container = resource.get(path.schema.id, {}) if path.is_extension else resource
    return container.get(path.attribute.name)


def _put(path: Path, resource: dict[str, Any], value: Any) -> dict[str, Any]:
    if not path.is_extension:
        return {**resource, path.attribute.name: value}
    return {**resource, path.schema.id: {**resource.get(path.schema.id, {}), path.attribute.name: value}}
