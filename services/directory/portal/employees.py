"""The pages of employees: the list that is filtered while somebody types, and one employee with roles and history."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

from flask import abort, render_template, request
from sqlalchemy import Connection

from services.directory import employee_list, queries, region_rules, region_saving, regions, searching, sources
from services.directory.employee_list import Page, Wanted
from services.directory.permissions import Permission
from services.directory.portal import cursors, histories, profiles
from services.directory.portal.desk import Desk, me
from services.directory.portal.errors import ToldError
from services.directory.portal.routes import Route
from services.directory.region_rules import Rule
from shared.scim import projection
from shared.scim.attributes import ResourceType
from shared.scim.errors import NotFoundError
from shared.scim.resource_types import USERS

PAGE = 50
STATES: Mapping[str, bool | None] = {"": None, "active": True, "inactive": False}
TOO_LONG = f"A search has at most {searching.LONGEST_WANTED} characters."


def routes(desk: Desk) -> Iterator[Route]:
    """Yield the routes of this module."""
    for rule, endpoint, view in (
        ("/employees", "employees", _list),
        ("/employees/<employee_id>", "employee", _profile),
        ("/employees/<employee_id>/roles", "employee_roles", _roles),
        ("/employees/<employee_id>/history", "employee_history", _history),
    ):
        yield Route(rule=rule, endpoint=endpoint, view=partial(view, desk), needs=Permission.VIEW)


def wanted(region_names: Mapping[str, str]) -> Wanted:
    """Return which employees the address asks for, of the regions that there are. Raises ToldError."""
    text, state = request.args.get("q", "").strip(), request.args.get("status", "")
    if len(text) > searching.LONGEST_WANTED or "\0" in text:
        raise ToldError(400, TOO_LONG)
    if state not in STATES:
        raise ToldError(400, "The status is active or inactive.")
    region = request.args.get("region", "")
    if region and region not in region_names:
        raise ToldError(400, "There is no such region. It may have been removed.")
    return Wanted(tenant_id=me().tenant_id, text=text, is_active=STATES[state], region=region or None)


def _list(desk: Desk) -> str:
    with desk.transaction() as connection:
        names = regions.names(connection, me().tenant_id)
        asked = wanted(names)
        page = _page(connection, asked)
        shown = {
            "page": page,
            "count": employee_list.count(connection, asked),
            "sources": sources.of(connection, me().tenant_id),
            "regions": names,
        }
        is_empty = not shown["count"] and not employee_list.count(connection, Wanted(tenant_id=me().tenant_id))
    links = {"earlier": cursors.of_employee(page.first), "later": cursors.of_employee(page.last)} if page.lines else {}
    template = "employees_found.html" if request.headers.get("HX-Target") == "found" else "employees.html"
    filters = {"q": asked.text, "status": request.args.get("status", ""), "region": asked.region or ""}
    given = {name: value for name, value in filters.items() if value}
    most = employee_list.COUNTED
    return render_template(template, **shown, **filters, given=given, links=links, most=most, is_empty=is_empty)


def _page(connection: Connection, asked: Wanted) -> Page:
    if "after" in request.args:
        return employee_list.after(connection, asked, cursors.employee(request.args["after"]), PAGE)
    if "before" in request.args:
        return employee_list.before(connection, asked, cursors.employee(request.args["before"]), PAGE)
    return employee_list.first(connection, asked, PAGE)


def _profile(desk: Desk, employee_id: str) -> str:
    with desk.transaction() as connection:
        shown = _employee(desk, connection, employee_id)
        groups = profiles.groups(shown["resource_type"], shown["resource"])
        rule = _rule(connection, shown["resource_type"], shown["resource"])
    return render_template("employee.html", tab="profile", groups=groups, rule=rule, **shown)


def _rule(connection: Connection, resource_type: ResourceType, resource: dict[str, Any]) -> tuple[int, Rule] | None:
    """Return the rule of regions that decides about an employee, with its number."""
    saved = region_saving.newest(connection, me().tenant_id)
    number = region_rules.first_match(saved.rules, resource, resource_type) if saved else None
    return (number, saved.rules[number - 1]) if saved and number else None


def _roles(desk: Desk, employee_id: str) -> str:
    with desk.transaction() as connection:
        shown = _employee(desk, connection, employee_id)
    return render_template("employee.html", tab="roles", **shown)


def _history(desk: Desk, employee_id: str) -> str:
    with desk.transaction() as connection:
        shown = _employee(desk, connection, employee_id)
        told = histories.page(connection, shown["resource_type"], UUID(shown["resource"]["id"]))
    return render_template("employee.html", tab="history", **shown, **told)


def _employee(desk: Desk, connection: Connection, employee_id: str) -> dict[str, Any]:
    resource_type: ResourceType = desk.catalogue(connection).by_name[USERS.name]
    try:
        found = queries.get(connection, resource_type, me().tenant_id, employee_id, queries.wants_all)
    except NotFoundError:
        abort(404)
    about = employee_list.one(connection, me().tenant_id, UUID(found["id"]))
    names = regions.names(connection, me().tenant_id)
    return {
        "resource_type": resource_type,
        "resource": projection.without_sensitive(found, resource_type),
        "about": replace(about, region=names.get(about.region, about.region)),
        "source": sources.of(connection, me().tenant_id).get(about.source) if about.source else None,
    }
