"""Serve the gateway: the shared server, with the length of a request line that SCIM needs, and its errors."""

import orjson
from gunicorn.http import message

from services.gateway.errors import TOO_LARGE_SECONDS
from shared import serving
from shared.scim import messages

LONGEST_LINE = 131_072
"""Bytes of a request line: the longest filter fits, with each letter percent-encoded as four bytes."""

# gunicorn takes its own option for no more than this, and no limit at all for the alternative.
message.MAX_REQUEST_LINE = LONGEST_LINE

_LINE = f"The request line is longer than {LONGEST_LINE} bytes; send the query by POST to .search"
_UNREADABLE = (
    "This is no HTTP/1.1 request, or one that two servers would not read alike (RFC 9112); in a query, percent-encode "
    "spaces and all that is not ASCII"
)
_EXPECTING = "The only expectation that this server knows is 100-continue"
_CODED = "The only transfer coding that this server knows is chunked"
_FAILED = "Something went wrong on our side; send the request again"
_HEADERS = "The headers are larger than this server takes, one of them or all together"


def _error(status: int, reason: str, detail: str, *headers: str) -> bytes:
    """Return a whole answer, in the words of SCIM."""
    body = orjson.dumps(messages.error(status, detail, None))
    return serving.answer(f"{status} {reason}", messages.MEDIA_TYPE, body, *headers)


_LATER = f"Retry-After: {TOO_LARGE_SECONDS}"


class Worker(serving.Worker):
    """A process of the gateway."""

    line_too_long = _error(414, "URI Too Long", _LINE, _LATER)
    headers_too_large = _error(431, "Request Header Fields Too Large", _HEADERS, _LATER)
    unreadable = _error(400, "Bad Request", _UNREADABLE)
    expecting = _error(417, "Expectation Failed", _EXPECTING)
    strangely_coded = _error(501, "Not Implemented", _CODED)
    failed = _error(500, "Internal Server Error", _FAILED)
