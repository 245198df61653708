"""Decides which attributes of a resource an answer shows (RFC 7644 section 3.9, RFC 7643 section 7)."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, TypeAlias

from shared.scim import paths
from shared.scim.attributes import Attribute, ResourceType, Returned, Schema
from shared.scim.dialects import tolerances
from shared.scim.dialects.tolerances import Used
from shared.scim.errors import InvalidPathError, InvalidValueError
from shared.scim.resource_types import find_attribute

# An attribute, and perhaps only one of its sub-attributes.
Named: TypeAlias = tuple[Attribute, Attribute | None]
IsSecret: TypeAlias = Callable[[Attribute], bool]

# A filter in brackets may hold commas of its own.
_NAME = re.compile(r"(?:[^,\[]+|\[[^\]]*\]?)+")
_MARKS = frozenset("[]")
_VALUE_PATH = re.compile(r"[^\[\]]+\[.*\](\.[^\[\]]+)?", re.DOTALL)
MAX_NAMES = 1_000


@dataclass(frozen=True)
class Projection:
    """What a request names; `included` is None if it does not use `attributes`."""

    included: frozenset[Named] | None = None
    excluded: frozenset[Named] = frozenset()

    @cached_property
    def touched(self) -> frozenset[Attribute]:
        """What is included, whole or in part."""
        return frozenset(attribute for attribute, _ in self.included or ())


DEFAULT = Projection()
"""What is shown to whoever names nothing."""


def parse(
    attributes: str | None, excluded: str | None, resource_type: ResourceType, used: Used | None = None
) -> Projection:
    """Read the two parameters, of which only one may be used; an empty one is as good as none.

    Names that the type does not know are ignored: nothing is shown for them. Raises InvalidValueError.
    """
    if not attributes and not excluded:
        return DEFAULT
    if attributes and excluded:
        raise InvalidValueError("'attributes' and 'excludedAttributes' exclude each other")
    if attributes:
        names = _names("attributes", attributes)
        return Projection(included=_named(names, resource_type) | _selected(names, resource_type, used))
    return Projection(excluded=_named(_names("excludedAttributes", excluded or ""), resource_type))


def wants(projection: Projection, attribute: Attribute) -> bool:
    """Whether the attribute, or a part of it, is shown."""
    match attribute.returned:
        case Returned.ALWAYS:
            return True
        case Returned.NEVER:
            return False
        case Returned.DEFAULT | Returned.REQUEST if projection.included is not None:
            return attribute in projection.touched
        case Returned.DEFAULT:
            return (attribute, None) not in projection.excluded
        case Returned.REQUEST:
            return False


def apply(projection: Projection, resource: Mapping[str, Any], resource_type: ResourceType) -> dict[str, Any]:
    """Return the part of the resource that is shown."""
    shown: dict[str, Any] = {}
    for name, value in resource.items():
        schema = resource_type.find_schema(name)
        part = _extension(projection, schema, value) if schema else _core(projection, name, value, resource_type)
        if part is not None:
            shown[name] = part
    return shown


def of_others(shown: Mapping[str, Any], resource_type: ResourceType) -> list[Any]:
    """Return the part of what is shown that may have changed though the resource has the version that it had."""
    told = (
        _of_others(attribute, _container(shown, schema).get(attribute.name))
        for schema, attribute in _telling_of_others(resource_type)
    )
    return [part for part in told if part]


def telling(resource: Mapping[str, Any], resource_type: ResourceType) -> dict[str, Any]:
    """Return the attributes of a resource that may tell of others: the part that `of_others` looks at."""
    part: dict[str, Any] = {}
    for schema, attribute in _telling_of_others(resource_type):
        container = _container(resource, schema)
        if attribute.name in container:
            into = part.setdefault(schema.id, {}) if schema.is_extension else part
            into[attribute.name] = container[attribute.name]
    return part


def without_secrets(resource: Mapping[str, Any], resource_type: ResourceType) -> dict[str, Any]:
    """Return the resource without what is never returned: so it may be kept longer than its row."""
    return _without_all(resource, resource_type, _is_never_returned)


def without_sensitive(resource: Mapping[str, Any], resource_type: ResourceType) -> dict[str, Any]:
    """Return the resource without what no operator may see: neither what is never returned nor what is sensitive."""
    return _without_all(resource, resource_type, _is_hidden)


def _is_never_returned(attribute: Attribute) -> bool:
    return attribute.returned is Returned.NEVER


def _is_hidden(attribute: Attribute) -> bool:
    return attribute.is_sensitive or _is_never_returned(attribute)


def _without_all(resource: Mapping[str, Any], resource_type: ResourceType, is_secret: IsSecret) -> dict[str, Any]:
    result = dict(resource)
    for schema, attribute in _secrets(resource_type, is_secret):
        container = _container(result, schema)
        if attribute.name in container:
            part = {attribute.name: _without_secrets(attribute, container[attribute.name], is_secret)}
            opened = {name: value for name, value in {**container, **part}.items() if value is not None}
            result = {**result, schema.id: opened} if schema.is_extension else opened
    return result


def _container(resource: Mapping[str, Any], schema: Schema) -> Mapping[str, Any]:
    container: Mapping[str, Any] = resource.get(schema.id, {}) if schema.is_extension else resource
    return container


def _of_others(attribute: Attribute, value: Any) -> Any:
    """Return what is of others in a value; names keep their places, so that each belongs to its element."""
    if attribute.of_others or value is None:
        return value
    names = [sub.name for sub in attribute.sub_attributes if sub.of_others]
    if not names:
        return None
    elements = value if isinstance(value, list) else [value]
    told = [element.get(name) for element in elements for name in names]
    return told if any(told) else None


@lru_cache(maxsize=1024)
def _telling_of_others(resource_type: ResourceType) -> tuple[tuple[Schema, Attribute], ...]:
    """Return the attributes of which all or a part is of others; hardly any."""
    return tuple(
        (schema, attribute)
        for schema, attribute in resource_type.walk()
        if attribute.of_others or any(sub.of_others for sub in attribute.sub_attributes)
    )


@lru_cache(maxsize=1024)
def _secrets(resource_type: ResourceType, is_secret: IsSecret) -> tuple[tuple[Schema, Attribute], ...]:
    """Return the attributes that are secret, or have sub-attributes that are."""
    return tuple(
        (schema, attribute)
        for schema, attribute in resource_type.walk()
        if any(map(is_secret, (attribute, *attribute.sub_attributes)))
    )


def _without_secrets(attribute: Attribute, value: Any, is_secret: IsSecret) -> Any:
    if is_secret(attribute):
        return None
    hidden = {sub.name for sub in attribute.sub_attributes if is_secret(sub)}
    if isinstance(value, list):
        return [_without(element, hidden) for element in value]
    return _without(value, hidden)


def _named(names: Collection[str], resource_type: ResourceType) -> frozenset[Named]:
    return frozenset(named for name in names for named in _find(name, resource_type))


def _selected(names: Collection[str], resource_type: ResourceType, used: Used | None) -> frozenset[Named]:
    """Return what is named by a value path: to show too much is harmless, so nothing is excluded by one."""
    found = frozenset(named for name in names if "[" in name for named in _find(_without_brackets(name), resource_type))
    if found:
        tolerances.note(used, tolerances.SELECTED_ATTRIBUTE)
    return found


def _without_brackets(name: str) -> str:
    before, _, rest = name.partition("[")
    return before + rest.rpartition("]")[2]


def _names(parameter: str, text: str) -> Collection[str]:
    """Return the names in a list, each once.

    Raises InvalidValueError for more than anybody needs, and InvalidPathError for brackets that are no value path's.
    """
    names = dict.fromkeys(name.strip() for name in _NAME.findall(text))
    if len(names) > MAX_NAMES:
        raise InvalidValueError(f"'{parameter}' takes at most {MAX_NAMES} names")
    for name in names:
        if not _MARKS.isdisjoint(name) and not _VALUE_PATH.fullmatch(name):
            raise InvalidPathError(f"'{parameter}' has brackets that are not closed, or stand alone")
    return names


def _find(name: str, resource_type: ResourceType) -> Iterator[Named]:
    """Yield what one name stands for; a schema's URN stands for all attributes of the schema."""
    schema = resource_type.find_schema(name)
    if schema is not None:
        yield from ((attribute, None) for attribute in schema.attributes)
        return
    path = paths.find(name, resource_type)
    if path is not None:
        yield path.attribute, path.sub


def _core(projection: Projection, name: str, value: Any, resource_type: ResourceType) -> Any:
    attribute = find_attribute(resource_type.schema, name)
    return None if attribute is None else _part(projection, attribute, value)


def _extension(projection: Projection, schema: Schema, value: Mapping[str, Any]) -> dict[str, Any] | None:
    parts = (
        (name, _part(projection, attribute, part))
        for name, part in value.items()
        if (attribute := schema.attribute(name)) is not None
    )
    return {name: part for name, part in parts if part is not None} or None


def _part(projection: Projection, attribute: Attribute, value: Any) -> Any:
    if not wants(projection, attribute):
        return None
    if not attribute.is_complex:
        return value
    hidden = _hidden(projection, attribute)
    if not hidden:
        return value
    if isinstance(value, list):
        return [element for raw in value if (element := _without(raw, hidden))] or None
    return _without(value, hidden) or None


@lru_cache(maxsize=4096)
def _hidden(projection: Projection, attribute: Attribute) -> frozenset[str]:
    return frozenset(sub.name for sub in attribute.sub_attributes if not _wants_sub(projection, attribute, sub))


def _wants_sub(projection: Projection, attribute: Attribute, sub: Attribute) -> bool:
    match sub.returned:
        case Returned.ALWAYS:
            return True
        case Returned.NEVER:
            return False
        case Returned.DEFAULT | Returned.REQUEST if (attribute, sub) in (projection.included or ()):
            return True
        case Returned.DEFAULT:
            is_whole = projection.included is None or (attribute, None) in projection.included
            return (is_whole or _is_always(attribute)) and (attribute, sub) not in projection.excluded
        case Returned.REQUEST:
            return False


def _is_always(attribute: Attribute) -> bool:
    return attribute.returned is Returned.ALWAYS


def _without(element: Mapping[str, Any], hidden: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in element.items() if name not in hidden}
