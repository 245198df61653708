"""The commands of a tenant's own extensions: check a file, declare it, look at what is declared, forget it."""

import json
from pathlib import Path
from typing import TextIO
from uuid import UUID

import click
from sqlalchemy import Connection

from services.directory import audit, extensions, tenants, terminal
from services.directory.audit_chain import Action
from shared.scim import extension_files
from shared.scim.extension_files import Extension, ExtensionFileError

LARGEST_FILE = 1_000_000
SOON = "Gateways and workers know within two seconds."

file_argument = click.argument("file", type=click.File(encoding="utf-8", lazy=True))


@click.group()
def extension() -> None:
    """Extensions: attributes of a tenant's own, declared in a file."""


@extension.command("check")
@file_argument
def check_extension(file: TextIO) -> None:
    """Say whether FILE (TOML or JSON, - for standard input) declares an extension; no database is needed."""
    found = _read(file)
    count = len(found.schema.attributes)
    click.echo(f"{found.schema.id} extends {found.resource_type} by {count} attribute{'s' * (count != 1)}", err=True)


@extension.command("add")
@click.argument("tenant")
@file_argument
@terminal.data_option
def add_extension(tenant: str, file: TextIO, data: Path | None) -> None:
    """Declare for TENANT the extension in FILE (TOML or JSON, - for standard input).

    It takes the place of an earlier one with the same URN; what was stored under that one must stay readable.
    """
    found = _read(file)
    with terminal.transaction(data) as connection:
        tenant_id = tenants.serve(connection, tenant).id
        extensions.declare(connection, tenant_id, found)
        _record(connection, tenant_id, Action.EXTENSION_DECLARED, found.schema.id, extension_files.document(found))
    click.echo(f"extension {found.schema.id} of {found.resource_type} declared for {tenant}. {SOON}", err=True)


@extension.command("list")
@click.argument("tenant")
@terminal.data_option
def list_extensions(tenant: str, data: Path | None) -> None:
    """List the extensions of TENANT."""
    with terminal.transaction(data) as connection:
        found = extensions.in_force(connection, tenants.serve(connection, tenant).id)
    terminal.table(
        ["urn", "of", "name", "attributes", "declared"],
        [
            [each.schema.id, each.resource_type, each.schema.name, str(len(each.schema.attributes)), since]
            for each, since in ((one.extension, terminal.moment(one.declared_at)) for one in found)
        ],
    )


@extension.command("show")
@click.argument("tenant")
@click.argument("urn")
@terminal.data_option
def show_extension(tenant: str, urn: str, data: Path | None) -> None:
    """Print the extension URN of TENANT as JSON, as `muster extension add` reads it."""
    with terminal.transaction(data) as connection:
        declared = extensions.in_force(connection, tenants.serve(connection, tenant).id)
    found = next((one.extension for one in declared if one.extension.schema.id.lower() == urn.lower()), None)
    if found is None:
        raise _unknown(tenant)
    click.echo(json.dumps(extension_files.document(found), indent=2, ensure_ascii=False))


@extension.command("remove")
@click.argument("tenant")
@click.argument("urn")
@terminal.data_option
def remove_extension(tenant: str, urn: str, data: Path | None) -> None:
    """Forget the extension URN of TENANT. Values stay, unseen: they are back when it is declared again."""
    with terminal.transaction(data) as connection:
        tenant_id = tenants.serve(connection, tenant).id
        if not extensions.forget(connection, tenant_id, urn):
            raise _unknown(tenant)
        _record(connection, tenant_id, Action.EXTENSION_REMOVED, urn, None)
    click.echo(f"extension {urn} of {tenant} forgotten; its values stay stored. {SOON}", err=True)


def _read(file: TextIO) -> Extension:
    name = "standard input" if file.name == "-" else Path(file.name).name
    try:
        text = file.read(LARGEST_FILE + 1)
        if len(text) > LARGEST_FILE:
            raise click.ClickException(f"{name} has more than {LARGEST_FILE} characters")
        return extension_files.parse(text)
    except (ExtensionFileError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{name}: {error}") from error


def _record(connection: Connection, tenant_id: UUID, action: Action, urn: str, document: object) -> None:
    audit.record(connection, tenant_id, action, actor=terminal.operator(), target=urn, details=document)


def _unknown(tenant: str) -> click.ClickException:
    return click.ClickException(f"There is no such extension (see: muster extension list {tenant})")
