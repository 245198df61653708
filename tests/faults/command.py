"""The command of the fault kit: read what is asked for, run it, and tell what came of it.

`python -m tests.faults.command`, by way of `make faults`. Whoever interrupts it has what was recorded by then judged.
"""

import os
import signal
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import click

from tests.faults import checker, ledger, options, records, report, run
from tests.faults.ledger import Entry
from tests.faults.options import OptionError, Options
from tests.faults.records import Violation
from tests.faults.run import Result

SHOWN_VIOLATIONS = 20
BROKEN, MISUSED, INTERRUPTED = 1, 2, 130


def main() -> None:
    """Run what the environment asks for; the status tells whether a promise was broken, or no run was possible."""
    if os.environ.get("FAULT") == options.LIST:
        click.echo(options.catalogue())
        return
    if os.environ.get("HISTORY"):
        _judge(Path(os.environ["HISTORY"]))
    try:
        wanted = options.read(os.environ)
    except OptionError as error:
        click.echo(f"make faults: {error}", err=True)
        sys.exit(MISUSED)
    try:
        result = run.perform(wanted, _progress, _interruptible())
    except KeyboardInterrupt:
        click.echo(f"given up, and nothing was judged; the log is in {wanted.folder}", err=True)
        sys.exit(INTERRUPTED)
    _print(wanted, result)
    if wanted.ledger is not None:
        ledger.enter(wanted.ledger, _entry(wanted, result))
    sys.exit(BROKEN if result.violations else 0)


def _judge(history: Path) -> NoReturn:
    """Judge a run again that was recorded, or that somebody has doctored to see what the checker notices."""
    try:
        found = checker.check(records.read(history))
    except (OSError, ValueError, KeyError, TypeError) as error:
        click.echo(f"make faults: HISTORY cannot be judged: {error!r}", err=True)
        sys.exit(MISUSED)
    _tell(found)
    click.echo(f"{len(found)} violations")
    sys.exit(BROKEN if found else 0)


def _tell(violations: Sequence[Violation]) -> None:
    for violation in violations[:SHOWN_VIOLATIONS]:
        click.echo(f"{violation.invariant} at {violation.at:.1f} s: {violation.text}")
    if len(violations) > SHOWN_VIOLATIONS:
        click.echo(f"and {len(violations) - SHOWN_VIOLATIONS} more")


def _interruptible() -> threading.Event:
    """Return what Ctrl-C sets the first time; the second time it gives up."""
    stopped = threading.Event()

    def stop(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stopped.set()
        click.echo("stopping after this fault, to judge what was recorded; Ctrl-C again gives up", err=True)

    signal.signal(signal.SIGINT, stop)
    return stopped


def _progress(line: str) -> None:
    click.echo(line, err=True)


def _print(wanted: Options, result: Result) -> None:
    click.echo(report.text(result.table()))
    if wanted.others:
        click.echo(result.other)
    for usage in (*result.run.before, *result.run.after):
        click.echo(f"{usage.role}: {usage.megabytes:.0f} MB, {usage.files} files, {usage.connections} connections")
    _tell(result.violations)
    click.echo(f"seed {wanted.seed}, recorded in {wanted.folder}: picture.html, table.md, history.jsonl, log.txt")


def _entry(wanted: Options, result: Result) -> Entry:
    total = result.table()[-1]
    return Entry(
        day=f"{datetime.now(UTC):%Y-%m-%d}",
        seed=wanted.seed,
        seconds=round(max((attempt.end for attempt in result.run.attempts), default=0.0)),
        clients=wanted.clients + wanted.others,
        faults=total.injected,
        acknowledged=total.acknowledged,
        unavailable=total.unavailable,
        unknown=total.unknown,
        violations=total.violations,
    )


if __name__ == "__main__":
    main()
