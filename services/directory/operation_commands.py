"""The commands that look at operations: which there are, and all about one."""

from collections.abc import Iterator
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from services.directory import audit, next_steps, operation_details, operation_options, operations, tenants, terminal
from services.directory.audit_chain import Action
from services.directory.journal import State
from services.directory.operation_details import Detail
from services.directory.operations import Line, Wanted
from shared.scim import redaction

SHOWN_LINES = 100
"""A group may name thousands of members."""

json_option = click.option("--json", "is_json", is_flag=True, help="Print JSON, for programs.")


@click.group("operations")
def operations_group() -> None:
    """Operations: the writes in the journal, what each ended in, and what to do about the dead ones."""


@operations_group.command("list")
@click.option("--dead", is_flag=True, help="Only those given up that nobody replayed or discarded yet.")
@click.option("--pending", is_flag=True, help="Only those that are not applied yet.")
@click.option("--state", type=click.Choice([state.value for state in State]), help="Only those in this state.")
@operation_options.filters
@click.option(
    "--limit", default=50, show_default=True, type=click.IntRange(1, 100_000), help="How many, the newest first."
)
@json_option
@terminal.data_option
def list_operations(
    wanted: Wanted, dead: bool, pending: bool, state: str | None, limit: int, is_json: bool, data: Path | None
) -> None:
    """List operations, the newest first, without the values they carry.

    \b
    What needs somebody:        muster operations list --dead
    What waits, and why:        muster operations list --pending --tenant acme
    What became of a request:   muster operations list --request 76d7b3d9-cbca-4ec5-a201-e9b7508f76f0
    What one user went through: muster operations list --resource 01a20a49-a82d-73c0-b2d9-1cfd8ec0fb9c
    Refused as duplicates:      muster operations list --error uniqueness --since 2h
    """
    if dead + pending + (state is not None) > 1:
        raise click.UsageError("--dead, --pending and --state exclude each other")
    asked = State.PENDING if pending else None if state is None else State(state)
    with terminal.transaction(data) as connection:
        if wanted.tenant is not None:
            tenants.find(connection, wanted.tenant)
        found = operations.newest(connection, replace(wanted, state=asked, is_undecided=dead), limit)
    if is_json:
        terminal.document([vars(line) for line in found])
    else:
        columns = ["id", "accepted", "tenant", "what", "resource", "seq", "state", "status", "starts", "error"]
        terminal.table(columns, [_row(line) for line in found])


@operations_group.command("show")
@click.argument("operation_id", metavar="ID")
@click.option("--values", is_flag=True, help="Show the values of the request, too: personal data. Never secrets.")
@json_option
@terminal.data_option
def show_operation(operation_id: str, values: bool, is_json: bool, data: Path | None) -> None:
    """Show the operation ID: its request, each start that failed, its replays, and what to do next.

    The request is shown as it was accepted, attribute by attribute. Instead of values stand their kind and size, but
    for booleans, ids, and values that the protocol itself defines, such as "work".
    """
    with terminal.transaction(data) as connection:
        found = operation_details.find(connection, terminal.read_id(operation_id, "operation"))
        if found is not None and values:
            tenant_id, actor = tenants.find(connection, found.tenant).id, terminal.operator()
            audit.record(connection, tenant_id, Action.VALUES_SHOWN, actor=actor, target=found.id)
    if found is None:
        raise click.ClickException("There is no such operation (see: muster operations list)")
    show = redaction.with_values if values else redaction.without_values
    request = list(redaction.lines(found.resource_type, found.method, found.request, show))
    if is_json:
        terminal.document(_described(found) | {"request": [vars(line) for line in request]})
        return
    terminal.table(["", ""], [[name, _text(value)] for name, value in _described(found).items() if _is_plain(value)])
    _section("Request", ["", "", ""], [[line.op, line.path, line.value] for line in islice(request, SHOWN_LINES)])
    if len(request) > SHOWN_LINES:
        click.echo(f"and {len(request) - SHOWN_LINES} more (all of them: --json)")
    _section("Failed starts", ["when", "error", "where", "counted"], [list(row) for row in _failures(found)])
    _section("Replays", ["id", "state", "status"], [[str(r.id), r.state, _text(r.status)] for r in found.replays])
    _section("Next", [""], [[step] for step in next_steps.of(found)])


def _row(line: Line) -> list[str | None]:
    what = f"{line.method} {line.resource_type}"
    return [
        *(str(line.id), terminal.moment(line.accepted_at), line.tenant, what, str(line.lane), str(line.seq)),
        *(line.state, _text(line.status), str(line.starts), line.error),
    ]


def _described(found: Detail) -> dict[str, Any]:
    """Return all that is known of an operation but its request, by the names that JSON and table share."""
    own = {f.name: getattr(found, f.name) for f in fields(found) if f.name not in {"request", "lane", "resource_type"}}
    about = {
        "resource_type": found.resource_type.name,
        "resource": found.lane,
        "failures": [vars(failure) for failure in found.failures],
        "replays": [vars(replay) for replay in found.replays],
        "next": next_steps.of(found),
    }
    return {name: value for name, value in (own | about).items() if value is not None}


def _is_plain(value: Any) -> bool:
    return not isinstance(value, list)


def _failures(found: Detail) -> Iterator[tuple[str, str, str, str]]:
    for failure in found.failures:
        counted = "yes" if failure.counts else "no: it passes"
        yield terminal.moment(failure.at), failure.error, failure.where or "", counted


def _section(title: str, columns: list[str], rows: list[list[str | None]]) -> None:
    if rows:
        click.echo(f"\n{title}")
        terminal.table(columns, rows)


def _text(value: Any) -> str:
    if value is None or isinstance(value, str | int | UUID):
        return str("" if value is None else value)
    return terminal.moment(value)
