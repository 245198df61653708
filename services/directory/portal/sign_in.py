"""The pages to sign in, with a password or a link that works once, and to sign out."""

import logging
from collections.abc import Iterator
from functools import partial
from typing import Any

from flask import Response, g, make_response, redirect, render_template, request, url_for

from services.directory import addresses, admin_passwords, admins, audit, database, portal_sessions, sign_ins
from services.directory.admins import Admin
from services.directory.audit_chain import Action
from services.directory.portal import noting, slow, visits
from services.directory.portal.desk import Desk
from services.directory.portal.routes import Anyone, Route
from services.directory.sign_ins import Subject

logger = logging.getLogger(__name__)

WRONG = "This is not the right e-mail address and password. Nobody is told which of the two is wrong."
LOCKED = "There were too many attempts. Wait 15 minutes, or ask your operator for a link that signs you in."
LEFT = "Your organisation has ended your account, so you cannot sign in."
USED = "This link has been used, or has ended. Ask your operator for another one: muster admin link"


def routes(desk: Desk) -> Iterator[Route]:
    """Yield the routes of this module."""
    anybody = Anyone.STRANGER
    yield Route(rule="/sign-in", endpoint="sign_in", view=_form, needs=anybody)
    yield Route(
        rule="/sign-in", endpoint="sign_in_send", view=partial(_sign_in, desk), needs=anybody, methods=("POST",)
    )
    yield Route(rule=admins.LINK_PATH, endpoint="sign_in_link", view=_link_form, needs=anybody)
    yield Route(
        rule=admins.LINK_PATH,
        endpoint="sign_in_link_send",
        view=partial(_use_link, desk),
        needs=anybody,
        methods=("POST",),
    )
    yield Route(
        rule="/sign-out",
        endpoint="sign_out",
        view=partial(_sign_out, desk),
        needs=Anyone.SIGNED_IN,
        methods=("POST",),
    )


def _form() -> Any:
    after = visits.own_path(request.args.get("next", "/"))
    if g.visitor is not None:
        return redirect(after, 303)
    said = "You are signed out." if "out" in request.args else None
    return render_template("sign_in.html", next=after, said=said)


def _sign_in(desk: Desk) -> Response:
    email, after = request.form.get("email", "").strip(), visits.own_path(request.form.get("next", "/"))
    by_email = Subject(sign_ins.EMAIL, email)
    with desk.before_sign_in() as connection:
        is_locked_out = sign_ins.is_locked_out(connection, by_email, _address())
        admin = None if is_locked_out else admins.find(connection, email)
    if is_locked_out:
        logger.warning("sign-in locked out")
        return _again("sign_in.html", LOCKED, 429, next=after, email=email)
    if not _is_right(admin, request.form.get("password", "")) or admin is None:
        logger.warning("sign-in refused")
        return _again("sign_in.html", WRONG, 403, next=after, email=email)
    with desk.before_sign_in() as connection:
        sign_ins.forgive(connection, by_email)
        sign_ins.take_back(connection, _address())
    return _begin(desk, admin, after, "password")


def _link_form() -> str:
    return render_template("sign_in_link.html")


def _use_link(desk: Desk) -> Response:
    """Sign in with a code, which nobody guesses: attempts need not be counted."""
    with desk.before_sign_in() as connection:
        admin = admins.use_link(connection, request.form.get("code", "").strip())
    if admin is None:
        return _again("sign_in_link.html", USED, 403)
    return _begin(desk, admin, "/" if admin.password else url_for("account"), "link")


def _begin(desk: Desk, admin: Admin, after: str, means: str) -> Response:
    """Sign an admin in, unless the admin is an employee who has left."""
    with database.transaction(desk.engine, admin.tenant_id) as connection:
        admins.link_employee(connection, admin)
        if portal_sessions.has_left(connection, admin):
            return _again("sign_in.html", LEFT, 403, next="/")
        secret = portal_sessions.begin(connection, admin)
        actor, details = f"{noting.ADMIN} {admin.id}", {noting.ADMIN: admin.email, "means": means}
        audit.record(connection, admin.tenant_id, Action.ADMIN_SIGNED_IN, actor=actor, target=admin.id, details=details)
    logger.info("signed in", extra={"admin_id": str(admin.id), "tenant": admin.tenant})
    return visits.sign_in(desk, make_response(redirect(after, 303)), secret)


def _sign_out(desk: Desk) -> Response:
    with desk.transaction() as connection:
        portal_sessions.end(connection, g.secret)
    return visits.sign_out(desk, make_response(redirect(url_for("sign_in", out=1), 303)))


def _again(template: str, told: str, status: int, **shown: Any) -> Response:
    return make_response(render_template(template, told=told, **shown), status)


def _address() -> Subject:
    return Subject(sign_ins.ADDRESS, addresses.network(request.remote_addr or ""))


def _is_right(admin: Admin | None, password: str) -> bool:
    """Whether it is the password; a thread looks, so that the process goes on meanwhile."""
    stored = admin.password if admin is not None else None
    if len(password) > admin_passwords.LONGEST:
        return False
    return slow.run(admin_passwords.is_right, stored, password)
