"""Reads a bulk request and writes the results of its operations (RFC 7644 section 3.7).

What section 3.7 requires of the message is required of the whole of it: without that nothing is begun. What is wrong
with the request that one operation stands for is found out later, and is that operation's result.
"""

import re
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.scim import keys, messages
from shared.scim.attributes import ResourceType
from shared.scim.errors import (
    ConflictError,
    InvalidSyntaxError,
    InvalidValueError,
    MethodNotAllowedError,
    NotFoundError,
    PayloadTooLargeError,
)
from shared.scim.resource_types import Catalogue

_PATH = re.compile(r"(?P<endpoint>/[^/]+)(?:/(?P<id>.+?))?/?")


class Method(StrEnum):
    """What an operation does."""

    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation as the client sent it; its number counts from one."""

    number: int
    method: Method
    path: str
    bulk_id: str | None = None
    version: str | None = None
    data: Any = None


@dataclass(frozen=True, kw_only=True)
class Request:
    """A bulk request: its operations, and the number of errors after which nothing more is begun."""

    operations: tuple[Operation, ...]
    fail_on_errors: int | None = None


@dataclass(frozen=True, kw_only=True)
class Target:
    """What an operation's path leads to: a resource, or without an id the endpoint where one is created."""

    resource_type: ResourceType
    id: str | None = None


def parse(message: Any, max_operations: int) -> Request:
    """Read the message. Raises InvalidSyntaxError, InvalidValueError or PayloadTooLargeError, naming the rule."""
    given = keys.folded(message, "The body")
    _require_schema(given.get("schemas"))
    raw = given.get("operations")
    if not isinstance(raw, list) or not raw:
        raise InvalidSyntaxError("'Operations' must be an array of at least one operation")
    if len(raw) > max_operations:
        raise PayloadTooLargeError(f"The request has more operations than maxOperations ({max_operations})")
    operations = tuple(_operation(number, one) for number, one in enumerate(raw, start=1))
    _refuse_repeated(operations)
    return Request(operations=operations, fail_on_errors=_fail_on_errors(given.get("failonerrors")))


def target(operation: Operation, catalogue: Catalogue) -> Target:
    """Return what the path leads to among the tenant's types.

    Raises NotFoundError and MethodNotAllowedError, as the endpoints answer.
    """
    found = _PATH.fullmatch(operation.path if operation.path.startswith("/") else f"/{operation.path}")
    resource_type = next((t for t in catalogue.all if found and t.endpoint == found["endpoint"]), None)
    if found is None or resource_type is None:
        raise NotFoundError("There is no such endpoint; 'path' is one of those in /ResourceTypes, and then an id")
    if (found["id"] is None) is not (operation.method is Method.POST):
        raise MethodNotAllowedError("POST needs the path of an endpoint, every other method that of a resource")
    return Target(resource_type=resource_type, id=found["id"])


def result(
    operation: Operation,
    status: int,
    *,
    location: str | None = None,
    version: str | None = None,
    response: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the result of one operation; what is not known is left out."""
    members = {
        "method": operation.method.value,
        "bulkId": operation.bulk_id,
        "version": version,
        "location": location,
        "status": str(status),
        "response": response,
    }
    return {name: value for name, value in members.items() if value is not None}


def failed_need(number: int) -> ConflictError:
    """Return the error of an operation that refers to what this one was to create."""
    return ConflictError(f"It refers to what operation {number} was to create, and that one failed")


def _require_schema(urns: Any) -> None:
    listed = [str(urn).lower() for urn in urns] if isinstance(urns, list) else []
    if messages.BULK_REQUEST.lower() not in listed:
        raise InvalidSyntaxError(f"'schemas' must list {messages.BULK_REQUEST}")


def _operation(number: int, raw: Any) -> Operation:
    where = f"Operation {number}"
    given = keys.folded(raw, where)
    operation = Operation(
        number=number,
        method=_method(given.get("method"), where),
        path=_text(given, "path", where) or "",
        bulk_id=_text(given, "bulkId", where) or None,
        version=_text(given, "version", where) or None,
        data=given.get("data"),
    )
    if not operation.path:
        raise InvalidSyntaxError(f"{where}: 'path' is required")
    if operation.method is Method.POST and operation.bulk_id is None:
        raise InvalidSyntaxError(f"{where}: 'bulkId' is required with POST")
    return operation


def _method(value: Any, where: str) -> Method:
    try:
        return Method(value.upper() if isinstance(value, str) else "")
    except ValueError as error:
        raise InvalidSyntaxError(f"{where}: 'method' must be one of {', '.join(Method)}") from error


def _text(given: dict[str, Any], name: str, where: str) -> str | None:
    value = given.get(name.lower())
    if value is not None and not isinstance(value, str):
        raise InvalidSyntaxError(f"{where}: '{name}' must be a string")
    return value


def _fail_on_errors(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidValueError("'failOnErrors' must be a whole number of at least 1")
    return value


def _refuse_repeated(operations: tuple[Operation, ...]) -> None:
    """A bulkId that two operations create could be referred to by nobody."""
    made = Counter(operation.bulk_id for operation in operations if operation.method is Method.POST)
    repeated = next((o for o in reversed(operations) if o.method is Method.POST and made[o.bulk_id] > 1), None)
    if repeated is not None:
        raise InvalidValueError(f"Operation {repeated.number}: its 'bulkId' is that of another POST too")
