"""Turns JSON values into the canonical values of an attribute (RFC 7643 sections 2.3 to 2.5).

Unassigned is one state: null, an empty array and, as Entra ID clears with it, an empty string give None.
"""

import base64
import binascii
import math
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from shared.scim import keys
from shared.scim.attributes import Attribute, Stored, Type
from shared.scim.dialects import references, tolerances, wrappings
from shared.scim.dialects.tolerances import Used
from shared.scim.errors import InvalidValueError
from shared.scim.plaintext import Plaintext

MAX_STRING = 8_192
MAX_BINARY = 131_072
MAX_INTEGER = 2**63
MAX_ELEMENTS = 500
# xsd:dateTime, which RFC 7643 section 2.3.5 asks for, with its zones of at most 14 hours; Python's parser knows more.
DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-](0\d|1[0-3]):[0-5]\d|[+-]14:00)?", re.ASCII)


def coerce(attribute: Attribute, value: Any, where: str, used: Used | None = None) -> Any:
    """Return the canonical value, or None if it is unassigned; `where` names the attribute in errors.

    Raises InvalidValueError, also for an object that lacks a required sub-attribute.
    """
    if attribute.multi_valued:
        return _elements(attribute, value, where, used)
    return _element(attribute, value, where, used)


def parts(attribute: Attribute, value: Any, where: str, used: Used | None = None) -> dict[str, Any]:
    """Return the sub-attributes that an object, perhaps only a part of one, assigns; raises InvalidValueError."""
    return {
        sub.name: coerced
        for sub, raw in sub_values(attribute, value, where, used)
        if (coerced := coerce(sub, raw, f"{where}.{sub.name}", used)) is not None and sub.stored is not Stored.COMPUTED
    }


def sub_values(
    attribute: Attribute, value: Any, where: str, used: Used | None = None
) -> Iterator[tuple[Attribute, Any]]:
    """Yield the writable sub-attributes that an object names, with their raw values; others are ignored."""
    for key, raw in _object(attribute, value, where, used).items():
        sub = attribute.sub(key)
        if sub is None:
            tolerances.note(used, tolerances.UNKNOWN_ATTRIBUTE)
        elif sub.is_writable:
            yield sub, raw


def require(attribute: Attribute, element: dict[str, Any], where: str) -> None:
    """Raise InvalidValueError if the object lacks a required sub-attribute."""
    for sub in attribute.sub_attributes:
        if sub.required and sub.name not in element:
            raise InvalidValueError(f"{where}.{sub.name} is required")


def date_time(text: str) -> datetime | None:
    """Read an xsd:dateTime, as UTC if it names no zone; None if it is none."""
    if not DATE_TIME.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def is_text(text: str) -> bool:
    """Whether every database can keep it: NUL and lone surrogates are legal in JSON, and in no text column."""
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _elements(attribute: Attribute, value: Any, where: str, used: Used | None) -> list[Any] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        tolerances.note(used, tolerances.SINGLE_FOR_MULTIPLE)
        value = [value]
    if len(value) > MAX_ELEMENTS and attribute.stored is not Stored.ROWS:
        raise InvalidValueError(f"{where} takes at most {MAX_ELEMENTS} values")
    coerced = (_element(attribute, raw, where, used) for raw in value)
    return [element for element in coerced if element is not None] or None


def _element(attribute: Attribute, value: Any, where: str, used: Used | None) -> Any:
    value = wrappings.unwrap(attribute, value, used)
    if value is None or value in ("", []):
        return None
    if not attribute.is_complex:
        scalar = _within(attribute, _SCALARS[attribute.type](value, where, used), where)
        return Plaintext(scalar) if attribute.is_hashed else scalar
    element = parts(attribute, value, where, used)
    require(attribute, element, where)
    return element or None


def _within(attribute: Attribute, value: Any, where: str) -> Any:
    if attribute.type is Type.STRING and len(value) > attribute.max_length:
        raise InvalidValueError(f"{where} must not be longer than {attribute.max_length} characters")
    if attribute.required and attribute.type is Type.STRING and not value.strip():
        raise InvalidValueError(f"{where} must not be blank")
    return value


def _object(attribute: Attribute, value: Any, where: str, used: Used | None) -> dict[str, Any]:
    value = wrappings.as_object(attribute, wrappings.unwrap(attribute, value, used), used)
    if not isinstance(value, dict):
        raise InvalidValueError(f"{where} must be an object")
    keys.refuse_twice(value, where)
    return references.with_value(attribute, value, where, used)


def _string(value: Any, where: str, _used: Used | None, limit: int = MAX_STRING) -> str:
    if not isinstance(value, str):
        raise InvalidValueError(f"{where} must be a string")
    if len(value) > limit:
        raise InvalidValueError(f"{where} must not be longer than {limit} characters")
    if not is_text(value):
        raise InvalidValueError(f"{where} must not contain NUL or half a surrogate pair")
    return value


def _boolean(value: Any, where: str, used: Used | None) -> bool:
    value = wrappings.boolean(value, used)
    if not isinstance(value, bool):
        raise InvalidValueError(f"{where} must be true or false")
    return value


def _decimal(value: Any, where: str, _used: Used | None) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < math.inf:
        raise InvalidValueError(f"{where} must be a number")
    return value


def _integer(value: Any, where: str, _used: Used | None) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -MAX_INTEGER <= value < MAX_INTEGER:
        raise InvalidValueError(f"{where} must be an integer of 64 bits")
    return value


def _date_time(value: Any, where: str, used: Used | None) -> str:
    text = _string(value, where, used)
    if date_time(text) is None:
        raise InvalidValueError(f"{where} must be a date and time, as in 2008-01-23T04:56:22Z")
    return text


def _binary(value: Any, where: str, used: Used | None) -> str:
    text = _string(value, where, used, MAX_BINARY)
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidValueError(f"{where} must be encoded in base64") from error
    return text


_SCALARS: dict[Type, Callable[[Any, str, Used | None], Any]] = {
    Type.STRING: _string,
    Type.REFERENCE: _string,
    Type.BOOLEAN: _boolean,
    Type.DECIMAL: _decimal,
    Type.INTEGER: _integer,
    Type.DATE_TIME: _date_time,
    Type.BINARY: _binary,
}
