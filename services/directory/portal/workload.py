"""The page of operations: what waits and why, how fast the others are settled, what is dead; it shows the present."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

from flask import render_template

from services.directory import backlog, figures, members, operations
from services.directory.operations import Wanted
from services.directory.permissions import Permission
from services.directory.portal.desk import Desk, me
from services.directory.portal.routes import Route

BASE = "/provisioning/operations"
SHOWN = 50


def routes(desk: Desk) -> Iterator[Route]:
    """Yield the page, and the part of it that is asked for again and again."""
    permission = Permission.PROVISIONING
    yield Route(rule=BASE, endpoint="workload", view=partial(_page, desk), needs=permission)
    yield Route(rule=f"{BASE}/now", endpoint="workload_now", view=partial(_now, desk), needs=permission, is_polled=True)


def _page(desk: Desk) -> str:
    return render_template("workload.html", **_shown(desk))


def _now(desk: Desk) -> str:
    return render_template("workload_now.html", **_shown(desk))


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
