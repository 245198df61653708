"""How far a connection came: its first times as a strip that turns green while somebody looks, and its habits."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any
from uuid import UUID

from flask import Response, abort, render_template
from sqlalchemy import Connection

from services.directory import ids, lints, onboarding
from services.directory.onboarding import Step
from services.directory.permissions import Permission
from services.directory.portal import streams
from services.directory.portal.desk import Desk, me
from services.directory.portal.routes import Route
from services.directory.portal.streams import Part

LOOK_SECONDS = 10.0
"""A strip is looked at again after so long even when nothing was heard."""

STEPS = {
    Step.TEST: "Test Connection",
    Step.MATCH: "First matching query",
    Step.USER: "First user",
    Step.GROUP: "First group",
    Step.MEMBER: "First member",
}


def routes(desk: Desk) -> Iterator[Route]:
    """Yield the part of a connection's page that shows the present: sent when it changes, or asked for again."""
    rule, needs = "/provisioning/connections/<token_id>/progress", Permission.PROVISIONING
    yield Route(rule=rule, endpoint="connection_progress", view=partial(_part, desk), needs=needs, is_polled=True)
    yield Route(
        rule=f"{rule}/live",
        endpoint="connection_live",
        view=partial(_live, desk),
        needs=needs,
        is_polled=True,
        is_stream=True,
    )


def shown(connection: Connection, token_id: UUID) -> Mapping[str, Any] | None:
    """Return what the strip shows of one of the visitor's tokens, or None when there is no such token."""
    found = {each.token_id: each for each in onboarding.connections(connection, me().tenant_id)}.get(token_id)
    if found is None:
        return None
    told = [each for each in lints.found(connection, me().tenant_id) if each.token_id in {None, token_id}]
    return {"connected": found, "steps": STEPS, "lints": told, "is_whole": set(found.milestones) == set(Step)}


def _live(desk: Desk, token_id: str) -> Response:
    make = partial(_part, desk, token_id)
    key = (me().tenant_id, "connection", ids.parse(token_id))
    return streams.answer(desk, Part(key=key, needs=Permission.PROVISIONING, seconds=LOOK_SECONDS, make=make))


def _part(desk: Desk, token_id: str) -> str:
    wanted = ids.parse(token_id)
    with desk.transaction() as connection:
        found = shown(connection, wanted) if wanted else None
    if found is None:
        abort(404)
    return render_template("connection_progress.html", **found)
