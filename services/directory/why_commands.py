"""The commands that tell what came from an identity provider: why somebody is not there, its cycles, its habits."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.directory import audit, cycles, lints, onboarding, operation_commands, quarantine, tenants, terminal, why
from services.directory.audit_chain import Action
from services.directory.cycles import Cycle, Rhythm
from services.directory.lints import Finding
from services.directory.onboarding import Step
from services.directory.why import Answer
from services.directory.why_events import Event

SHOWN_CYCLES = 20


@click.command("why")
@click.argument("wanted", metavar="TEXT")
@click.option("--tenant", required=True, metavar="NAME", help="Whose person or group it is.")
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1, why.MOST_EVENTS), help="How many events."
)
@operation_commands.json_option
@terminal.data_option
def why_command(wanted: str, tenant: str, limit: int, is_json: bool, data: Path | None) -> None:
    """Say why TEXT was not provisioned, or what came of it, and what to change at the identity provider.

    TEXT is a name, an e-mail address, a userName, an externalId, a group's name, or the id of a user, a group or a
    request. It shows values, which are personal data, and never a secret; the audit tells who asked.

    \b
    muster why ada@example.com --tenant acme
    muster why "Sales EMEA" --tenant acme
    muster why 76d7b3d9-cbca-4ec5-a201-e9b7508f76f0 --tenant acme --json
    """
    with terminal.transaction(data) as connection:
        tenant_id = tenants.serve(connection, tenant).id
        found = why.explain(connection, tenant_id, wanted, datetime.now(UTC), limit)
        if found.events or found.perhaps:
            audit.record(connection, tenant_id, Action.VALUES_SHOWN, actor=terminal.operator(), target=_target(found))
    if is_json:
        terminal.document(_described(found))
    else:
        _show(found)


@click.command("cycles")
@click.argument("tenant")
@operation_commands.json_option
@terminal.data_option
def cycles_command(tenant: str, is_json: bool, data: Path | None) -> None:
    """Show the cycles of TENANT's identity provider: when each began, what it did, and when the next is due.

    Of Entra ID it is told, too, whether it is about to put the connection into quarantine, as far as Microsoft's
    published rules tell.
    """
    with terminal.transaction(data) as connection:
        tenant_id = tenants.serve(connection, tenant).id
        rhythm = cycles.of(connection, tenant_id, datetime.now(UTC))
        is_denied = why.is_denied(connection, tenant_id, datetime.now(UTC))
    forecast = quarantine.forecast(rhythm.last, is_denied=is_denied)
    if is_json:
        terminal.document(
            {
                "cycles": [asdict(each) for each in rhythm.cycles],
                "interval_seconds": None if rhythm.interval is None else rhythm.interval.total_seconds(),
                "expected_at": rhythm.expected_at,
                "missed": rhythm.missed,
                "is_late": rhythm.is_late,
                "quarantine": asdict(forecast),
            }
        )
        return
    columns = ["began", "minutes", "requests", "created", "changed", "disabled", "deleted", "failed"]
    terminal.table(columns, [_cycle(each) for each in rhythm.cycles[:SHOWN_CYCLES]])
    for line in (_expected(rhythm), f"Quarantine: {forecast.risk}. {forecast.words}", f"By {forecast.source}"):
        click.echo(line)


@click.command("connections")
@click.argument("tenant")
@operation_commands.json_option
@terminal.data_option
def connections_command(tenant: str, is_json: bool, data: Path | None) -> None:
    """Show how far each of TENANT's connections came, and what had better be changed at the identity provider."""
    with terminal.transaction(data) as connection:
        tenant_id = tenants.serve(connection, tenant).id
        found = onboarding.connections(connection, tenant_id)
        told = lints.found(connection, tenant_id)
    if is_json:
        terminal.document({"connections": [asdict(each) for each in found], "lints": [asdict(each) for each in told]})
        return
    rows: list[list[str | None]] = [[each.name, *(_reached(each, step) for step in Step)] for each in found]
    terminal.table(["token", *(f"first {step}" for step in Step)], rows)
    click.echo()
    columns = ["lint", "about", "times", "what it leads to", "in Entra", "in Okta"]
    terminal.table(columns, [_finding(each) for each in told])


def _target(found: Answer) -> UUID | str:
    """Return whose values were shown, by an id."""
    if found.subjects:
        return found.subjects[0].id
    return [*found.events, *found.perhaps][0].request_id


def _show(found: Answer) -> None:
    console = Console(emoji=False, highlight=False)
    console.print(Text(found.sentence, style="green" if found.is_good else "bold red"))
    console.print(f"Reason: {found.reason.code}")
    if found.decisive is not None and found.decisive.detail:
        console.print(Text(f"The client was told: {found.decisive.detail}"))
    if not found.is_good:
        console.print(Text(f"In Entra: {found.reason.entra}\nIn Okta:  {found.reason.okta}"))
    if len(found.subjects) > 1:
        console.print(Text("It may mean: " + ", ".join(f"{one.label} [{one.id}]" for one in found.subjects)))
    _timeline("Timeline, the newest first", found.events, console)
    _timeline("Perhaps, for it is not known whom these were about", found.perhaps, console)


def _timeline(title: str, events: Sequence[Event], console: Console) -> None:
    if not events:
        return
    console.print(Text(f"\n{title}"))
    grid = Table("when", "what", "status", "reason", "says or changed", "request", box=None, pad_edge=False)
    for each in events:
        lines = "\n".join([*([each.detail] if each.detail else []), *(each.changed or each.said)])
        what = f"{each.method} {each.resource_type or each.endpoint}"
        cells = (terminal.moment(each.at), what, str(each.status or ""), each.reason.code, lines, each.request_id)
        grid.add_row(*(Text(cell) for cell in cells))
    console.print(grid)


def _described(found: Answer) -> dict[str, Any]:
    return {
        "wanted": found.wanted,
        "reason": asdict(found.reason),
        "sentence": found.sentence,
        "subjects": [asdict(each) for each in found.subjects],
        "decisive": None if found.decisive is None else _event(found.decisive),
        "events": [_event(each) for each in found.events],
        "perhaps": [_event(each) for each in found.perhaps],
        "last_cycle_at": None if found.rhythm.last is None else found.rhythm.last.began,
    }


def _event(event: Event) -> dict[str, Any]:
    return vars(event) | {"reason": event.reason.code}


def _cycle(cycle: Cycle) -> list[str | None]:
    numbers = (cycle.requests, cycle.created, cycle.changed, cycle.disabled, cycle.deleted, cycle.failed)
    return [terminal.moment(cycle.began), str(cycle.length // timedelta(minutes=1)), *map(str, numbers)]


def _expected(rhythm: Rhythm) -> str:
    if rhythm.interval is None:
        return "Nothing is expected: it comes at no regular times, or did not come often enough yet."
    minutes, expected = rhythm.interval // timedelta(minutes=1), terminal.moment(rhythm.expected_at)
    every = f"Every {minutes} minutes; the next one at {expected}."
    return f"{every} {rhythm.missed} were missed: look at the identity provider." if rhythm.is_late else every


def _reached(connected: onboarding.Connected, step: Step) -> str:
    return terminal.moment(connected.milestones[step].at) if step in connected.milestones else "not yet"


def _finding(found: Finding) -> list[str | None]:
    return [
        found.lint.code,
        found.about,
        _of(found.times, found.of),
        found.lint.words,
        found.lint.entra,
        found.lint.okta,
    ]


def _of(times: int | None, every: int | None) -> str:
    return "" if times is None else str(times) if every is None else f"{times} of {every}"
