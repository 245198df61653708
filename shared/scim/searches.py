"""Reads what a query asks for: the parameters of a GET, or the SearchRequest of a POST (RFC 7644 section 3.4)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.scim import keys, messages, paths
from shared.scim.attributes import VALUE, ResourceType, Returned, Stored
from shared.scim.errors import InvalidPathError, InvalidSyntaxError, InvalidValueError
from shared.scim.paths import Path

WHOLE = re.compile(r"[+-]?[0-9]+", re.ASCII)
MOST = 10**18
"""What is beyond it is as good as it: no list is so long."""

_NAMES = ("filter", "sortBy", "sortOrder", "startIndex", "count", "cursor", "attributes", "excludedAttributes")
_PARAMETERS = {name.lower(): name for name in _NAMES}
ORDERS = ("ascending", "descending")


@dataclass(frozen=True, kw_only=True)
class Search:
    """A query as the client wrote it; what it left out is None. An empty `cursor` asks for the first page."""

    filter: str | None = None
    sort_by: str | None = None
    is_descending: bool = False
    start_index: int | None = None
    count: int | None = None
    cursor: str | None = None
    attributes: str | None = None
    excluded: str | None = None

    def same(self) -> tuple[object, ...]:
        """Return all that must be the same from page to page (RFC 9865 section 2)."""
        return (self.filter, self.sort_by, self.is_descending, self.attributes, self.excluded)


def parameters(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the parameters of a GET that are known, whatever their case; raises InvalidValueError for one given twice.

    Unknown ones are ignored: RFC 7644 section 3.4.2.
    """
    found: dict[str, str] = {}
    for key, value in pairs:
        name = _PARAMETERS.get(key.lower())
        if name in found:
            raise InvalidValueError(f"{name} is given twice")
        if name is not None:
            found[name] = value
    return found


def of_parameters(parameters: Mapping[str, str]) -> Search:
    """Read the parameters of a GET. Raises InvalidValueError."""
    return Search(
        filter=parameters.get("filter"),
        sort_by=parameters.get("sortBy") or None,
        is_descending=_is_descending(parameters.get("sortOrder")),
        start_index=_whole("startIndex", parameters.get("startIndex") or None),
        count=_whole("count", parameters.get("count") or None),
        cursor=parameters.get("cursor"),
        attributes=parameters.get("attributes") or None,
        excluded=parameters.get("excludedAttributes") or None,
    )


def of_message(document: Any) -> Search:
    """Read a SearchRequest (RFC 7644 section 3.4.3). Raises InvalidSyntaxError and InvalidValueError.

    Its keys are known whatever their case: a filter that is not seen returns more than was asked.
    """
    given = keys.folded(document, "The body")
    schemas = given.get("schemas")
    if not isinstance(schemas, list) or messages.SEARCH_REQUEST.lower() not in [str(urn).lower() for urn in schemas]:
        raise InvalidSyntaxError(f"'schemas' must list {messages.SEARCH_REQUEST}")
    return Search(
        filter=_text("filter", given),
        sort_by=_text("sortBy", given) or None,
        is_descending=_is_descending(_text("sortOrder", given)),
        start_index=_whole("startIndex", given.get("startindex")),
        count=_whole("count", given.get("count")),
        cursor=_text("cursor", given),
        attributes=_names("attributes", given),
        excluded=_names("excludedAttributes", given),
    )


def sort_path(text: str, resource_type: ResourceType, others: Iterable[ResourceType] = ()) -> Path:
    """Resolve `sortBy`. Raises InvalidPathError for what is unknown, has no order, or is never shown.

    The order of what is never shown would tell it, by halves.
    """
    path = paths.reference_in_any(text, resource_type, others)
    if path.sub is None and path.attribute.is_complex:
        value = path.attribute.sub(VALUE)
        if value is None:
            raise InvalidPathError(f"{path.text} is complex: sortBy must name one of its sub-attributes")
        path = paths.sub_path(path, value.name)
    if Returned.NEVER in {path.attribute.returned, path.leaf.returned}:
        raise InvalidPathError(f"{path.text} may not be sorted by")
    if path.attribute.stored is Stored.ROWS or Stored.COMPUTED in {path.attribute.stored, path.leaf.stored}:
        raise InvalidPathError(f"{path.text} cannot be sorted by")
    return path


def _whole(name: str, value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(max(-MOST, min(value, MOST)))  # What is too large for an integer is one of these in JSON.
    if isinstance(value, str) and WHOLE.fullmatch(value):
        magnitude = value.lstrip("+-").lstrip("0") or "0"
        most = MOST if len(magnitude) > len(str(MOST)) - 1 else int(magnitude)
        return -most if value.startswith("-") else most
    raise InvalidValueError(f"{name} must be a whole number")


def _is_descending(text: str | None) -> bool:
    order = (text or ORDERS[0]).lower()
    if order not in ORDERS:
        raise InvalidValueError(f"sortOrder must be {' or '.join(ORDERS)}")
    return order == ORDERS[1]


def _text(name: str, given: Mapping[str, Any]) -> str | None:
    value = given.get(name.lower())
    if value is not None and not isinstance(value, str):
        raise InvalidValueError(f"{name} must be a string")
    return value


def _names(name: str, given: Mapping[str, Any]) -> str | None:
    """Return the names as a GET would list them; a client that sends them so is understood, too."""
    value = given.get(name.lower())
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ",".join(value) or None
    if value is None or isinstance(value, str):
        return value or None
    raise InvalidValueError(f"{name} must be an array of strings")
