"""Read a request's body and parameters, and refuse what is malformed before it costs anything."""

import codecs
import re
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson
from flask import Request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from shared.scim import leaving, messages, searches
from shared.scim.errors import (
    InvalidSyntaxError,
    InvalidValueError,
    PayloadTooLargeError,
    UnsupportedMediaTypeError,
)

DEEPEST = 32
"""Arrays and objects inside each other, at most."""

IDENTITY, UTF_8 = "identity", "utf-8"
# What the parser says of a body that cannot be read, the first that fits, and what is said to the client.
_REASONS = (
    ("utf-8", "is not UTF-8"),
    ("infinity", "has a number that is too large"),
    ("surrogate", "has half of a surrogate pair"),
    ("depth", f"is nested deeper than {DEEPEST} levels"),
)
BROKEN = (OSError, ParseException, ClientDisconnected)
"""What is raised for a body that does not arrive whole, or in chunks that are none."""

_NUL = re.compile(rb"\\u0000|\x00")
SHORT_BYTES = 16_384
"""A body up to this size may be looked at before it is the request's turn."""


def parameters(request: Request) -> dict[str, str]:
    """Return what a query says. Raises InvalidValueError for one that says something twice, or is not UTF-8."""
    if not request.query_string:
        return {}
    try:
        unquote_to_bytes(request.query_string).decode()
    except UnicodeDecodeError as error:
        raise InvalidValueError("The query is not UTF-8, percent-encoded") from error
    return searches.parameters(request.args.items(multi=True))


def document(request: Request, max_bytes: int) -> dict[str, Any]:
    """Return the JSON object in a body.

    Raises UnsupportedMediaTypeError, PayloadTooLargeError, or InvalidSyntaxError that says what is wrong with it.
    """
    if request.mimetype and request.mimetype not in messages.MEDIA_TYPES:
        raise UnsupportedMediaTypeError("Send the body as application/scim+json (application/json is understood too)")
    if request.headers.get("Content-Encoding", IDENTITY).strip().lower() != IDENTITY:
        raise UnsupportedMediaTypeError("Send the body as it is, without a Content-Encoding")
    if request.mimetype_params.get("charset", UTF_8).lower() not in {UTF_8, "utf8"}:
        raise UnsupportedMediaTypeError("Send the body in UTF-8")
    body = _parse(_read(request, max_bytes))
    if not isinstance(body, dict):
        raise InvalidSyntaxError("The body must be one JSON object")
    if _depth(body) > DEEPEST:
        raise InvalidSyntaxError(f"The body is nested deeper than {DEEPEST} levels")
    return body


def may_take_access(request: Request) -> bool:
    """Whether a request is likely to take somebody's access away; a short body is looked into, and kept."""
    if request.method == "DELETE":
        return True
    if request.method not in {"PUT", "PATCH"} or not 0 < (request.content_length or 0) <= SHORT_BYTES:
        return False
    try:
        return leaving.is_likely_in(request.get_data())
    except BROKEN:
        # Whoever reads it in its turn says what is wrong.
        return False


def _read(request: Request, max_bytes: int) -> bytes:
    """Read the whole body, and not one byte less than was announced (RFC 9112 section 8)."""
    too_large = PayloadTooLargeError(f"The body is larger than {max_bytes} bytes, the most this server takes")
    if (request.content_length or 0) > max_bytes:
        raise too_large
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge as error:
        raise too_large from error
    except BROKEN as error:
        raise InvalidSyntaxError("The body did not arrive whole") from error
    if len(body) > max_bytes:
        raise too_large
    if request.content_length is not None and len(body) != request.content_length:
        raise InvalidSyntaxError("The body did not arrive whole")
    return body


def _parse(body: bytes) -> Any:
    body = body.removeprefix(codecs.BOM_UTF8)
    if not body.strip():
        raise InvalidSyntaxError("The body is empty; it must be a JSON object")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        reason = next((said for sign, said in _REASONS if sign in error.msg.lower()), "is not JSON")
        where = f" (line {error.lineno}, column {error.colno})" if error.pos else ""
        raise InvalidSyntaxError(f"The body {reason}{where}") from error
    if _NUL.search(body):
        _refuse_nul(value)
    return value


def _refuse_nul(value: Any) -> None:
    """PostgreSQL keeps no NUL character, and no attribute has a use for one."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str) and "\x00" in item:
            raise InvalidValueError("The body holds a NUL character (\\u0000), which no attribute may have")
        if isinstance(item, dict):
            pending += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            pending += item


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level and depth <= DEEPEST:
        depth += 1
        level = [
            inner
            for item in level
            for inner in (item.values() if isinstance(item, dict) else item)
            if isinstance(inner, dict | list)
        ]
    return depth
