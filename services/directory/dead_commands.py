"""The commands that decide about dead operations: retry them, or discard them."""

import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import click
from sqlalchemy import Connection, Engine

from services.directory import audit, database, operation_options, operations, tenants, terminal
from services.directory import dead as dead_operations
from services.directory.audit_chain import Action
from services.directory.dead import Case, DecisionError, Replay, Standing
from services.directory.journal import State
from services.directory.operations import Wanted
from services.directory.replaying import Ended, Replayer
from shared import queue
from shared.settings import Settings

Item = TypeVar("Item")
TOLD = 10
"""Warnings that are written out; of more only the number is told."""


def _decision(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command what retry and discard share: about which operations, and how carefully."""
    for option in reversed(
        (
            click.argument("operation_ids", nargs=-1, metavar="[ID]..."),
            click.option("--dead", is_flag=True, help="All dead ones nobody decided about yet; filters narrow it."),
            operation_options.filters,
            click.option("--limit", type=click.IntRange(1), help="So many at most, the oldest first.  [default: all]"),
            click.option("--dry-run", is_flag=True, help="Say what would happen, and do nothing."),
            click.option("--yes", is_flag=True, help="Do not ask."),
            terminal.data_option,
        )
    ):
        command = option(command)
    return command


@click.command()
@_decision
@click.option("--no-wait", is_flag=True, help="Do not wait for the outcomes.")
@click.option(
    "--timeout", default=60.0, show_default=True, type=click.FloatRange(0), help="Seconds to wait, for a hundred each."
)
def retry(
    operation_ids: tuple[str, ...],
    wanted: Wanted,
    dead: bool,
    limit: int | None,
    dry_run: bool,
    yes: bool,
    no_wait: bool,
    timeout: float,
    data: Path | None,
) -> None:
    """Apply dead operations after all, those with an ID or all that the filters find.

    Each becomes a new operation at the end of its resource's lane, and takes the ordinary path. The dead one stays as
    it is, and each shows the other. Mend first what made it die, or the new one dies as well.

    \b
    muster operations retry 01a20a49-a82d-73c0-b2d9-1cfd8ec0fb9c
    muster operations retry --dead --error QueryCanceled --since 2h --dry-run
    muster operations retry --dead --tenant acme --yes

    Ends with 0 when all were applied (with --no-wait: accepted), with 1 when one was refused or failed.
    """
    loaded = terminal.load_settings(data)
    with terminal.pool(loaded) as engine:
        cases, is_complete = _choose(engine, operation_ids, wanted, is_all=dead, limit=limit)
        overtaken = _warn_of_overtaken(cases)
        if dry_run:
            _preview(cases, "would be replayed")
        else:
            _confirm(cases, "retried", is_agreed=yes or (len(cases) == 1 and not overtaken))
            ended = _replay(engine, loaded, cases, 0 if no_wait else timeout)
            is_complete &= all(each.replay is not None if no_wait else each.is_applied for each in ended)
    sys.exit(0 if is_complete else 1)


@click.command()
@_decision
@click.option("--why", required=True, metavar="TEXT", help="Why nobody needs them; kept with each. No personal data.")
@click.option("--by", default=terminal.operator, metavar="NAME", help="Who decided it.  [default: your login]")
def discard(
    operation_ids: tuple[str, ...],
    wanted: Wanted,
    dead: bool,
    limit: int | None,
    dry_run: bool,
    yes: bool,
    why: str,
    by: str,
    data: Path | None,
) -> None:
    """Give up dead operations for good, those with an ID or all that the filters find.

    Nothing is deleted: each is kept as discarded, with who did it, when and why, and is no longer listed as dead.

    \b
    muster operations discard 01a20a49-a82d-73c0-b2d9-1cfd8ec0fb9c --why "the user was entered by hand"
    muster operations discard --dead --tenant rehearsal --why "a rehearsal" --dry-run

    Ends with 0 when all were discarded, with 1 when one was refused.
    """
    if not why.strip():
        raise click.UsageError("--why needs a reason")
    with terminal.pool(terminal.load_settings(data)) as engine:
        cases, is_complete = _choose(engine, operation_ids, wanted, is_all=dead, limit=limit)
        if dry_run:
            _preview(cases, "would be discarded")
        else:
            _confirm(cases, "discarded", is_agreed=yes or len(cases) == 1)
            is_complete &= _discard(engine, cases, by=by, why=why.strip())
    sys.exit(0 if is_complete else 1)


def _choose(
    engine: Engine, operation_ids: Sequence[str], wanted: Wanted, *, is_all: bool, limit: int | None
) -> tuple[list[Case], bool]:
    """Return those that can be decided about, and whether these are all that were named; tell of the others."""
    is_filtered = is_all or wanted != Wanted()
    if bool(operation_ids) == is_filtered:
        raise click.UsageError("Give either IDs or filters; --dead alone means all dead operations")
    if operation_ids:
        return _named(engine, [terminal.read_id(text, "operation") for text in operation_ids])
    with database.across(engine) as connection:
        if wanted.tenant is not None:
            tenants.find(connection, wanted.tenant)
        found = operations.oldest_ids(connection, replace(wanted, is_undecided=True), limit)
        cases = dead_operations.cases(connection, found)
    if not cases:
        click.echo("No dead operation is like that (see: muster operations list --dead)", err=True)
    return [case for case in cases if case.refusal is None], True


def _named(engine: Engine, operation_ids: Sequence[UUID]) -> tuple[list[Case], bool]:
    with database.across(engine) as connection:
        cases = dead_operations.cases(connection, operation_ids)
    known = {case.id for case in cases}
    refusals = {case.id: case.refusal for case in cases if case.refusal is not None} | {
        unknown: "there is no such operation (see: muster operations list)"
        for unknown in operation_ids
        if unknown not in known
    }
    for operation_id, refusal in refusals.items():
        _complain(operation_id, refusal)
    return [case for case in cases if case.refusal is None], not refusals


def _warn_of_overtaken(cases: Sequence[Case]) -> int:
    """Tell which replays would follow later writes of their resource, and may undo them; return how many."""
    overtaken = [case for case in cases if case.later]
    for case in overtaken[:TOLD]:
        writes = (
            "1 later write of this resource was"
            if case.later == 1
            else f"{case.later} later writes of this resource were"
        )
        click.echo(f"{case.id}: {writes} applied since; the replay comes after", err=True)
    if len(overtaken) > TOLD:
        click.echo(f"and {len(overtaken) - TOLD} more like that", err=True)
    return len(overtaken)


def _preview(cases: Sequence[Case], verdict: str) -> None:
    columns = ["id", "tenant", "what", "resource", "later writes", "error", ""]
    rows = [
        [str(c.id), c.tenant, f"{c.method} {c.resource_type}", str(c.lane), str(c.later), c.error, verdict]
        for c in cases
    ]
    terminal.table(columns, list(rows))
    click.echo(f"{len(cases)} {verdict}; nothing was done", err=True)


def _confirm(cases: Sequence[Case], done: str, *, is_agreed: bool) -> None:
    """Ask before anything is decided that is not agreed on; who cannot be asked must say --yes."""
    if is_agreed or not cases:
        return
    count = f"{len(cases)} operation{'s' * (len(cases) != 1)}"
    if not sys.stdin.isatty():
        raise click.ClickException(f"{count} would be {done}: say --yes, or look first with --dry-run")
    click.confirm(f"Shall {count} be {done}?", abort=True, err=True)


def _replay(engine: Engine, loaded: Settings, cases: Sequence[Case], wait_seconds: float) -> list[Ended]:
    ended: list[Ended] = []
    app, redis = queue.create(loaded), queue.redis_client(loaded)
    ring = partial(queue.wake, app, redis)
    replayer = Replayer(engine=engine, wake=ring, wait_seconds=wait_seconds, note=_note_replay)
    try:
        with _progress(cases, replayer.replay(cases)) as progress:
            ended.extend(progress)
    finally:
        # What was done is told, even if it was interrupted.
        redis.close()
        app.close()
        _tell(ended)
    return ended


def _discard(engine: Engine, cases: Sequence[Case], *, by: str, why: str) -> bool:
    """Discard operations, each in a transaction of its own; return whether all were."""
    discarded = 0
    with _progress(cases, cases) as progress:
        for case in progress:
            try:
                with database.across(engine) as connection:
                    dead_operations.discard(connection, case.id, by=by, why=why)
                    _record(connection, case, Action.OPERATION_DISCARDED, {"by": by, "why": why})
                discarded += 1
            except DecisionError as error:
                _complain(case.id, str(error))
    if cases:
        click.echo(f"{discarded} discarded", err=True)
    return discarded == len(cases)


def _note_replay(connection: Connection, case: Case, made: Replay) -> None:
    _record(connection, case, Action.OPERATION_RETRIED, {"replay": str(made.id)})


def _record(connection: Connection, case: Case, action: Action, details: dict[str, str]) -> None:
    tenant_id = tenants.find(connection, case.tenant).id
    audit.record(connection, tenant_id, action, actor=terminal.operator(), target=case.id, details=details)


def _tell(ended: Sequence[Ended]) -> None:
    for each in ended:
        if each.refusal is not None:
            _complain(each.case.id, each.refusal)
    replayed = [each for each in ended if each.replay is not None]
    if replayed:
        terminal.table(["dead", "replay", "which is", "status", "detail"], [_row(each) for each in replayed])
    if any(each.is_pending for each in replayed):
        click.echo(
            "What is pending is applied as soon as a worker runs (see: muster operations list --pending)", err=True
        )


def _row(each: Ended) -> list[str | None]:
    assert each.replay is not None, "what was refused is told apart"
    assert each.standing is not None, "what was replayed stands somewhere"
    detail = each.standing.last_error if each.standing.state is State.DEAD else each.standing.detail
    ids = [str(each.case.id), str(each.replay.id)]
    return [*ids, _verdict(each.standing), str(each.standing.status or ""), detail]


def _verdict(standing: Standing) -> str:
    match standing.state:
        case State.SETTLED:
            return "applied" if standing.is_applied else "refused"
        case State.DEAD:
            return "dead again"
        case State.PENDING | State.DISCARDED | State.CANCELLED:
            return standing.state.value


def _progress(cases: Sequence[Case], each: Iterable[Item]) -> AbstractContextManager[Iterable[Item]]:
    return click.progressbar(each, length=len(cases), file=sys.stderr, hidden=len(cases) < 2 or not sys.stderr.isatty())


def _complain(operation_id: UUID, refusal: str) -> None:
    click.echo(f"Error: {operation_id}: {refusal}", err=True)
