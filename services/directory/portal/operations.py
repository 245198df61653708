"""The page of one operation: the write as it was accepted, and what became of it; secrets are not shown."""

from collections.abc import Iterator
from functools import partial

from flask import abort, render_template

from services.directory import ids, members, operation_details
from services.directory.apply import MOVE
from services.directory.permissions import Permission
from services.directory.portal import histories
from services.directory.portal.desk import Desk, me
from services.directory.portal.routes import Route
from shared.scim import redaction


def routes(desk: Desk) -> Iterator[Route]:
    """Yield the routes of this module."""
    yield Route(
        rule="/operations/<operation_id>", endpoint="operation", view=partial(_page, desk), needs=Permission.VIEW
    )


def _page(desk: Desk, operation_id: str) -> str:
    wanted = ids.parse(operation_id)
    with desk.transaction() as connection:
        found = operation_details.find(connection, wanted, me().tenant_id) if wanted else None
        named = members.named(connection, {found.lane}) if found else {}
        saver = histories.moved_by(connection, {found.token_id}).get(found.token_id) if found else None
    if found is None:
        abort(404)
    name = named[found.lane].name if found.lane in named else None
    lines = (
        []
        if found.method == MOVE
        else list(redaction.lines(found.resource_type, found.method, found.request, redaction.with_values))
    )
    return render_template("operation.html", found=found, lines=lines, name=name, saver=saver)
