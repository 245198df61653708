"""The commands of the people and of the data of a tenant: erase a person, write everything out."""

import sys
from pathlib import Path
from typing import IO

import click
import orjson

from services.directory import audit, database, erasing, tenant_export, tenants, terminal
from services.directory.audit_chain import Action


@click.command("erase-person")
@click.argument("tenant")
@click.argument("person")
@click.option("--yes", is_flag=True, help="Do not ask.")
@terminal.data_option
def erase_person(tenant: str, person: str, yes: bool, data: Path | None) -> None:
    """Erase every value of PERSON, an id or a userName, of TENANT: who is still there is deleted.

    Their rows stay with nothing but ids in them: the employee's, the history's, the journal's, the audit's. Rows of
    others that name them stay without the name. It cannot be undone, and may take minutes; it can be done again. Take
    the person out of the identity provider first, or it sends them anew.
    """
    with terminal.pool(terminal.load_settings(data)) as engine:
        with database.across(engine) as connection:
            tenant_id = tenants.serve(connection, tenant).id
            person_id = erasing.find(connection, tenant_id, person)
        _confirm(person_id, is_agreed=yes)
        erased = erasing.erase(engine, tenant_id, person_id, terminal.operator())
    counts = ", ".join(f"{count} {name}" for name, count in vars(erased).items())
    click.echo(f"person {person_id} erased; blanked: {counts}", err=True)


@click.command("export")
@click.argument("tenant")
@click.option("--output", type=click.File("wb"), default="-", help="Where to.  [default: standard output]")
@terminal.data_option
def export_tenant(tenant: str, output: IO[bytes], data: Path | None) -> None:
    """Write everything that is kept of TENANT as JSON lines, but for secrets: it is personal data."""
    with terminal.pool(terminal.load_settings(data)) as engine:
        with database.across(engine) as connection:
            tenant_id = tenants.serve(connection, tenant).id
            audit.record(connection, tenant_id, Action.TENANT_EXPORTED, actor=terminal.operator())
        with database.snapshot(engine, tenant_id) as connection:
            for row in tenant_export.every(connection, tenant_id):
                output.write(orjson.dumps(row, default=str) + b"\n")


def _confirm(person_id: object, *, is_agreed: bool) -> None:
    if is_agreed:
        return
    if not sys.stdin.isatty():
        raise click.ClickException(f"{person_id} would be erased for ever: say --yes")
    click.confirm(f"Shall {person_id} be erased for ever?", abort=True, err=True)
