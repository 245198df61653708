"""Tells which attributes a request says something of, by their canonical names, whatever it says of them."""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from shared.scim import paths
from shared.scim.attributes import Attribute, ResourceType
from shared.scim.patch import Operation
from shared.scim.paths import Path
from shared.scim.resource_types import ALL, find_attribute
from shared.scim.schemas.common import SCHEMAS

LONGEST_NAME = 80
MOST_UNKNOWN = 20


def in_resource(resource_type: ResourceType, resource: Mapping[str, Any]) -> frozenset[str]:
    """Return the attributes that a resource, parsed and checked, has values for."""
    return frozenset(_names(resource_type, resource))


def in_patch(operations: Iterable[Operation]) -> frozenset[str]:
    """Return the attributes that a PATCH, parsed, changes."""
    said = {(one.path.schema, one.path.attribute) for one in operations}
    return frozenset(Path(schema, attribute).whole for schema, attribute in said)


def usual(resource_type: ResourceType) -> frozenset[str]:
    """Return the attributes that are mapped by default, and those that the tenant declared: they should come."""
    walked = resource_type.walk()
    return frozenset(Path(schema, each).whole for schema, each in walked if _is_expected(each, is_own=schema.is_custom))


def are_references(names: frozenset[str]) -> bool:
    """Whether these attributes say nothing but who refers to whom."""
    return bool(names) and names <= _references()


def unknown(resource_type: ResourceType, document: Mapping[str, Any]) -> list[str]:
    """Return the keys of a resource, as it came, that this server ignores since no attribute has that name."""
    return list(_unknown(resource_type, document))[:MOST_UNKNOWN]


def _names(resource_type: ResourceType, resource: Mapping[str, Any]) -> Iterator[str]:
    for name, value in resource.items():
        schema = resource_type.find_schema(name)
        if schema is not None:
            yield from (f"{schema.id}:{inner}" for inner in value)
        elif name != SCHEMAS.name:
            yield name


def _unknown(resource_type: ResourceType, document: Mapping[str, Any]) -> Iterator[str]:
    for key, value in document.items():
        schema = resource_type.find_schema(key)
        if schema is not None and isinstance(value, dict):
            yield from (f"{schema.id}:{_shown(inner)}" for inner in value if schema.attribute(inner) is None)
        elif schema is None and not _is_known(key, resource_type):
            yield _shown(key)


def _is_known(key: str, resource_type: ResourceType) -> bool:
    """Whether a key names an attribute; what is too long for a name is none, and nobody's to read."""
    if len(key) > LONGEST_NAME or find_attribute(resource_type.schema, key) is not None:
        return True
    return paths.find(key.partition("[")[0], resource_type) is not None


def _shown(key: str) -> str:
    return "".join(c if c.isprintable() else " " for c in key.partition("[")[0][:LONGEST_NAME])


def _is_expected(attribute: Attribute, *, is_own: bool) -> bool:
    return attribute.is_usual or (is_own and attribute.is_writable)


@lru_cache
def _references() -> frozenset[str]:
    return frozenset(
        Path(schema, attribute).whole for each in ALL for schema, attribute in each.walk() if attribute.reference
    )
