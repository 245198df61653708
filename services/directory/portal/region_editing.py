"""The page on which the rules of regions are edited: a draft in its form, a preview of who would move, then saved.

The draft is nowhere but in the form: each button sends it, and gets the page anew with what it asked for. What is saved
was previewed as it is, and nobody else's rules are overwritten unseen.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID

import orjson
from flask import Response, make_response, render_template, request
from sqlalchemy import Connection

from services.directory import region_moves, region_rules, region_saving
from services.directory import regions as regions_
from services.directory.audit_chain import Action
from services.directory.permissions import Permission
from services.directory.portal import cursors, noting, regions
from services.directory.portal.desk import Desk, me
from services.directory.portal.errors import ToldError
from services.directory.portal.routes import Route
from services.directory.region_rules import HQ, Operator, Rule, RuleError
from services.directory.region_saving import StaleRulesError
from shared.scim.attributes import ResourceType
from shared.scim.resource_types import USERS

PAGE = 25
NONSENSE = "This form is damaged. Load the page anew, and try again."
EMPTY = Rule(attribute="", operator=Operator.EQUALS, value="", region=HQ)
UNSEEN = "These rules were not previewed yet. This is what would happen: save them again if it is right."
STALE = "saved other rules while you were at it. Theirs are in force, and stand below; yours are still in the form."


@dataclass(frozen=True, kw_only=True)
class Draft:
    """Rules as they stand in the form, and the number of the saved ones that they were made from."""

    rules: Sequence[Rule]
    number: int


def routes(desk: Desk) -> Iterator[Route]:
    """Yield the routes of this module."""
    place = f"{regions.BASE}/rules"
    yield Route(rule=place, endpoint="region_rules", view=partial(_page, desk), needs=Permission.VIEW)
    yield Route(
        rule=place, endpoint="region_rules_edit", view=partial(_edit, desk), needs=Permission.ADMIN, methods=("POST",)
    )


def _page(desk: Desk) -> str:
    with desk.transaction() as connection:
        saved = region_saving.newest(connection, me().tenant_id)
        draft = Draft(rules=saved.rules if saved else [], number=saved.number if saved else 0)
        return _shown(desk, connection, draft)


def _edit(desk: Desk) -> str | Response:
    draft, (do, _, which) = _draft(), request.form.get("do", "").partition(" ")
    match do:
        case "add" | "up" | "down" | "delete":
            index = len(draft.rules) if do == "add" else _index(which, draft)
            edited = replace(draft, rules=edit(do, draft.rules, index))
            with desk.transaction() as connection:
                return _shown(desk, connection, edited)
        case "preview" | "more":
            return _preview(desk, draft, cursors.member(which) if do == "more" else None)
        case "save":
            return _save(desk, draft)
        case _:
            raise ToldError(400, NONSENSE)


def edit(do: str, rules: Sequence[Rule], index: int) -> Sequence[Rule]:
    """Return rules with one more, one less, or two in another order."""
    others = [*rules[:index], *rules[index + 1 :]]
    match do:
        case "add":
            return [*rules, EMPTY]
        case "delete":
            return others
        case "up":
            return [*others[: max(index - 1, 0)], rules[index], *others[max(index - 1, 0) :]]
        case _:
            return [*others[: index + 1], rules[index], *others[index + 1 :]]


def digest(draft: Draft) -> str:
    """Return what tells whether a draft is the one that was previewed."""
    return hashlib.sha256(orjson.dumps([draft.number, region_rules.document(draft.rules)])).hexdigest()


def _preview(desk: Desk, draft: Draft, last: UUID | None, told: str | None = None) -> Response:
    try:
        with desk.transaction() as connection:
            checked = replace(draft, rules=_checked(desk, connection, draft.rules))
            page = _shown(desk, connection, checked, warning=told, **_moves(desk, connection, checked, last))
            return make_response(page)
    except RuleError as error:
        return _refused(desk, draft, f"{error}.", 400)


def _save(desk: Desk, draft: Draft) -> Response:
    if request.form.get("previewed") != digest(draft):
        return _preview(desk, draft, None, UNSEEN)
    try:
        with desk.transaction() as connection:
            rules = _checked(desk, connection, draft.rules)
            before = region_saving.newest(connection, me().tenant_id)
            if before is not None and before.number == draft.number and before.rules == rules:
                return regions.back("same")
            saved = region_saving.save(connection, me().tenant_id, rules, draft.number, noting.actor())
            _note(connection, saved.number, rules)
    except RuleError as error:
        return _refused(desk, draft, f"{error}.", 400)
    except StaleRulesError:
        return _stale(desk, draft)
    return regions.back("saved")


def _stale(desk: Desk, draft: Draft) -> Response:
    """Show what somebody else saved beside the draft, which takes its place only when it is previewed once more."""
    with desk.transaction() as connection:
        theirs = region_saving.newest(connection, me().tenant_id)
        assert theirs is not None, "somebody saved them"
        [saver] = region_saving.savers(connection, me().tenant_id, {theirs.saved_by}).values()
        told = f"{saver[:1].upper()}{saver[1:]} {STALE}"
        known = replace(draft, number=theirs.number)
        return make_response(_shown(desk, connection, known, told=told, theirs=theirs), 409)


def _refused(desk: Desk, draft: Draft, told: str, status: int) -> Response:
    with desk.transaction() as connection:
        return make_response(_shown(desk, connection, draft, told=told), status)


def _shown(desk: Desk, connection: Connection, draft: Draft, **more: Any) -> str:
    offered, known = regions.labels(desk, connection), regions_.names(connection, me().tenant_id)
    return render_template(
        "region_rules.html",
        draft=draft,
        offered=offered,
        names=known,
        operators=Operator,
        is_present=Operator.IS_PRESENT,
        label_of=partial(regions.label_of, offered),
        longest=region_rules.LONGEST_VALUE,
        most=region_rules.MOST_RULES,
        hq=HQ,
        **more,
    )


def _moves(desk: Desk, connection: Connection, draft: Draft, last: UUID | None) -> dict[str, Any]:
    rules = region_moves.Rules(tenant_id=me().tenant_id, rules=draft.rules, resource_type=_users(desk, connection))
    groups = region_moves.groups(connection, rules)
    moves, has_more = region_moves.page(connection, rules, last, PAGE)
    return {
        "is_previewed": True,
        "previewed": digest(draft),
        "groups": groups,
        "count": sum(group.employees for group in groups),
        "moves": moves,
        "after": moves[-1].id if has_more else None,
        "is_later": last is not None,
    }


def _checked(desk: Desk, connection: Connection, rules: Sequence[Rule]) -> Sequence[Rule]:
    """Return rules that make sense, of regions that there are. Raises RuleError."""
    names = regions_.names(connection, me().tenant_id)
    for number, rule in enumerate(rules, start=1):
        if rule.region not in names:
            raise RuleError(f"Rule {number}: there is no such region any more, choose another one")
    return region_rules.checked(rules, _users(desk, connection))


def _users(desk: Desk, connection: Connection) -> ResourceType:
    return desk.catalogue(connection).by_name[USERS.name]


def _draft() -> Draft:
    """Return what the form says. Raises ToldError when no form of ours says so."""
    columns = [request.form.getlist(name) for name in ("attribute", "operator", "value", "region")]
    number = request.form.get("number", "")
    is_whole = len({len(column) for column in columns}) == 1 and number.isascii() and number.isdigit()
    if not is_whole or len(number) > 9 or not set(columns[1]) <= set(Operator):
        raise ToldError(400, NONSENSE)
    if len(columns[0]) > region_rules.MOST_RULES:
        raise ToldError(400, f"There are at most {region_rules.MOST_RULES} rules.")
    rules = [
        Rule(attribute=attribute, operator=Operator(operator), value=value.strip(), region=region)
        for attribute, operator, value, region in zip(*columns, strict=True)
    ]
    return Draft(rules=rules, number=int(number))


def _index(which: str, draft: Draft) -> int:
    if not (which.isascii() and which.isdigit() and 0 < int(which[:3]) <= len(draft.rules)):
        raise ToldError(400, NONSENSE)
    return int(which[:3]) - 1


def _note(connection: Connection, number: int, rules: Sequence[Rule]) -> None:
    noting.note(
        connection, Action.REGION_RULES_SAVED, me().tenant_id, number=number, rules=region_rules.document(rules)
    )
