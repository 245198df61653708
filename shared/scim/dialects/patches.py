"""Brings PATCH messages into the RFC's spelling: a matter of letters, for which no attribute need be known."""

from collections.abc import Iterable
from typing import Any

from shared.scim import keys
from shared.scim.dialects import tolerances
from shared.scim.dialects.tolerances import Used

MESSAGE_KEYS = ("schemas", "Operations")
OPERATION_KEYS = ("op", "path", "value")


def normalise(document: Any, used: Used | None = None) -> Any:
    """Return the message as RFC 7644 section 3.5.2 spells it; what has another shape is returned as it came.

    Raises InvalidSyntaxError for a key in two spellings.
    """
    if not isinstance(document, dict):
        return document
    keys.refuse_twice(document, "The body")
    message = _spelled(document, MESSAGE_KEYS, used)
    operations = message.get("Operations")
    if isinstance(operations, list):
        message["Operations"] = [_operation(one, number, used) for number, one in enumerate(operations, start=1)]
    return message


def _operation(document: Any, number: int, used: Used | None) -> Any:
    if not isinstance(document, dict):
        return document
    keys.refuse_twice(document, f"Operation {number}")
    operation = _spelled(document, OPERATION_KEYS, used)
    op = operation.get("op")
    if isinstance(op, str) and op != op.lower():
        tolerances.note(used, tolerances.OPERATION_CASE)
        operation["op"] = op.lower()
    if "path" in operation and operation["path"] in (None, ""):
        tolerances.note(used, tolerances.EMPTY_PATH)
        del operation["path"]
    return operation


def _spelled(document: dict[str, Any], names: Iterable[str], used: Used | None) -> dict[str, Any]:
    spellings = {name.lower(): name for name in names}
    spelled = {spellings.get(key.lower(), key): value for key, value in document.items()}
    if spelled.keys() != document.keys():
        tolerances.note(used, tolerances.KEY_CASE)
    return spelled
