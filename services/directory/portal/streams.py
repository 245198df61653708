"""Send a page what it shows whenever that changes, as server-sent events, for as long as its session lasts.

The id of an event names the content, so a page that comes back to whatever process is sent only what it has not got.
A stream ends by itself before a proxy would cut it off; the browser comes back then, and asks for what is new.
"""

import logging
import random
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from flask import Response, g, request, stream_with_context
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from services.directory.permissions import Permission
from services.directory.portal import errors, visits
from services.directory.portal.desk import Desk, me
from services.directory.portal.feed import FullError, Shown

logger = logging.getLogger(__name__)

MEDIA_TYPE = "text/event-stream"
LIFE_SECONDS = (90, 105)
"""How long a stream goes on, at least and at most: not all come back together. The proxy's limit is two minutes."""

CHECK_SECONDS = 5.0
"""A session that has ended is sent nothing after so long."""

ALIVE_SECONDS = 5.0
"""After so long without an event a word of no meaning is sent: two of them, and a page that was closed is known."""

PAUSE_SECONDS = 0.2
"""Between two events of a page, at least."""

FULL = "Too many pages show the present just now."
BACK_MILLISECONDS = (500, 2_500)
"""A page whose stream ended comes back after so long, at least and at most."""

_ALIVE = b": alive\n\n"
_OVER = b"event: over\ndata:\n\n"
"""The session has ended; the page is to ask by itself, and is sent to the sign-in page."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a page that shows the present: which one, who may see it, and how it is made.

    Whoever may see it is shown the same. It is made anew after so many `seconds`, even without news.
    """

    key: Hashable
    needs: Permission
    seconds: float
    make: Callable[[], str]


def answer(desk: Desk, part: Part) -> Response:
    """Return the stream of a part, or an error where there are too many."""
    try:
        with ExitStack() as opening:
            opening.enter_context(desk.feed.open(me().tenant_id, g.secret, part.key))
            desk.feed.look(me().tenant_id, part.key, part.seconds, part.make)  # What is not there is told before.
            seat = opening.pop_all()
    except FullError:
        response = errors.page(503, FULL)
        response.headers["Retry-After"] = "60"
        return response
    known = request.headers.get("Last-Event-ID", "")
    response = Response(stream_with_context(_events(desk, part, known)), content_type=MEDIA_TYPE)
    response.call_on_close(seat.close)
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _events(desk: Desk, part: Part, known: str) -> Iterator[bytes]:
    """Yield what is new to a page, until its time is over."""
    until = time.monotonic() + random.uniform(*LIFE_SECONDS)  # noqa: S311 - only spreads them.
    yield f"retry: {random.randint(*BACK_MILLISECONDS)}\n\n".encode()  # noqa: S311 - only spreads them.
    try:
        yield from _until(desk, part, known, until)
    except (SQLAlchemyError, HTTPException) as error:
        logger.warning("live page ended", extra={"fault": type(error).__name__})


def _until(desk: Desk, part: Part, known: str, until: float) -> Iterator[bytes]:
    tenant_id, checked, spoke = me().tenant_id, time.monotonic(), time.monotonic()
    while not desk.feed.is_leaving and (now := time.monotonic()) < until:
        if now - checked >= CHECK_SECONDS:
            if not visits.may_still(desk, part.needs):
                yield _OVER
                return
            checked = now
        news = desk.feed.news(tenant_id)
        shown = desk.feed.look(tenant_id, part.key, part.seconds, part.make)
        if shown.id != known:
            known, spoke = shown.id, now
            yield _event(shown)
            time.sleep(PAUSE_SECONDS)
        elif now - spoke >= ALIVE_SECONDS:
            spoke = now
            yield _ALIVE
        desk.feed.wait(tenant_id, news, min(part.seconds, CHECK_SECONDS))


def _event(shown: Shown) -> bytes:
    lines = "".join(f"data: {line}\n" for line in shown.content.splitlines())
    return f"id: {shown.id}\nevent: part\n{lines}\n".encode()
