"""Turn every exception into a page that says what to do; nothing else in the portal makes error pages."""

import logging

from flask import Flask, Response, g, make_response, render_template
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from werkzeug.exceptions import HTTPException

logger = logging.getLogger(__name__)

QUERY_CANCELED = "57014"
PAGES = {
    400: ("This cannot be understood", "Go back, and check what you entered."),
    403: ("You may not do this", "Ask an administrator of your staff portal for the permission, or sign in anew."),
    404: ("There is nothing here", "It may have been deleted, or the address has a mistake in it."),
    405: ("This cannot be done here", "Go back, and use the buttons of the page."),
    413: ("This is too much at once", "Send less."),
    500: ("Something went wrong on our side", "Try again. If it happens again, give us the number below."),
    503: ("The directory cannot be reached", "Try again in a moment."),
}


def register(app: Flask) -> None:
    """Let the application answer every exception with a page."""
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _any)


def page(status: int, told: str | None = None) -> Response:
    """Return the page of an error; `told` says it better than the general words do."""
    title, advice = PAGES.get(status, PAGES[400])
    return make_response(render_template("error.html", title=title, advice=told or advice, status=status), status)


def _http(error: HTTPException) -> Response:
    if error.code is not None and error.code < 400:
        return make_response(error.get_response())
    response = page(error.code or 500, getattr(error, "told", None))
    for name, value in error.get_headers():
        if name in {"Allow", "Retry-After"}:
            response.headers[name] = value
    return response


def _any(error: Exception) -> Response:
    match error:
        case SQLAlchemyError() if getattr(getattr(error, "orig", None), "sqlstate", None) == QUERY_CANCELED:
            logger.warning("query took too long")
            return page(503, "This takes the directory too long: look for less.")
        case OperationalError():
            logger.warning("database not available", extra={"fault": type(error.orig).__name__})
            return page(503)
        case _:
            logger.error("request failed", exc_info=error, extra={"request_id": g.request_id})
            return page(500)


class ToldError(HTTPException):
    """A request that is refused with words of its own."""

    def __init__(self, code: int, told: str) -> None:
        super().__init__()
        self.code, self.told = code, told
