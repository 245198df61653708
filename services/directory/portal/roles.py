"""The pages of roles and security: which roles there are, who is in one, what it permits, and its history."""

from collections.abc import Iterator
from functools import partial
from typing import Any
from uuid import UUID

from flask import Response, abort, make_response, redirect, render_template, request, url_for
from sqlalchemy import Connection

from services.directory import ids, permissions, role_list, searching, sources
from services.directory.audit_chain import Action
from services.directory.permissions import IN_WORDS, Permission, PermissionsError
from services.directory.portal import cursors, employees, histories, noting
from services.directory.portal.desk import Desk, me
from services.directory.portal.errors import ToldError
from services.directory.portal.routes import Route
from shared.scim.resource_types import GROUPS

PAGE = 50
BASE = "/settings/general/roles"


def routes(desk: Desk) -> Iterator[Route]:
    """Yield the routes of this module."""
    for rule, endpoint, view in (
        (BASE, "roles", _list),
        (f"{BASE}/<role_id>", "role", _members),
        (f"{BASE}/<role_id>/permissions", "role_permissions", _permissions),
        (f"{BASE}/<role_id>/history", "role_history", _history),
    ):
        yield Route(rule=rule, endpoint=endpoint, view=partial(view, desk), needs=Permission.VIEW)
    yield Route(
        rule=f"{BASE}/<role_id>/permissions",
        endpoint="role_permissions_set",
        view=partial(_set_permissions, desk),
        needs=Permission.ROLES,
        methods=("POST",),
    )


def _list(desk: Desk) -> str:
    text, last = request.args.get("q", "").strip(), request.args.get("after")
    if len(text) > searching.LONGEST_WANTED or "\0" in text + (last or ""):
        raise ToldError(400, employees.TOO_LONG)
    with desk.transaction() as connection:
        lines, has_more = role_list.page(connection, me().tenant_id, text, last, PAGE)
        attached = permissions.of_roles(connection, me().tenant_id, [line.id for line in lines])
        shown = {"lines": lines, "attached": attached, "sources": sources.of(connection, me().tenant_id)}
    template = "roles_found.html" if request.headers.get("HX-Target") == "found" else "roles.html"
    after = lines[-1].name if has_more else None
    most = role_list.COUNTED
    return render_template(template, q=text, after=after, words=IN_WORDS, most=most, is_later=last is not None, **shown)


def _members(desk: Desk, role_id: str) -> str:
    with desk.transaction() as connection:
        shown = _role(connection, role_id)
        last = cursors.member(request.args["after"]) if "after" in request.args else None
        members, has_more = role_list.members(connection, me().tenant_id, shown["role"].id, last, PAGE)
    after = members[-1].id if has_more else None
    return render_template("role.html", tab="members", members=members, after=after, is_later=bool(last), **shown)


def _permissions(desk: Desk, role_id: str, told: str | None = None) -> str:
    with desk.transaction() as connection:
        shown = _role(connection, role_id)
        done_by = noting.deeds(connection, shown["role"].id)
    done = "Saved. It takes effect for the role's members with their next click." if "done" in request.args else None
    return render_template("role.html", tab="permissions", words=IN_WORDS, deeds=done_by, told=told, done=done, **shown)


def _set_permissions(desk: Desk, role_id: str) -> Response:
    names = request.form.getlist("permission")
    if not set(names) <= set(Permission):
        raise ToldError(400, "There is no such permission.")
    wanted = [Permission(name) for name in names]
    try:
        with desk.transaction() as connection:
            role: UUID = _role(connection, role_id)["role"].id
            added, removed = permissions.attach(connection, me().tenant_id, role, wanted, me().permissions)
            if added or removed:
                noting.note(connection, Action.PERMISSIONS_SET, role, added=added, removed=removed)
    except PermissionsError as error:
        return make_response(_permissions(desk, role_id, str(error)), 403)
    return make_response(redirect(url_for("role_permissions", role_id=role_id, done=1), 303))


def _history(desk: Desk, role_id: str) -> str:
    with desk.transaction() as connection:
        shown = _role(connection, role_id)
        resource_type = desk.catalogue(connection).by_name[GROUPS.name]
        told = histories.page(connection, resource_type, shown["role"].id)
    return render_template("role.html", tab="history", **shown, **told)


def _role(connection: Connection, role_id: str) -> dict[str, Any]:
    wanted = ids.parse(role_id)
    found = role_list.find(connection, me().tenant_id, wanted) if wanted else None
    if found is None:
        abort(404)
    return {
        "role": found,
        "attached": permissions.of_role(connection, me().tenant_id, found.id),
        "source": sources.of(connection, me().tenant_id).get(found.source) if found.source else None,
        "most": role_list.COUNTED,
    }
