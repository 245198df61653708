"""Turn every exception into the RFC's error body; nothing else in the gateway makes error responses."""

import logging
from typing import Any

from flask import Flask, Response, g, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge

from services.directory import backoff
from services.gateway import auth, problems, responses
from shared import metrics
from shared.scim.errors import (
    InternalError,
    MethodNotAllowedError,
    NotFoundError,
    OutcomeUnknownError,
    PayloadTooLargeError,
    SCIMError,
    TooManyError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
)

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5
TOO_LARGE_SECONDS = 300
"""What is too large is so the next time, too; a client that sends it again all the same shall take its time."""

QUERY_CANCELED = "57014"


def register(app: Flask) -> None:
    """Let the application answer every exception with a SCIM error."""
    app.register_error_handler(SCIMError, respond)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, lambda error: respond(translate(error)))


def respond(error: SCIMError) -> Response:
    """Return the error message, with the request's id for whoever looks it up."""
    g.scim_type = error.scim_type
    if isinstance(error, PayloadTooLargeError):
        metrics.count(metrics.LIMITED, "body")
    if problems.is_wanted(request):
        return problems.response(error.status, error.detail, g.request_id, _headers(error))
    return responses.scim(body(error), error.status, _headers(error))


def body(error: SCIMError) -> dict[str, Any]:
    """Return the error message alone, as a bulk response has one for each operation that failed."""
    return error.body() | {"detail": f"{error.detail} (request {g.request_id})"}


def translate(error: Exception) -> SCIMError:
    """Return what a client is told of an exception; what is no client's fault is logged here."""
    match error:
        case SCIMError():
            return error
        case SQLAlchemyError() if getattr(getattr(error, "orig", None), "sqlstate", None) == QUERY_CANCELED:
            logger.warning("query took too long")
            return TooManyError("This query takes too long to answer: ask for less at once")
        case SQLAlchemyError() if backoff.classify(error).is_passing:
            logger.warning("database not available", extra={"fault": backoff.classify(error).name})
            return UnavailableError("The directory cannot be reached at the moment. Send the request again")
        case _:
            logger.error("request failed", exc_info=error)
            return InternalError("Something went wrong on our side; send the request again, or give us its id")


def _headers(error: SCIMError) -> dict[str, str]:
    if isinstance(error, UnauthorizedError):
        return {"WWW-Authenticate": auth.challenge(error)}
    if isinstance(error, TooManyRequestsError | UnavailableError | OutcomeUnknownError):
        return {"Retry-After": str(error.retry_after or RETRY_SECONDS)}
    if isinstance(error, PayloadTooLargeError):
        return {"Retry-After": str(TOO_LARGE_SECONDS)}
    return {}


def _http(error: HTTPException) -> Response:
    match error:
        case NotFound():
            return respond(
                NotFoundError("There is no such endpoint: SCIM's begin with /rest/scim/v2/, as in /rest/scim/v2/Users")
            )
        case MethodNotAllowed():
            response = respond(MethodNotAllowedError("This endpoint does not offer that method"))
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
            return response
        case RequestEntityTooLarge():
            return respond(PayloadTooLargeError("The request is larger than this server takes"))
        case _:
            return respond(_PlainError(error.code or 500, error.name))


class _PlainError(SCIMError):
    """An HTTP error of the framework, in the RFC's form."""

    def __init__(self, status: int, name: str) -> None:
        super().__init__(f"The request cannot be understood: {name}")
        self.status = status  # type: ignore[misc]
