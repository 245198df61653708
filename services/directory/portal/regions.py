"""The page of regions: which there are, the rules that say who belongs where, and how far they have moved people."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from flask import Response, abort, make_response, redirect, render_template, request, url_for
from sqlalchemy import Connection

from services.directory import region_moving, region_rules, region_saving, regions
from services.directory.audit_chain import Action
from services.directory.permissions import Permission
from services.directory.portal import noting, words
from services.directory.portal.desk import Desk, me
from services.directory.portal.noting import Deed
from services.directory.portal.routes import Route
from services.directory.region_rules import HQ, Rule
from services.directory.regions import RegionError
from shared.scim.resource_types import USERS

BASE = "/settings/general/regions"
ACTIONS = {
    Action.REGION_CREATED: "made the region",
    Action.REGION_RENAMED: "renamed the region",
    Action.REGION_REMOVED: "removed the region",
    Action.REGION_RULES_SAVED: "saved rules",
    Action.REGION_RULES_AGAIN: "had everybody checked again",
}
SAID = {
    "saved": "The rules are in force: every write goes by them from now on, and everybody else is moved.",
    "same": "Nothing was changed: these rules are in force already.",
    "again": "Everybody is checked again, and moved if need be.",
    "made": "The region was made.",
    "renamed": "The region was renamed. Whoever belongs to it stays.",
    "removed": "The region was removed.",
}


def routes(desk: Desk) -> Iterator[Route]:
    """Yield the routes of this module."""
    for rule, endpoint, view, needs, method in (
        (BASE, "regions", _page, Permission.VIEW, "GET"),
        (BASE, "region_create", _create, Permission.ADMIN, "POST"),
        (f"{BASE}/again", "regions_again", _again, Permission.ADMIN, "POST"),
        (f"{BASE}/<region_id>/rename", "region_rename", _rename, Permission.ADMIN, "POST"),
        (f"{BASE}/<region_id>/remove", "region_remove", _remove, Permission.ADMIN, "POST"),
    ):
        yield Route(rule=rule, endpoint=endpoint, view=partial(view, desk), needs=needs, methods=(method,))
    yield Route(
        rule=f"{BASE}/moving",
        endpoint="regions_moving",
        view=partial(_moving, desk),
        needs=Permission.VIEW,
        is_polled=True,
    )


def labels(desk: Desk, connection: Connection) -> dict[str, dict[str, str]]:
    """Return the attributes that rules may compare, with their labels, by the names of their schemas."""
    found: dict[str, dict[str, str]] = {}
    for path in region_rules.offered(desk.catalogue(connection).by_name[USERS.name]):
        name = words.label(path.attribute.name)
        has_part = path.sub is not None and path.sub.name != "value"
        text = f"{name}: {words.label(path.leaf.name).lower()}" if has_part else name
        found.setdefault(words.label(path.schema.name), {})[path.text] = text
    return found


def label_of(labels_: dict[str, dict[str, str]], rule: Rule) -> str:
    """Return what a rule's attribute is called, also when it is declared no longer."""
    known = {text: label for group in labels_.values() for text, label in group.items()}
    return known.get(rule.attribute) or f"{words.label(rule.attribute)} (declared no longer)"


def _page(desk: Desk, told: str | None = None) -> str:
    with desk.transaction() as connection:
        known = regions.every(connection, me().tenant_id)
        saved = region_saving.newest(connection, me().tenant_id)
        offered = labels(desk, connection)
        rules = [(rule, label_of(offered, rule)) for rule in saved.rules] if saved else []
        shown = {
            "regions": known,
            "names": {each.id: each.name for each in known},
            "counts": regions.counts(connection, me().tenant_id, [each.id for each in known]),
            "rules": rules,
            "deeds": _deeds(connection),
            **_standing(connection),
        }
    uses = {each.id: [number for number, (rule, _) in enumerate(rules, 1) if rule.region == each.id] for each in known}
    said = SAID.get(request.args.get("done", ""))
    most, longest = regions.COUNTED, regions.LONGEST_NAME
    return render_template(
        "regions.html", **shown, uses=uses, told=told, said=said, most=most, longest=longest, hq=HQ, actions=ACTIONS
    )


def _moving(desk: Desk) -> str:
    with desk.transaction() as connection:
        shown = _standing(connection)
    return render_template("regions_moving.html", **shown)


def _standing(connection: Connection) -> dict[str, Any]:
    saved = region_saving.newest(connection, me().tenant_id)
    if saved is None:
        return {"saved": None}
    standing = region_moving.standing(connection, me().tenant_id, saved)
    [saver] = region_saving.savers(connection, me().tenant_id, {saved.saved_by}).values()
    return {"saved": saved, "saver": saver, "standing": standing}


def _create(desk: Desk) -> Response:
    try:
        with desk.transaction() as connection:
            made = regions.create(connection, me().tenant_id, request.form.get("name", ""))
            noting.note(connection, Action.REGION_CREATED, me().tenant_id, region=made.name)
    except RegionError as error:
        return make_response(_page(desk, f"{error}."), 400)
    return back("made")


def _rename(desk: Desk, region_id: str) -> Response:
    try:
        with desk.transaction() as connection:
            before = _find(connection, region_id)
            renamed = regions.rename(connection, me().tenant_id, region_id, request.form.get("name", ""))
            noting.note(connection, Action.REGION_RENAMED, me().tenant_id, region=renamed.name, before=before)
    except RegionError as error:
        return make_response(_page(desk, f"{error}."), 400)
    return back("renamed")


def _remove(desk: Desk, region_id: str) -> Response:
    try:
        with desk.transaction() as connection:
            _find(connection, region_id)
            removed = regions.remove(connection, me().tenant_id, region_id)
            noting.note(connection, Action.REGION_REMOVED, me().tenant_id, region=removed.name)
    except RegionError as error:
        return make_response(_page(desk, f"{error}."), 409)
    return back("removed")


def _again(desk: Desk) -> Response:
    with desk.transaction() as connection:
        saved = region_saving.begin_again(connection, me().tenant_id)
        if saved is not None:
            noting.note(connection, Action.REGION_RULES_AGAIN, me().tenant_id, number=saved.number)
    return back("again")


def back(done: str) -> Response:
    """Go to the page of regions, which says what was done."""
    return make_response(redirect(url_for("regions", done=done), 303))


def _find(connection: Connection, region_id: str) -> str:
    found = regions.find(connection, me().tenant_id, region_id)
    if found is None:
        abort(404)
    return found.name


def _deeds(connection: Connection) -> Sequence[Deed]:
    return [deed for deed in noting.deeds(connection, me().tenant_id) if deed.action in ACTIONS]
