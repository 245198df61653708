"""Decide about one dead operation: try it again, or discard it for a reason; each is a row of the audit."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from flask import Response, abort, make_response, redirect, render_template, request, url_for
from sqlalchemy import Connection

from services.directory import dead, ids, members, next_steps, operation_details
from services.directory.audit_chain import Action
from services.directory.dead import Case, DecisionError, Replay
from services.directory.operation_details import Detail
from services.directory.permissions import Permission
from services.directory.portal import noting, workload
from services.directory.portal.desk import Desk, me
from services.directory.portal.errors import ToldError
from services.directory.portal.routes import Route
from services.directory.replaying import Ended, Replayer

WAIT_SECONDS = 3.0
"""How long the page waits to tell what became of a retry; it goes on without it."""

LONGEST_REASON = 300
NO_REASON = f"Say in at most {LONGEST_REASON} characters why nobody needs it."
SAID = {
    "applied": "It was applied.",
    "pending": "It was accepted anew, and is applied as soon as its turn comes.",
    "bad": "It was accepted anew, and did not succeed: see its replay below.",
    "discarded": "It was discarded.",
}


def routes(desk: Desk) -> Iterator[Route]:
    """Yield the routes of this module."""
    one = f"{workload.BASE}/<operation_id>"
    for rule, endpoint, view, method in (
        (one, "decision", _page, "GET"),
        (f"{one}/retry", "operation_retry", _retry, "POST"),
        (f"{one}/discard", "operation_discard", _discard, "POST"),
    ):
        yield Route(
            rule=rule, endpoint=endpoint, view=partial(view, desk), needs=Permission.PROVISIONING, methods=(method,)
        )


def _page(desk: Desk, operation_id: str, told: str | None = None) -> str:
    with desk.transaction() as connection:
        found = _find(connection, operation_id)
        name = members.named(connection, {found.lane}).get(found.lane)
        deeds = noting.deeds(connection, found.id)
    return render_template(
        "decision.html",
        found=found,
        name=name.name if name else None,
        advice=next_steps.of(found)[0],
        deeds=deeds,
        told=told,
        said=SAID.get(request.args.get("done", "")),
        longest=LONGEST_REASON,
    )


def _retry(desk: Desk, operation_id: str) -> Response:
    with desk.transaction() as connection:
        [case] = dead.cases(connection, [_find(connection, operation_id).id])
    known = request.form.get("later", "")
    if case.refusal is not None:
        return make_response(_page(desk, operation_id, _sentence(case.refusal)), 409)
    if not (known.isascii() and known.isdigit() and len(known) < 10):
        raise ToldError(400, "Load the page of the operation anew, and try again.")
    replayer = Replayer(engine=desk.engine, wake=desk.wake, wait_seconds=WAIT_SECONDS, note=_note)
    [ended] = replayer.replay([replace(case, later=int(known))])
    if ended.refusal is not None:
        return make_response(_page(desk, operation_id, _sentence(ended.refusal)), 409)
    return _back(operation_id, _outcome(ended))


def _discard(desk: Desk, operation_id: str) -> Response:
    why = " ".join(request.form.get("why", "").split())
    try:
        with desk.transaction() as connection:
            found = _find(connection, operation_id)
            if not why or len(why) > LONGEST_REASON or "\0" in why:
                return make_response(_page(desk, operation_id, NO_REASON), 400)
            dead.discard(connection, found.id, by=noting.actor(), why=why)
            noting.note(connection, Action.OPERATION_DISCARDED, found.id, by=noting.actor(), why=why)
    except DecisionError as error:
        return make_response(_page(desk, operation_id, _sentence(str(error))), 409)
    return _back(operation_id, "discarded")


def _find(connection: Connection, operation_id: str) -> Detail:
    wanted = ids.parse(operation_id)
    found = operation_details.find(connection, wanted, me().tenant_id) if wanted else None
    if found is None:
        abort(404)
    return found


def _note(connection: Connection, case: Case, made: Replay) -> None:
    noting.note(connection, Action.OPERATION_RETRIED, case.id, replay=str(made.id))


def _outcome(ended: Ended) -> str:
    if ended.is_pending:
        return "pending"
    return "applied" if ended.is_applied else "bad"


def _back(operation_id: str, done: str) -> Response:
    return make_response(redirect(url_for("decision", operation_id=operation_id, done=done), 303))


def _sentence(refusal: str) -> str:
    return f"{refusal[:1].upper()}{refusal[1:]}."
