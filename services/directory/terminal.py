"""What the commands of the directory share: where the database is, errors in words, and tables."""

import getpass
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import click
import orjson
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from services.directory import database, ids, tenancy
from services.directory.clients import ClientError
from services.directory.erasing import ErasureError
from services.directory.extensions import ExtensionError
from services.directory.region_rules import RuleError
from services.directory.region_saving import StaleRulesError
from services.directory.regions import RegionError
from services.directory.signing_keys import SigningKeyError
from services.directory.tenants import TenantError
from services.directory.tokens import TokenError
from shared import settings
from shared.settings import Settings

data_option = click.option(
    "--data", type=click.Path(path_type=Path), help="The local stack's data folder.  [default: MUSTER_DATA or .muster]"
)

WIDEST = 1000
TOLD = (
    *(TenantError, TokenError, ExtensionError, ClientError, SigningKeyError, ErasureError),
    *(RegionError, RuleError, StaleRulesError),
)
"""What an operator can mend: the text says how."""


@contextmanager
def transaction(data: Path | None) -> Iterator[Connection]:
    """Run the block in one transaction; what an operator can mend is told in one line.

    An operator serves several tenants, until one is named: whoever reads or writes what is of people does that.
    """
    with pool(load_settings(data)) as engine, database.across(engine) as connection:
        yield connection


@contextmanager
def pool(loaded: Settings) -> Iterator[Engine]:
    """Lend connections for several transactions; what an operator can mend is told in one line."""
    engine = database.connect(loaded.database_url, process="command", role=tenancy.WORK)
    try:
        yield engine
    except TOLD as error:
        raise click.ClickException(str(error)) from error
    except OperationalError as error:
        raise click.ClickException(_in_words(error)) from error
    finally:
        engine.dispose()


def load_settings(data: Path | None) -> Settings:
    """Return the settings of a command, or tell what is missing."""
    try:
        return settings.load_complete(os.environ, data)
    except settings.SettingsError as error:
        raise click.ClickException(str(error)) from error


def operator() -> str:
    """Return who is logged in, as far as the machine knows."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def read_id(text: str, what: str) -> UUID:
    """Return the id that an argument spells, or tell that it is none."""
    found = ids.parse(text)
    if found is None:
        raise click.ClickException(f"{text!r} is not the id of any {what}")
    return found


class Duration(click.ParamType[Any]):
    """A length of time in words: 90s, 30m, 12h, 7d, 2w."""

    name = "duration"
    _units: ClassVar[dict[str, str]] = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the length of time that a text spells."""
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"([0-9]{1,5})([smhdw])", value)
        if found is None:
            self.fail(f"{value!r} is not a length of time: write 90s, 30m, 12h, 7d or 2w", param, ctx)
        return timedelta(**{self._units[found[2]]: int(found[1])})


def moment(value: Any) -> str:
    """Return a moment in local time."""
    return f"{value.astimezone():%Y-%m-%d %H:%M:%S}" if value else ""


def table(columns: list[str], rows: list[list[str | None]]) -> None:
    """Print a table as wide as it is: an id that is cut off cannot be copied."""
    grid = Table(*columns, box=None, pad_edge=False, show_header=any(columns))
    for row in rows:
        grid.add_row(*(cell or "" for cell in row))
    # What stands in brackets is a path's filter, and no markup.
    console = Console(markup=False, emoji=False)
    console.width = max(console.width, console.measure(grid, options=console.options.update(width=WIDEST)).maximum)
    console.print(grid if rows else "none", soft_wrap=True)


def document(value: Any) -> None:
    """Print a value as JSON, for programs."""
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def _in_words(error: OperationalError) -> str:
    match getattr(error.orig, "sqlstate", None):
        case "57014":
            return "This takes the database too long: ask for less, for example with --since 1d"
        case "55P03":
            return "Something else holds a lock in the database for long: try again, or look at pg_stat_activity"
        case _:
            return f"The database cannot be reached (does the stack run? muster up): {error.orig}"
