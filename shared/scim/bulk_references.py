"""Finds `bulkId:x` in the operations of a bulk request, and puts ids in their place (RFC 7644 section 3.7.2).

A reference is a whole string, wherever it stands. In the path of a PATCH operation it is a string within the filter:
`members[value eq "bulkId:x"]`.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from shared.scim.attributes import ResourceType

_WHOLE = re.compile(r"bulkId:(?P<name>.*)", re.IGNORECASE | re.DOTALL)
_QUOTED = re.compile(r'(?<=")bulkId:(?P<name>[^"\\]*)(?=")', re.IGNORECASE)
_PATH = "path"


def names(value: Any) -> Iterator[str]:
    """Yield the bulkIds that a JSON value refers to."""
    match value:
        case str():
            found = _WHOLE.fullmatch(value)
            if found is not None:
                yield found["name"]
        case list():
            for element in value:
                yield from names(element)
        case dict():
            for key, inner in value.items():
                if _is_path(key, inner):
                    yield from (found["name"] for found in _QUOTED.finditer(inner))
                else:
                    yield from names(inner)


def resolve(value: Any, ids: Mapping[str, str]) -> Any:
    """Return the value with ids in place of its references, each of which must have one."""
    return _mapped(value, lambda found: ids[found["name"]])


def withhold(
    document: Mapping[str, Any], bulk_ids: Collection[str], resource_type: ResourceType
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part a document in two: one that refers to none of these bulkIds, and one that adds what does.

    An element of an array is withheld by itself, everything else with its attribute.
    """
    kept: dict[str, Any] = {}
    withheld: dict[str, Any] = {}
    for key, value in document.items():
        if not _refers(value, bulk_ids):
            kept[key] = value
        elif isinstance(value, list):
            kept[key] = [element for element in value if not _refers(element, bulk_ids)]
            withheld[key] = [element for element in value if _refers(element, bulk_ids)]
        elif isinstance(value, dict) and resource_type.find_schema(key) is not None:
            kept[key], withheld[key] = withhold(value, bulk_ids, resource_type)
        else:
            withheld[key] = value
    return kept, withheld


def _refers(value: Any, bulk_ids: Collection[str]) -> bool:
    return any(name in bulk_ids for name in names(value))


def _mapped(value: Any, id_of: Callable[[re.Match[str]], str]) -> Any:
    match value:
        case str():
            found = _WHOLE.fullmatch(value)
            return value if found is None else id_of(found)
        case list():
            return [_mapped(element, id_of) for element in value]
        case dict():
            return {
                key: _QUOTED.sub(id_of, inner) if _is_path(key, inner) else _mapped(inner, id_of)
                for key, inner in value.items()
            }
        case _:
            return value


def _is_path(key: str, value: Any) -> bool:
    return isinstance(value, str) and key.lower() == _PATH
