"""Serve the gateway: the shared server, with the length of a request line that SCIM needs, and its error."""

import orjson
from gunicorn.http import message

from shared import serving
from shared.scim import messages

LONGEST_LINE = 131_072
"""Bytes of a request line: the longest filter fits, with each letter percent-encoded as four bytes."""

# gunicorn takes its own option for no more than this, and no limit at all for the alternative.
message.MAX_REQUEST_LINE = LONGEST_LINE

_DETAIL = f"The request line is longer than {LONGEST_LINE} bytes; send the query by POST to .search"


class Worker(serving.Worker):
    """A process of the gateway."""

    too_long = serving.answer("414 URI Too Long", messages.MEDIA_TYPE, orjson.dumps(messages.error(414, _DETAIL, None)))
