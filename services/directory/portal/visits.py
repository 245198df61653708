"""Know the browser that asks: its cookies, who is signed in with it, and the word that its forms must carry.

A form's word is derived from the cookie that the browser has, which no other site can read or, under https, set.
"""

import hashlib
import hmac
import secrets
from urllib.parse import urlsplit

from flask import Response, g, request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import ClientDisconnected

from services.directory import portal_sessions
from services.directory.permissions import Permission
from services.directory.portal.desk import Desk
from services.directory.portal.errors import ToldError
from services.directory.portal_sessions import LONGEST, Visitor

SESSION, VISIT = "muster-session", "muster-visit"
FIELD = "csrf"
BROKEN_OFF = "The form did not arrive whole. Go back, and send it again."


def begin(desk: Desk, *, is_click: bool) -> None:
    """Find out who asks; strangers get a cookie of their own, so that the sign-in form has a word as well.

    What is no click, but asked for by a page itself, does not make a session last longer.
    """
    secret = request.cookies.get(_name(desk, SESSION), "")
    g.secret, g.visitor, g.fresh = secret, _visitor(desk, secret, is_click=is_click), None
    if g.visitor is None:
        g.secret = request.cookies.get(_name(desk, VISIT), "")
        if not g.secret:
            g.secret = g.fresh = secrets.token_urlsafe(32)
    g.csrf = _word(g.secret)


def may_still(desk: Desk, needs: Permission) -> bool:
    """Whether who asked is signed in still, and may see this still; it is asked without a click."""
    visitor = _visitor(desk, g.secret, is_click=False)
    return visitor is not None and visitor.admin_id == g.visitor.admin_id and visitor.may(needs)


def has_word() -> bool:
    """Whether a form comes from a page of ours, in this very browser. Raises ToldError when it has not come whole."""
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    try:
        given = request.form.get(FIELD, "")
    except (OSError, ParseException, ClientDisconnected) as error:
        raise ToldError(400, BROKEN_OFF) from error
    return site in {"same-origin", "none"} and hmac.compare_digest(given.encode(), g.csrf.encode())


def sign_in(desk: Desk, response: Response, secret: str) -> Response:
    """Give the browser its session."""
    _set(desk, response, SESSION, secret, int(LONGEST.total_seconds()))
    return _drop(desk, response, VISIT)


def sign_out(desk: Desk, response: Response) -> Response:
    """Take the session from the browser."""
    return _drop(desk, response, SESSION)


def end(desk: Desk, response: Response) -> Response:
    """Give a stranger's browser the cookie that its next form needs; what lies in caches gets none."""
    if g.get("fresh") and response.headers.get("Cache-Control") == "no-store":
        _set(desk, response, VISIT, g.fresh, None)
    return response


def own_path(wanted: str) -> str:
    """Return a path of this portal to go on to; whatever leads elsewhere becomes the first page."""
    parts = urlsplit(wanted)
    is_own = not parts.scheme and not parts.netloc and wanted.startswith("/") and not wanted.startswith(("//", "/\\"))
    return wanted if is_own and wanted.isprintable() else "/"


def _visitor(desk: Desk, secret: str, *, is_click: bool) -> Visitor | None:
    if not secret:
        return None
    with desk.before_sign_in() as connection:
        return portal_sessions.visitor(connection, secret, notes_use=is_click)


def _word(secret: str) -> str:
    return hashlib.sha256(f"form:{secret}".encode()).hexdigest()


def _set(desk: Desk, response: Response, name: str, value: str, max_age: int | None) -> None:
    response.set_cookie(
        _name(desk, name), value, max_age=max_age, path="/", secure=desk.is_https, httponly=True, samesite="Lax"
    )


def _drop(desk: Desk, response: Response, name: str) -> Response:
    response.delete_cookie(_name(desk, name), path="/", secure=desk.is_https, httponly=True, samesite="Lax")
    return response


def _name(desk: Desk, name: str) -> str:
    """Return a cookie's name: browsers take one with this prefix from this very host only, and over https."""
    return f"__Host-{name}" if desk.is_https else name
