"""The page of operations: what waits and why, how fast the others are settled, what is dead; it shows the present."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

from flask import Response, render_template

from services.directory import backlog, figures, members, operations
from services.directory.operations import Wanted
from services.directory.permissions import Permission
from services.directory.portal import streams
from services.directory.portal.desk import Desk, me
from services.directory.portal.routes import Route
from services.directory.portal.streams import Part

BASE = "/provisioning/operations"
SHOWN = 50
LOOK_SECONDS = 3.0
"""What waits and what is settled changes without a request, too."""


def routes(desk: Desk) -> Iterator[Route]:
    """Yield the page, and the part of it that shows the present: sent when it changes, or asked for again."""
    permission = Permission.PROVISIONING
    yield Route(rule=BASE, endpoint="workload", view=partial(_page, desk), needs=permission)
    yield Route(rule=f"{BASE}/now", endpoint="workload_now", view=partial(_now, desk), needs=permission, is_polled=True)
    yield Route(
        rule=f"{BASE}/live",
        endpoint="workload_live",
        view=partial(_live, desk),
        needs=permission,
        is_polled=True,
        is_stream=True,
    )


def _page(desk: Desk) -> str:
    return render_template("workload.html", **_shown(desk))


def _now(desk: Desk) -> str:
    return render_template("workload_now.html", **_shown(desk))


def _live(desk: Desk) -> Response:
    key = (me().tenant_id, "workload")
    part = Part(key=key, needs=Permission.PROVISIONING, seconds=LOOK_SECONDS, make=partial(_now, desk))
    return streams.answer(desk, part)


def _shown(desk: Desk) -> dict[str, Any]:
    now, tenant_id = datetime.now(UTC), me().tenant_id
    with desk.transaction() as connection:
        lanes = figures.waiting_lanes(connection, tenant_id)
        dead = operations.newest(connection, Wanted(tenant=me().tenant, is_undecided=True), SHOWN)
        names = members.named(connection, {each.lane for each in lanes} | {each.lane for each in dead})
        return {
            "now": now,
            "waiting": backlog.look(connection).waiting.get(tenant_id),
            "pace": figures.pace(connection, now, tenant_id),
            "lanes": lanes,
            "dead": dead,
            "dead_count": figures.dead(connection, tenant_id).operations,
            "names": {lane: named.name for lane, named in names.items()},
        }
