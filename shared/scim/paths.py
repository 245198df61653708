"""Resolves the attribute names that clients write, once, against the registry (RFC 7644 section 3.10).

    attrPath = [URI ":"] ATTRNAME *1subAttr

Paths with a value filter, as PATCH has them, are read by `shared.scim.value_paths`.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from shared.scim.attributes import Attribute, ResourceType, Schema
from shared.scim.errors import InvalidPathError
from shared.scim.resource_types import find_attribute

if TYPE_CHECKING:  # Paths and filters are recursive as types, and only as types.
    from shared.scim.filters import Filter

SHOWN = 80


@dataclass(frozen=True)
class Path:
    """An attribute, or one of its sub-attributes, and which of several values is meant.

    The common attributes (RFC 7643 section 3.1) carry the core schema of their resource type.
    """

    schema: Schema
    attribute: Attribute
    sub: Attribute | None = None
    filter: "Filter | None" = None
    selection: str = field(default="", compare=False)
    """The text of the filter, for whoever writes the path down."""
    is_absent: bool = False
    """Whether only another resource type of the same query has it, so that it has no value here."""

    @property
    def leaf(self) -> Attribute:
        """The attribute that holds the value."""
        return self.sub or self.attribute

    @property
    def is_extension(self) -> bool:
        return self.schema.is_extension

    @property
    def text(self) -> str:
        """The path in its canonical spelling, for messages: a filter's values are not shown."""
        return self._spelled("...")

    @property
    def whole(self) -> str:
        """The attribute alone, in its canonical spelling, whatever part or value of it is meant."""
        return replace(self, sub=None, filter=None).text

    @property
    def source(self) -> str:
        """The path in its canonical spelling, filter and all: parsing it gives the path again."""
        return self._spelled(self.selection)

    def _spelled(self, selection: str) -> str:
        prefix = f"{self.schema.id}:" if self.is_extension else ""
        brackets = f"[{selection}]" if self.filter else ""
        suffix = f".{self.sub.name}" if self.sub else ""
        return f"{prefix}{self.attribute.name}{brackets}{suffix}"


def reference(text: str, resource_type: ResourceType) -> Path:
    """Resolve a path without brackets, as filters, `sortBy` and `attributes` have them.

    A name that is no core attribute, but one of a single extension, is found there without the URN: Entra ID sends a
    bare `manager`, and means the built-in one whatever the tenant declared. Raises InvalidPathError.
    """
    path, sub_name = _parts(text, resource_type)
    if path is None:
        raise InvalidPathError(f"{resource_type.name} has no attribute {shown(text)}")
    return path if sub_name is None else sub_path(path, sub_name)


def find(text: str, resource_type: ResourceType) -> Path | None:
    """Resolve a path as `reference` does, or return None: of what may be unknown there can be a great many."""
    path, sub_name = _parts(text, resource_type)
    if path is None or sub_name is None:
        return path
    sub = path.attribute.sub(sub_name)
    return None if sub is None else replace(path, sub=sub)


def reference_in_any(text: str, resource_type: ResourceType, others: Iterable[ResourceType]) -> Path:
    """Resolve a path for one type of a query over several: what only another type has, has no value in this one.

    RFC 7644 section 3.4.2.1. Raises InvalidPathError when no type has it.
    """
    try:
        return reference(text, resource_type)
    except InvalidPathError:
        for other in others:
            with suppress(InvalidPathError):
                return replace(reference(text, other), is_absent=True)
        raise


def sub_path(path: Path, name: str) -> Path:
    """Return the path of a sub-attribute; raises InvalidPathError."""
    sub = path.attribute.sub(name)
    if sub is None:
        raise InvalidPathError(f"{path.text} has no sub-attribute {shown(name)}")
    return replace(path, sub=sub)


def shown(text: str) -> str:
    """Quote a client's text for an error's detail, cut to a length that a log can bear."""
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")


def _parts(text: str, resource_type: ResourceType) -> tuple[Path | None, str | None]:
    """Return the path of the attribute that a text names, if there is one, and the name behind the dot."""
    schema, names = _split_urn(text.strip(), resource_type)
    name, dot, sub_name = names.partition(".")
    found = _find(name, schema, resource_type)
    return Path(*found) if found else None, sub_name if dot else None


def _split_urn(text: str, resource_type: ResourceType) -> tuple[Schema | None, str]:
    """Cut the longest known URN off; its "2.0" is why nothing may be split at the dots before."""
    for prefix, schema in _prefixes(resource_type) if ":" in text else ():
        if text[: len(prefix)].lower() == prefix:
            return schema, text[len(prefix) :]
    return None, text


@lru_cache(maxsize=1024)
def _prefixes(resource_type: ResourceType) -> tuple[tuple[str, Schema], ...]:
    """Return what may stand before an attribute's name, the longest first."""
    schemas = sorted(resource_type.schemas, key=lambda schema: len(schema.id), reverse=True)
    return tuple((f"{schema.id.lower()}:", schema) for schema in schemas)


def _find(name: str, schema: Schema | None, resource_type: ResourceType) -> tuple[Schema, Attribute] | None:
    if schema is not None and schema.is_extension:
        attribute = schema.attribute(name)
        return (schema, attribute) if attribute else None
    attribute = find_attribute(resource_type.schema, name)
    if attribute is not None:
        return resource_type.schema, attribute
    return None if schema else _of_extensions(resource_type).get(name.lower())


@lru_cache(maxsize=1024)
def _of_extensions(resource_type: ResourceType) -> dict[str, tuple[Schema, Attribute]]:
    """Return what is known without a URN, by its name in lower case."""
    found: dict[str, list[tuple[Schema, Attribute]]] = {}
    for schema in resource_type.extensions:
        for attribute in schema.attributes:
            found.setdefault(attribute.name.lower(), []).append((schema, attribute))
    meant = {name: [one for one in some if not one[0].is_custom] or some for name, some in found.items()}
    return {name: some[0] for name, some in meant.items() if len(some) == 1}
