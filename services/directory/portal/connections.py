"""The pages of connections: the tokens of identity providers, and the steps of setting one up."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from flask import Response, abort, make_response, redirect, render_template, request, url_for
from sqlalchemy import Connection

from services.directory import clients, ids, tokens
from services.directory.audit_chain import Action
from services.directory.permissions import Permission
from services.directory.portal import noting, progress
from services.directory.portal.desk import Desk, me
from services.directory.portal.routes import Route
from services.directory.portal.setup_steps import FLAG, GUIDES
from services.directory.tokens import Scope, Terms, Token, TokenError

BASE = "/provisioning/connections"
LIFETIMES = {"30": "30 days", "90": "90 days", "180": "180 days", "365": "1 year", "never": "Never ends"}
OVERLAPS = {"0": "at once", "1": "in 1 day", "7": "in 7 days", "30": "in 30 days"}
SCOPES = {
    Scope.USERS: ("Users", "Employees"),
    Scope.GROUPS: ("Groups", "Roles and their members"),
    Scope.READ: ("Read", "Look up, list, compare"),
    Scope.WRITE: ("Write", "Create, change, disable, delete"),
}
FULL_ACCESS = [scope.value for scope in Scope if scope in tokens.EVERYTHING]
SAID = {"revoked": "The token is revoked. It is refused everywhere within two seconds."}


def routes(desk: Desk) -> Iterator[Route]:
    """Yield the routes of this module."""
    for rule, endpoint, view, methods in (
        (BASE, "connections", _list, "GET"),
        (f"{BASE}/new", "connection_new", _form, "GET"),
        (f"{BASE}/new", "connection_create", _create, "POST"),
        (f"{BASE}/set-up/<guide>", "connection_steps", _steps, "GET"),
        (f"{BASE}/<token_id>", "connection", _one, "GET"),
        (f"{BASE}/<token_id>/rotate", "connection_rotate", _rotate, "POST"),
        (f"{BASE}/<token_id>/revoke", "connection_revoke", _revoke, "POST"),
    ):
        yield Route(
            rule=rule, endpoint=endpoint, view=partial(view, desk), needs=Permission.PROVISIONING, methods=(methods,)
        )


def _list(desk: Desk) -> str:
    with desk.transaction() as connection:
        found = tokens.every(connection, me().tenant)
        others = clients.every(connection, me().tenant)
    now = datetime.now(UTC)
    working = [token for token in found if token.state(now) in {"active", "replaced"}]
    ended = [token for token in found if token not in working]
    said = SAID.get(request.args.get("done", ""))
    return render_template(
        "connections.html", others=others, working=working, ended=ended, said=said, **_addresses(desk), **_about(now)
    )


def _form(desk: Desk, told: str | None = None) -> str:
    given = request.form if request.method == "POST" else None
    return render_template(
        "connection_new.html",
        told=told,
        name=given.get("name", "") if given else "Entra ID",
        chosen=given.getlist("scope") if given else FULL_ACCESS,
        networks=given.get("networks", "") if given else "",
        lifetime=given.get("lifetime", "") if given else "365",
        scopes=SCOPES,
        lifetimes=LIFETIMES,
        **_addresses(desk),
    )


def _create(desk: Desk) -> Response:
    try:
        with desk.transaction() as connection:
            name, terms = request.form.get("name", "").strip(), _terms()
            secret = tokens.create(connection, me().tenant_id, name, None, terms)
            made = tokens.authenticate(connection, secret)
            assert made is not None, "it has just been made"
            noting.note(connection, Action.TOKEN_CREATED, made.token_id, name=name)
    except TokenError as error:
        return make_response(_form(desk, str(error)), 400)
    return _once(desk, made.token_id, secret)


def _one(desk: Desk, token_id: str, told: str | None = None) -> str:
    with desk.transaction() as connection:
        token = _token(connection, token_id)
        done_by = noting.deeds(connection, token.id)
        reached = progress.shown(connection, token.id) or {}
    now = datetime.now(UTC)
    return render_template(
        "connection.html",
        token=token,
        deeds=done_by,
        told=told,
        overlaps=OVERLAPS,
        scopes=SCOPES,
        **reached,
        **_addresses(desk),
        **_about(now),
    )


def _rotate(desk: Desk, token_id: str) -> Response:
    days = request.form.get("overlap", "")
    if days not in OVERLAPS:
        abort(400)
    try:
        with desk.transaction() as connection:
            old = _token(connection, token_id)
            secret = tokens.rotate(connection, old.id, timedelta(days=int(days)))
            made = tokens.authenticate(connection, secret)
            assert made is not None, "it has just been made"
            noting.note(connection, Action.TOKEN_ROTATED, old.id, name=old.name, overlap_days=int(days))
            noting.note(connection, Action.TOKEN_CREATED, made.token_id, name=old.name)
    except TokenError as error:
        return make_response(_one(desk, token_id, str(error)), 409)
    return _once(desk, made.token_id, secret)


def _revoke(desk: Desk, token_id: str) -> Response:
    with desk.transaction() as connection:
        token = _token(connection, token_id)
        if tokens.revoke(connection, token.id):
            noting.note(connection, Action.TOKEN_REVOKED, token.id, name=token.name)
    return make_response(redirect(url_for("connections", done="revoked"), 303))


def _steps(desk: Desk, guide: str) -> str:
    if guide not in GUIDES:
        abort(404)
    return render_template("connection_steps.html", guide=GUIDES[guide], name=guide, **_addresses(desk))


def _once(desk: Desk, token_id: UUID, secret: str) -> Response:
    """Show a secret, which nobody can read again, in the answer itself: no address leads to it."""
    with desk.transaction() as connection:
        token = _token(connection, str(token_id))
    return make_response(render_template("connection_made.html", token=token, secret=secret, **_addresses(desk)))


def _token(connection: Connection, token_id: str) -> Token:
    wanted = ids.parse(token_id)
    found = tokens.find_of(connection, me().tenant_id, wanted) if wanted else None
    if found is None:
        abort(404)
    return found


def _terms() -> Terms:
    lifetime, networks = request.form.get("lifetime", ""), request.form.get("networks", "").replace(",", " ").split()
    scopes = request.form.getlist("scope")
    if lifetime not in LIFETIMES or not set(scopes) <= tokens.EVERYTHING:
        raise TokenError("Choose when the token ends, and what it may do, from what is offered")
    days = None if lifetime == "never" else timedelta(days=int(lifetime))
    return Terms(scopes=frozenset(map(Scope, scopes)), networks=networks, lifetime=days)


def _addresses(desk: Desk) -> dict[str, str]:
    return {"url": desk.tenant_url(), "entra_url": desk.tenant_url() + FLAG}


def _about(now: datetime) -> dict[str, Any]:
    return {"now": now, "warned": timedelta(days=max(tokens.WARNINGS)), "recent": timedelta(hours=24)}
