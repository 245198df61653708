"""Answer every request in time, even when what it waits for says nothing at all.

Each part of a request looks at its deadline between two waits, and each wait has an end: but for the one for a database
that neither answers nor hangs up, because it or its network is frozen. Then the request is interrupted where it is. Its
connection is in an unknown state by then, and SQLAlchemy closes it.
"""

import logging
from typing import Any

import gevent
from flask import Flask, Response, request

from services.gateway import bulk_running
from shared.scim.errors import OutcomeUnknownError, SCIMError, UnavailableError

logger = logging.getLogger(__name__)

GRACE_SECONDS = 0.7
"""What a request may take beyond its deadline: it says its last word when the deadline is over."""

LONGER = {"Bulk": bulk_running.TAKE_BACK_SECONDS}
"""Endpoints, by the end of their path, that have something left to do at their deadline."""

READING = frozenset({"GET", "HEAD", "OPTIONS"})


class OverdueError(BaseException):
    """The request's time is over; nothing on the way may take this for a fault that it can overcome."""


class LimitedFlask(Flask):
    """An application that interrupts a request when its time is over."""

    def __init__(self, name: str, deadline_seconds: float, **options: Any) -> None:
        super().__init__(name, **options)
        self._seconds = deadline_seconds + GRACE_SECONDS

    def full_dispatch_request(self) -> Response:
        """Answer a request, all of it: who sends it is asked of the database, too."""
        seconds = self._seconds + LONGER.get(request.path.rstrip("/").rpartition("/")[2], 0.0)
        limit = gevent.Timeout.start_new(seconds, OverdueError)
        try:
            return super().full_dispatch_request()
        except OverdueError:
            logger.warning("request interrupted")
            return self.finalize_request(self.handle_user_exception(_overdue()))
        finally:
            limit.close()


def _overdue() -> SCIMError:
    if request.method in READING:
        return UnavailableError("The directory does not answer at the moment. Send the request again")
    return OutcomeUnknownError("The directory does not answer, so nobody knows whether this was applied. Send it again")
