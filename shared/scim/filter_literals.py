"""Reads the literals of a filter, and gives them the type of the attribute that they are compared with."""

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

from shared.scim import values
from shared.scim.attributes import Attribute, Type
from shared.scim.dialects import wrappings
from shared.scim.errors import InvalidFilterError
from shared.scim.filter_tokens import Kind, Token, unquote

Literal: TypeAlias = str | bool | Decimal | None
Value: TypeAlias = str | bool | int | Decimal | datetime | None

NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
MAX_NUMBER = 40
MAX_EXPONENT = 308
CONSTANTS = {"true": True, "false": False, "null": None}


def read(token: Token) -> Literal:
    """Return the literal that a token stands for; raises InvalidFilterError.

    compValue = false / null / true / number / string    ; rules from JSON (RFC 7159)
    """
    if token.kind is Kind.STRING:
        return unquote(token)
    if token.word in CONSTANTS:
        return CONSTANTS[token.word]
    if NUMBER.fullmatch(token.text) and len(token.text) <= MAX_NUMBER:
        return Decimal(token.text)
    raise InvalidFilterError(
        f"The filter should have a string in double quotes, a number, true, false or null at position {token.position}"
    )


def typed(attribute: Attribute, literal: Literal, where: str) -> Value:
    """Return the literal as a value of the attribute's type; raises InvalidFilterError.

    A boolean may stand in quotes: Entra ID sends `roles[primary eq "True"]` (pingidentity/scim2#239).
    """
    if literal is None:
        return None
    return _TYPED[attribute.type](literal, where)


def _boolean(literal: Literal, where: str) -> bool:
    value = wrappings.boolean(literal)
    if not isinstance(value, bool):
        raise InvalidFilterError(f"{where} must be compared with true or false")
    return value


def _decimal(literal: Literal, where: str) -> Decimal:
    if not isinstance(literal, Decimal) or abs(literal.adjusted()) > MAX_EXPONENT:
        raise InvalidFilterError(f"{where} must be compared with a number")
    return literal


def _integer(literal: Literal, where: str) -> int:
    number = _decimal(literal, where)
    if number != number.to_integral_value() or not -values.MAX_INTEGER <= number < values.MAX_INTEGER:
        raise InvalidFilterError(f"{where} must be compared with an integer of 64 bits")
    return int(number)


def _date_time(literal: Literal, where: str) -> datetime:
    moment = values.date_time(_string(literal, where))
    if moment is None:
        raise InvalidFilterError(f"{where} must be compared with a date and time, as in 2008-01-23T04:56:22Z")
    return moment


def _string(literal: Literal, where: str) -> str:
    if not isinstance(literal, str):
        raise InvalidFilterError(f"{where} must be compared with a string in double quotes")
    if not values.is_text(literal):
        raise InvalidFilterError(f"{where} cannot be compared with NUL or half a surrogate pair")
    return literal


# A complex attribute is not here: it is compared by its sub-attributes.
_TYPED: dict[Type, Callable[[Literal, str], Value]] = {
    Type.STRING: _string,
    Type.REFERENCE: _string,
    Type.BINARY: _string,
    Type.BOOLEAN: _boolean,
    Type.DECIMAL: _decimal,
    Type.INTEGER: _integer,
    Type.DATE_TIME: _date_time,
}
