"""Write places in lists into addresses, and read them back; what is malformed is refused."""

import base64
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from services.directory import employee_list, history_pages
from services.directory.portal.errors import ToldError

_NUMBERS = range(-(2**63), 2**63)
MALFORMED = "The address of this page is damaged. Begin with the first page."


def of_employee(place: employee_list.Place) -> str:
    """Return a place in the list of employees as text."""
    return _write([place.name, str(place.id)])


def employee(text: str) -> employee_list.Place:
    """Return the place that a text says. Raises ToldError."""
    try:
        name, id_ = _read(text)
        return employee_list.Place(None if name is None else str(name), UUID(id_))
    except (ValueError, TypeError, AttributeError) as error:
        raise ToldError(400, MALFORMED) from error


def of_entry(place: history_pages.Place) -> str:
    """Return a place in a history as text."""
    return _write([place.at.isoformat(), place.id])


def entry(text: str) -> history_pages.Place:
    """Return the place that a text says. Raises ToldError."""
    try:
        at, number = _read(text)
        return history_pages.Place(datetime.fromisoformat(at), _bigint(int(number)))
    except (ValueError, TypeError) as error:
        raise ToldError(400, MALFORMED) from error


def member(text: str) -> UUID:
    """Return the id that a text says. Raises ToldError."""
    try:
        return UUID(text)
    except ValueError as error:
        raise ToldError(400, MALFORMED) from error


def _write(parts: list[Any]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


def _read(text: str) -> list[Any]:
    found = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    if not isinstance(found, list) or len(found) != 2 or any("\0" in str(part) for part in found):
        raise ValueError("a place has two parts, and no NUL, which PostgreSQL does not take")
    return found


def _bigint(number: int) -> int:
    if number not in _NUMBERS:
        raise ValueError("PostgreSQL has no such number")
    return number
