"""Put the portal together: one Flask application with its pages, and the order of a request."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from urllib.parse import quote
from uuid import uuid4

from flask import Flask, Response, g, redirect, request, url_for
from sqlalchemy import Engine
from werkzeug.middleware.proxy_fix import ProxyFix

from services.directory import database, tenancy
from services.directory.addresses import PlainAddresses
from services.directory.permissions import Permission
from services.directory.portal import assets, errors, pages, visits, words
from services.directory.portal.desk import Desk
from services.directory.portal.errors import ToldError
from services.directory.portal.feed import Feed
from services.directory.portal.routes import Anyone, Route
from shared import queue
from shared.settings import Settings

logger = logging.getLogger(__name__)

POOL_SIZE = 10
LONGEST_BODY = 100_000
STALE = "This page was open for too long, or the form came from elsewhere. Load the page anew, and try again."
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: browsers would call our own forms' origin `null` then.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


@dataclass(frozen=True, kw_only=True)
class Running:
    """What ends after the last request."""

    engine: Engine
    feed: Feed
    ends: Sequence[Callable[[], object]]

    def leave(self) -> None:
        """End what would go on by itself."""
        self.feed.leave()

    def stop(self) -> None:
        """Close the connections."""
        for end in self.ends:
            end()
        self.engine.dispose()


def create(settings: Settings) -> Flask:
    """Return the application."""
    # How a search is best answered depends on what is searched: a plan for all of them scans every employee.
    engine = database.connect(
        settings.database_url,
        process="portal",
        pool_size=POOL_SIZE,
        role=tenancy.WORK,
        plan_cache_mode="force_custom_plan",
    )
    bell, redis = queue.create(settings), queue.redis_client(settings)
    desk = Desk(engine=engine, settings=settings, wake=partial(queue.wake, bell, redis), feed=Feed(engine))
    app = Flask("muster-portal", static_folder=None, root_path=str(assets.FOLDER.parent))
    app.config.update(
        MAX_CONTENT_LENGTH=LONGEST_BODY, PROVIDE_AUTOMATIC_OPTIONS=False, header_seconds=settings.header_seconds
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(
        asset=assets.address, icon=assets.icon, navigation=pages.visible, Permission=Permission
    )
    app.jinja_env.filters.update(words.FILTERS)
    # Only what our own proxies added is believed; whatever a client wrote itself comes before it.
    app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
        PlainAddresses(app.wsgi_app), x_for=settings.trusted_proxies, x_proto=0, x_host=0, x_port=0, x_prefix=0
    )
    every = {route.endpoint: route for route in _routes(desk)}
    for route in every.values():
        app.add_url_rule(route.rule, route.endpoint, route.view, methods=route.methods)
    running = Running(engine=engine, feed=desk.feed, ends=(redis.close, bell.close))
    app.extensions.update(running=running, routes=every)
    app.before_request(_begin)
    app.before_request(lambda: _let_in(desk, every.get(request.endpoint or "")))
    app.after_request(lambda response: _end(desk, response))
    errors.register(app)
    return app


def _routes(desk: Desk) -> list[Route]:
    home = Route(rule="/", endpoint="home", view=_home, needs=Anyone.SIGNED_IN)
    return [home, *assets.routes(), *(route for routes in pages.MODULES for route in routes(desk))]


def _home() -> Response:
    """Go to the first page that the visitor may see."""
    entries = [entry for section in pages.visible(g.visitor).values() for entry in section]
    return _go(url_for(entries[0].endpoint if entries else "account"))


def _begin() -> None:
    g.request_id, g.arrived, g.visitor, g.csrf = str(uuid4()), time.monotonic(), None, ""


def _let_in(desk: Desk, route: Route | None) -> Response | None:
    """Let a request through to its page, or say where to go instead. What is no route has no page."""
    if route is None or request.endpoint in {"healthz", "readyz", "asset"}:
        return None
    visits.begin(desk, is_click=not route.is_polled)
    if g.visitor is None and route.needs is not Anyone.STRANGER:
        return _to_sign_in()
    if isinstance(route.needs, Permission) and not g.visitor.may(route.needs):
        raise ToldError(403, errors.PAGES[403][1])
    if request.method == "POST" and not visits.has_word():
        raise ToldError(403, STALE)
    return None


def _to_sign_in() -> Response:
    """Send a stranger to the sign-in page; where only a part of a page was asked for, the whole browser."""
    is_part = "HX-Request" in request.headers
    after = request.full_path.rstrip("?") if request.method == "GET" and not is_part else "/"
    place = f"{url_for('sign_in')}?next={quote(after)}"
    return Response(status=204, headers={"HX-Redirect": place}) if is_part else _go(place)


def _go(place: str) -> Response:
    response = redirect(place, HTTPStatus.SEE_OTHER)
    assert isinstance(response, Response)
    return response


def _end(desk: Desk, response: Response) -> Response:
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Request-ID"] = g.request_id
    if desk.is_https:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    is_plain = response.status_code == HTTPStatus.OK and g.visitor is None
    logger.log(
        logging.DEBUG if is_plain else logging.INFO,
        "request",
        extra={
            "request_id": g.request_id,
            "method": request.method,
            "route": str(request.url_rule or "none"),
            "status": response.status_code,
            "milliseconds": round((time.monotonic() - g.arrived) * 1000, 1),
            "tenant": g.visitor.tenant if g.visitor else None,
            "admin_id": str(g.visitor.admin_id) if g.visitor else None,
        },
    )
    return visits.end(desk, response)
