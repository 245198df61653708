"""Serve the staff portal: the shared server, with a page of ours for a request line that is too long."""

from gunicorn.http import message

from services.directory.portal import commands
from shared import serving

# gunicorn takes its own option for no more than this, and no limit at all for the alternative.
message.MAX_REQUEST_LINE = max(message.MAX_REQUEST_LINE, commands.LONGEST_LINE)

_PAGE = b"<!doctype html><title>Too long</title><h1>This address is too long</h1><p>Search for less, and try again.</p>"


class Worker(serving.Worker):
    """A process of the portal."""

    too_long = serving.answer("414 URI Too Long", "text/html; charset=utf-8", _PAGE)
