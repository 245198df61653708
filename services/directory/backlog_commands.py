"""The commands that show how operations go: what waits and for how long, and how fast the others are settled."""

import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from services.directory import backlog, figures, operation_commands, tenants, terminal
from services.directory.backlog import Backlog
from services.directory.figures import WaitingLane

PAUSE_SECONDS = 2.0


@click.command("figures")
@click.option("--tenant", metavar="NAME", help="Only this tenant's.")
@operation_commands.json_option
@terminal.data_option
def show_figures(tenant: str | None, is_json: bool, data: Path | None) -> None:
    """Show how operations were settled in the last five minutes, which resources wait and why, and what is dead."""
    with terminal.transaction(data) as connection:
        tenant_id = None if tenant is None else tenants.find(connection, tenant).id
        pace = figures.pace(connection, datetime.now(UTC), tenant_id)
        lanes, dead = figures.waiting_lanes(connection, tenant_id), figures.dead(connection, tenant_id)
    if is_json:
        terminal.document({"pace": asdict(pace), "waiting": [asdict(lane) for lane in lanes], "dead": asdict(dead)})
        return
    click.echo(
        f"{pace.per_second} a second; from accept to settle {_seconds(pace.p50)}, 99 % within {_seconds(pace.p99)}"
    )
    click.echo(f"{dead.operations} dead operations without a decision (muster operations list --dead)")
    columns = ["tenant", "resource", "operations", "waits for", "starts", "error", "until"]
    terminal.table(columns, [_lane(lane) for lane in lanes])


@click.command("backlog")
@operation_commands.json_option
@terminal.data_option
def show_backlog(is_json: bool, data: Path | None) -> None:
    """Show what each tenant has pending, and how fast it is worked off: two looks, two seconds apart.

    \b
    due     operations that could be applied now
    held    operations of resources that wait for their next start
    oldest  seconds since the oldest one was accepted
    wait    seconds until what is due is expected to be applied, if that goes on

    While little is due, the rate tells what came in, and not what could be done.
    """
    before, _ = _look(data)
    time.sleep(PAUSE_SECONDS)
    after, names = _look(data)
    rate = (after.settled - before.settled) / (after.at - before.at).total_seconds()
    rows = _rows(after, names, rate)
    if is_json:
        terminal.document({"settled_per_second": round(rate, 1), "tenants": rows})
        return
    click.echo(f"{rate:.1f} operations settled a second")
    shown = [[None if value is None else str(value) for value in row.values()] for row in rows]
    terminal.table(["tenant", "due", "held", "oldest", "wait"], shown)


def _lane(lane: WaitingLane) -> list[str | None]:
    counts = str(lane.starts + lane.delays)
    waits = (str(lane.operation_id), counts, lane.last_error, terminal.moment(lane.not_before))
    return [lane.tenant, f"{lane.resource_type} {lane.lane}", str(lane.operations), *waits]


def _seconds(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f} s"


def _look(data: Path | None) -> tuple[Backlog, dict[object, str]]:
    with terminal.transaction(data) as connection:
        return backlog.look(connection), {tenant.id: tenant.slug for tenant in tenants.every(connection)}


def _rows(found: Backlog, names: dict[object, str], rate: float) -> list[dict[str, object]]:
    due = {tenant_id: waiting.due for tenant_id, waiting in found.waiting.items()}
    return [
        {
            "tenant": names[tenant_id],
            "due": waiting.due,
            "held": waiting.held,
            "oldest": round((found.at - waiting.oldest).total_seconds()),
            "wait": round(backlog.expected_wait(due, tenant_id, rate)) if rate else None,
        }
        for tenant_id, waiting in sorted(found.waiting.items(), key=lambda item: -item[1].due)
    ]
