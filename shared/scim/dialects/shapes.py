"""Tells the shape of a PATCH message without its values, so that logs can say what was wrong with a refused one.

Entra ID once sent messages that no RFC allows (python-scim/scim2-server#13), and nobody who had not kept them could say
what was wrong with them. Names of attributes are shown, and which type each value has; never a value.
"""

import re
from itertools import islice
from typing import Any

from shared.scim import resource_types
from shared.scim.filters import Operator

OPERATIONS_SHOWN = 10
KEYS_SHOWN = 20
ELEMENTS_SHOWN = 3
DEEPEST = 4
HIDDEN = "?"

_NAME = re.compile(r"[A-Za-z$.][A-Za-z0-9_.:$-]{0,127}")
_FILTER_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s()\[\]"]+|[\s()\[\]]+|"')
_KEYWORDS = frozenset({*Operator, "pr", "and", "or", "not", "true", "false", "null"})
_KNOWN = frozenset(
    attribute.name.lower()
    for kind in resource_types.ALL
    for _, parent in kind.walk()
    for attribute in (parent, *parent.sub_attributes)
)
_TYPES = ((bool, "boolean"), (str, "string"), (int | float, "number"))


def of(message: Any) -> Any:
    """Return the shape of a message, as JSON of a bounded size."""
    if not isinstance(message, dict):
        return _of_value(message, 0)
    operations = next((value for key, value in message.items() if key.lower() == "operations"), None)
    if not isinstance(operations, list):
        return _of_value(message, 0)
    return [_of_operation(operation) for operation in operations[:OPERATIONS_SHOWN]]


def _of_operation(operation: Any) -> Any:
    if not isinstance(operation, dict):
        return _of_value(operation, 0)
    return {_name(key): _of_member(key.lower(), value) for key, value in islice(operation.items(), KEYS_SHOWN)}


def _of_member(key: str, value: Any) -> Any:
    if key == "op" and isinstance(value, str):
        return _name(value)
    if key == "path" and isinstance(value, str):
        return _of_path(value)
    return _of_value(value, 0)


def _of_path(text: str) -> str:
    """Return a path with the literals of its filter hidden, and whatever else is neither known nor a keyword."""
    name, bracket, rest = text.partition("[")
    if not bracket:
        return _name(text)
    selection, closing, behind = rest.rpartition("]")
    if not closing:
        selection, behind = rest, ""
    shown = "".join(_of_token(token) for token in _FILTER_TOKEN.findall(selection[:512]))
    return f"{_name(name)}[{shown}{closing}{_name(behind) if behind else ''}"


def _of_token(token: str) -> str:
    if token.strip(" ()[]\t") == "" or token.lower() in _KEYWORDS | _KNOWN:
        return token
    return f'"{HIDDEN}"' if token.startswith('"') else HIDDEN


def _name(text: str) -> str:
    return text if _NAME.fullmatch(text) else HIDDEN


def _of_value(value: Any, depth: int) -> Any:
    if isinstance(value, dict):
        members = islice(value.items(), KEYS_SHOWN)
        return {_name(key): _of_value(inner, depth + 1) for key, inner in members} if depth < DEEPEST else "object"
    if isinstance(value, list):
        return [_of_value(inner, depth + 1) for inner in value[:ELEMENTS_SHOWN]] if depth < DEEPEST else "array"
    return next((name for kind, name in _TYPES if isinstance(value, kind)), "null")
