"""Takes values out of the wrappings that clients put around them, before they are checked against their type."""

import json
from typing import Any

from shared.scim.attributes import DISPLAY, VALUE, Attribute
from shared.scim.dialects import tolerances
from shared.scim.dialects.tolerances import Used

BOOLEANS = {"true": True, "false": False}
MAX_JSON_TEXT = 8_192
# Where Entra ID's role object has what RFC 7643 section 2.4 calls `display`.
ENTRA_DISPLAY = "displayName"


def unwrap(attribute: Attribute, value: Any, used: Used | None = None) -> Any:
    """Take a single value out of an array of one, and a simple one out of an object with a `value`.

    Elements of a multi-valued attribute pass through here one by one, so that an array is never one of them.
    """
    if isinstance(value, list) and len(value) == 1 and not attribute.multi_valued:
        tolerances.note(used, tolerances.WRAPPED_SINGLE)
        value = value[0]
    if isinstance(value, dict) and VALUE in value and not attribute.is_complex:
        tolerances.note(used, tolerances.VALUE_OBJECT)
        value = value[VALUE]
    return value


def boolean(value: Any, used: Used | None = None) -> Any:
    """Read the strings that some clients send for booleans; anything else is returned as it came."""
    if not isinstance(value, str) or value.lower() not in BOOLEANS:
        return value
    tolerances.note(used, tolerances.STRING_BOOLEAN)
    return BOOLEANS[value.lower()]


def as_object(attribute: Attribute, value: Any, used: Used | None = None) -> Any:
    """Make an object of a bare value, and one of an object whose `value` is JSON text."""
    if isinstance(value, str) and attribute.sub(VALUE):
        tolerances.note(used, tolerances.BARE_VALUE)
        value = {VALUE: value}
    if isinstance(value, dict) and attribute.multi_valued:
        return _from_json_text(value, used)
    return value


def text(value: Any, used: Used | None = None) -> Any:
    """Return the `value` of an object that is written as JSON text; anything else is returned as it came."""
    described = _described(value)
    if described is None:
        return value
    tolerances.note(used, tolerances.JSON_TEXT)
    return described[VALUE]


def _from_json_text(element: dict[str, Any], used: Used | None) -> dict[str, Any]:
    described = _described(element.get(VALUE))
    if described is None:
        return element
    tolerances.note(used, tolerances.JSON_TEXT)
    return {DISPLAY: described.get(ENTRA_DISPLAY), **element, VALUE: described[VALUE]}


def _described(value: Any) -> dict[str, Any] | None:
    """Read an object with a `value` from JSON text; None if the text is anything else."""
    if not isinstance(value, str) or not value.startswith("{") or len(value) > MAX_JSON_TEXT:
        return None
    try:
        described = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return described if isinstance(described, dict) and isinstance(described.get(VALUE), str) else None
