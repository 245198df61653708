"""The page that answers why somebody was not provisioned: one search, one answer, one timeline of requests."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from flask import render_template, request

from services.directory import database, searching, why
from services.directory.audit_chain import Action
from services.directory.permissions import Permission
from services.directory.portal import noting
from services.directory.portal.desk import Desk, me
from services.directory.portal.errors import ToldError
from services.directory.portal.routes import Route
from services.directory.why import Answer

TOO_LONG = f"What you look for has at most {searching.LONGEST_WANTED} characters: one name, one address, or one id."


def routes(desk: Desk) -> Iterator[Route]:
    """Yield the routes of this module."""
    yield Route(rule="/provisioning/why", endpoint="why", view=partial(_page, desk), needs=Permission.PROVISIONING)


def _page(desk: Desk) -> str:
    wanted = request.args.get("q", "").strip()
    if len(wanted) > searching.LONGEST_WANTED or "\0" in wanted:
        raise ToldError(400, TOO_LONG)
    return render_template("why.html", q=wanted, answer=_answer(desk, wanted) if wanted else None)


def _answer(desk: Desk, wanted: str) -> Answer:
    """Return the answer, and note who has seen values, as the command does."""
    with desk.transaction() as connection:
        database.plan_once(connection)
        found = why.explain(connection, me().tenant_id, wanted, datetime.now(UTC))
        if found.events or found.perhaps:
            noting.note(connection, Action.VALUES_SHOWN, _target(found))
    return found


def _target(found: Answer) -> UUID | str:
    """Return whose values were shown, by an id."""
    return found.subjects[0].id if found.subjects else [*found.events, *found.perhaps][0].request_id
