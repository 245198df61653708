"""Takes the id of another resource out of its URI, where a client names the resource by `$ref` alone."""

import re
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from shared.scim import resource_types
from shared.scim.attributes import VALUE, Attribute
from shared.scim.dialects import tolerances
from shared.scim.dialects.tolerances import Used
from shared.scim.errors import InvalidValueError


def with_value(attribute: Attribute, element: dict[str, Any], where: str, used: Used | None = None) -> dict[str, Any]:
    """Return an object with the `value` that its `$ref` leads to, if it has that and no `value` of its own.

    Raises InvalidValueError for a URI of something else: what it means would be dropped without a word.
    """
    if attribute.reference is None or VALUE in element:
        return element
    given = {key.lower(): value for key, value in element.items()}
    uri = given.get(attribute.reference.name)
    return element if VALUE in given or not uri else {**element, VALUE: identified(attribute, uri, where, used)}


def identified(attribute: Attribute, uri: Any, where: str, used: Used | None = None) -> str:
    """Return the id at the end of a URI, relative ones included (RFC 7643 section 8.1); raises InvalidValueError."""
    found = _uri(attribute).fullmatch(uri) if isinstance(uri, str) else None
    if found is None:
        # A bulkId is a reference where it is a whole string (RFC 7644 section 3.7.2), and not at the end of a URI.
        raise InvalidValueError(f"{where} has a '$ref' that is no resource's of this server: send its id as 'value'")
    tolerances.note(used, tolerances.REFERENCE_ALONE)
    return unquote(found["id"])


@lru_cache
def _uri(attribute: Attribute) -> re.Pattern[str]:
    assert attribute.reference is not None
    kinds = [resource_types.BY_NAME[name] for name in attribute.reference.reference_types]
    endpoints = "|".join(kind.endpoint for kind in kinds)
    return re.compile(rf"(?:.*(?=/))?(?:{endpoints})/(?P<id>(?!(?i:bulkId:))[^/?#]+)")
