"""The form of an error where SCIM is not spoken: problem details (RFC 9457)."""

from http import HTTPStatus
from typing import Any

import orjson
from flask import Request, Response

MEDIA_TYPE = "application/problem+json"
PREFIX = "/rest/admin/v1"
"""Below it errors have this form."""

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "requestId"],
    "properties": {
        "type": {"const": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "requestId": {"type": "string"},
    },
}


def is_wanted(request: Request) -> bool:
    """Whether the client of a request expects errors in this form."""
    return request.path.startswith(PREFIX)


def response(status: int, detail: str, request_id: str, headers: dict[str, str]) -> Response:
    """Return an error: `about:blank` means what its status means (RFC 9457 section 4.2.1)."""
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "requestId": request_id}
    return Response(orjson.dumps(body), status, headers, content_type=MEDIA_TYPE)
