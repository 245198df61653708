"""The page of whoever is signed in: what the admin may do, and another password."""

from collections.abc import Iterator
from functools import partial

from flask import Response, make_response, redirect, render_template, request, url_for

from services.directory import admin_passwords, admins, portal_sessions, sign_ins
from services.directory.admin_passwords import PasswordError
from services.directory.audit_chain import Action
from services.directory.permissions import IN_WORDS
from services.directory.portal import noting, slow, visits
from services.directory.portal.desk import Desk, me
from services.directory.portal.routes import Anyone, Route
from services.directory.sign_ins import Subject

WRONG = "This is not your present password"


def routes(desk: Desk) -> Iterator[Route]:
    """Yield the routes of this module."""
    yield Route(rule="/account", endpoint="account", view=partial(_page, desk), needs=Anyone.SIGNED_IN)
    yield Route(
        rule="/account/password",
        endpoint="account_password",
        view=partial(_set_password, desk),
        needs=Anyone.SIGNED_IN,
        methods=("POST",),
    )


def _page(desk: Desk, told: str | None = None) -> str:
    with desk.transaction() as connection:
        admin = admins.find(connection, me().email)
    mine = [(title, about, permission in me().permissions) for permission, (title, about) in IN_WORDS.items()]
    has_password = admin is not None and admin.password is not None
    done = "Your password is set. Everywhere else you are signed out." if "done" in request.args else None
    return render_template("account.html", mine=mine, has_password=has_password, told=told, done=done)


def _set_password(desk: Desk) -> Response:
    """Set another password; whoever has one must know it, so that an open browser is not enough."""
    with desk.transaction() as connection:
        admin = admins.find(connection, me().email)
        is_locked_out = sign_ins.is_locked_out(connection, Subject(sign_ins.EMAIL, me().email))
    assert admin is not None, "whoever is signed in is an admin"
    fresh, present = request.form.get("password", ""), request.form.get("present", "")[: admin_passwords.LONGEST]
    if is_locked_out:
        return make_response(_page(desk, "There were too many attempts: wait 15 minutes"), 429)
    if admin.password and not slow.run(admin_passwords.is_right, admin.password, present):
        return make_response(_page(desk, WRONG), 403)
    try:
        slow.run(admin_passwords.check, fresh, (me().email, me().tenant))
    except PasswordError as error:
        return make_response(_page(desk, str(error)), 400)
    hashed = slow.run(admin_passwords.hashed, fresh)
    with desk.transaction() as connection:
        admins.set_password(connection, me().tenant_id, me().admin_id, hashed)
        secret = portal_sessions.begin(connection, admin)
        sign_ins.forgive(connection, Subject(sign_ins.EMAIL, me().email))
        noting.note(connection, Action.ADMIN_PASSWORD_SET, me().admin_id)
    return visits.sign_in(desk, make_response(redirect(url_for("account", done=1), 303)), secret)
