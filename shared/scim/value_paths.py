"""Reads the paths of PATCH operations (RFC 7644 section 3.5.2).

PATH      = attrPath / valuePath [subAttr]
valuePath = attrPath "[" valFilter "]"
subAttr   = "." ATTRNAME
"""

from dataclasses import replace

from shared.scim import filters, paths
from shared.scim.attributes import ResourceType
from shared.scim.errors import InvalidPathError
from shared.scim.paths import Path

MAX_LENGTH = 8_192


def parse(text: str, resource_type: ResourceType) -> Path:
    """Resolve a path; raises InvalidPathError, and InvalidFilterError for what stands in the brackets (table 9)."""
    if len(text) > MAX_LENGTH:
        raise InvalidPathError(f"A path must not be longer than {MAX_LENGTH} characters")
    name, bracket, rest = text.partition("[")
    path = paths.reference(name, resource_type)
    return _select(path, rest) if bracket else path


def _select(path: Path, rest: str) -> Path:
    """A sub-attribute has no bracket in its name, so the last one closes the filter."""
    if path.sub or not (path.attribute.multi_valued and path.attribute.is_complex):
        raise InvalidPathError(f"{path.text} has no elements to select by a filter")
    text, bracket, suffix = rest.rpartition("]")
    if not bracket:
        raise InvalidPathError(f"The filter after {path.text} is not closed by ']'")
    selection = replace(path, filter=filters.parse_element(text, path), selection=text)
    return _behind(selection, suffix.strip())


def _behind(path: Path, suffix: str) -> Path:
    if not suffix:
        return path
    if not suffix.startswith("."):
        raise InvalidPathError(f"Only a sub-attribute may stand behind {path.text}")
    return paths.sub_path(path, suffix[1:])
