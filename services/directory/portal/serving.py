"""Serve the staff portal: the shared server, with a page of ours for a request line that is too long."""

from gunicorn.http import message

from services.directory.portal import commands
from shared import serving

# gunicorn takes its own option for no more than this, and no limit at all for the alternative.
message.MAX_REQUEST_LINE = max(message.MAX_REQUEST_LINE, commands.LONGEST_LINE)

_PAGE = "<!doctype html><title>{0}</title><h1>{0}</h1><p>{1}</p>"


def _page(status: str, title: str, what_to_do: str) -> bytes:
    body = _PAGE.format(title, what_to_do).encode()
    return serving.answer(status, "text/html; charset=utf-8", body)


class Worker(serving.Worker):
    """A process of the portal."""

    line_too_long = _page("414 URI Too Long", "This address is too long", "Search for less, and try again.")
    headers_too_large = _page(
        "431 Request Header Fields Too Large",
        "This request is too large",
        "Delete the cookies of this site in your browser, and try again.",
    )
    unreadable = _page("400 Bad Request", "This request cannot be read", "Load the page anew, and try again.")
    expecting = _page("417 Expectation Failed", "This request expects too much", "Load the page anew, and try again.")
    strangely_coded = _page("501 Not Implemented", "This request cannot be read", "Load the page anew, and try again.")
    failed = _page("500 Internal Server Error", "Something went wrong on our side", "Try again in a moment.")

    def leave(self) -> None:
        """End live pages, which would go on by themselves."""
        self._application.extensions["running"].leave()
