"""What the commands of the directory share: where the database is, errors in words, and tables."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from services.directory import database, ids
from services.directory.extensions import ExtensionError
from services.directory.tenants import TenantError
from services.directory.tokens import TokenError
from shared import settings

data_option = click.option(
    "--data", type=click.Path(path_type=Path), help="The local stack's data folder.  [default: MUSTER_DATA or .muster]"
)

WIDEST = 1000


@contextmanager
def transaction(data: Path | None) -> Iterator[Connection]:
    """Run the block in one transaction; what an operator can mend is told in one line."""
    engine = database.connect(load_settings(data).database_url, process="command")
    try:
        with database.transaction(engine) as connection:
            yield connection
    except (TenantError, TokenError, ExtensionError) as error:
        raise click.ClickException(str(error)) from error
    except OperationalError as error:
        raise click.ClickException(
            f"The database cannot be reached (does the stack run? muster up): {error.orig}"
        ) from error
    finally:
        engine.dispose()


def load_settings(data: Path | None) -> settings.Settings:
    """Return the settings of a command, or tell what is missing."""
    try:
        return settings.load_complete(os.environ, data)
    except settings.SettingsError as error:
        raise click.ClickException(str(error)) from error


def read_id(text: str, what: str) -> UUID:
    """Return the id that an argument spells, or tell that it is none."""
    found = ids.parse(text)
    if found is None:
        raise click.ClickException(f"{text!r} is not the id of any {what}")
    return found


def moment(value: Any) -> str:
    """Return a moment in local time."""
    return f"{value.astimezone():%Y-%m-%d %H:%M:%S}" if value else ""


def table(columns: list[str], rows: list[list[str | None]]) -> None:
    """Print a table as wide as it is: an id that is cut off cannot be copied."""
    grid = Table(*columns, box=None, pad_edge=False, show_header=any(columns))
    for row in rows:
        grid.add_row(*(cell or "" for cell in row))
    console = Console()
    console.width = max(console.width, console.measure(grid, options=console.options.update(width=WIDEST)).maximum)
    console.print(grid if rows else "none", soft_wrap=True)
