"""The command that tells what is wrong with an installation."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from services.directory import checkup, database, tenancy, terminal
from services.directory.checkup import Finding, Level
from shared import queue, settings
from shared.settings import PREFIX, Settings, SettingsError


@click.command()
@click.option("--json", "is_json", is_flag=True, help="Print JSON, for programs.")
@terminal.data_option
def doctor(is_json: bool, data: Path | None) -> None:
    """Find what is wrong: weak secrets, servers that are away, clocks, migrations, tokens, dead operations, processes.

    Says for each what to do. Ends with 0 when nothing is wrong, with 1 otherwise; warnings are not wrong.
    """
    found = list(_examined(data))
    if is_json:
        terminal.document([vars(finding) for finding in found])
    else:
        rows = [[finding.level.value, finding.check, finding.says, finding.do] for finding in found]
        terminal.table(["", "check", "says", "what to do"], list(rows))
    sys.exit(any(finding.level is Level.WRONG for finding in found))


def _examined(data: Path | None) -> Iterator[Finding]:
    try:
        loaded = settings.load(os.environ, data)
    except SettingsError as error:
        yield checkup.wrong("settings", str(error), "mend them: docs/operations.md has a table")
        return
    yield from checkup.of_settings(loaded, os.environ)
    yield from _database(loaded)
    yield from _broker(loaded)


def _database(loaded: Settings) -> Iterator[Finding]:
    if not loaded.database_url:
        yield _missing("database_url")
        return
    engine = database.connect(loaded.database_url, process="doctor", pool_size=1, role=tenancy.WORK)
    try:
        yield from checkup.of_database(engine)
    finally:
        engine.dispose()


def _broker(loaded: Settings) -> Iterator[Finding]:
    if not loaded.broker_url:
        yield _missing("broker_url")
        return
    with queue.redis_client(loaded) as redis:
        yield from checkup.of_broker(redis, loaded)


def _missing(name: str) -> Finding:
    return checkup.wrong("settings", f"{PREFIX}{name.upper()} is not set", "set it, or start a local stack: muster up")
