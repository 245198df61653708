"""The commands of a tenant's regions, and of the rules that say who belongs where."""

from collections.abc import Sequence
from pathlib import Path
from typing import TextIO
from uuid import UUID

import click
from sqlalchemy import Connection

from services.directory import (
    audit,
    catalogues,
    region_files,
    region_moves,
    region_moving,
    region_rules,
    region_saving,
    regions,
    tenants,
    terminal,
)
from services.directory.audit_chain import Action
from services.directory.region_rules import HQ, Rule
from services.directory.region_saving import StaleRulesError
from shared.scim.attributes import ResourceType
from shared.scim.resource_types import USERS

LARGEST_FILE = 1_000_000
file_argument = click.argument("file", type=click.File(encoding="utf-8", lazy=True))
tenant_argument = click.argument("tenant")


@click.group()
def region() -> None:
    """Regions: where employees of a tenant belong, by rules; everybody else is in HQ."""


@region.command("list")
@tenant_argument
@terminal.data_option
def list_regions(tenant: str, data: Path | None) -> None:
    """List the regions of TENANT."""
    with terminal.transaction(data) as connection:
        tenant_id = tenants.serve(connection, tenant).id
        known, saved = regions.every(connection, tenant_id), region_saving.newest(connection, tenant_id)
        counts = regions.counts(connection, tenant_id, [each.id for each in known])
    rules = saved.rules if saved else []
    uses = {each.id: [str(n) for n, rule in enumerate(rules, start=1) if rule.region == each.id] for each in known}
    terminal.table(
        ["region", "employees", "rules"],
        [[each.name, _counted(counts[each.id]), ", ".join(uses[each.id])] for each in known],
    )


@region.command("add")
@tenant_argument
@click.argument("name")
@terminal.data_option
def add_region(tenant: str, name: str, data: Path | None) -> None:
    """Make the region NAME of TENANT."""
    with terminal.transaction(data) as connection:
        tenant_id = tenants.serve(connection, tenant).id
        made = regions.create(connection, tenant_id, name)
        _record(connection, tenant_id, Action.REGION_CREATED, region=made.name)
    click.echo(f"region {made.name} of {tenant} made", err=True)


@region.command("rename")
@tenant_argument
@click.argument("name")
@click.argument("new_name")
@terminal.data_option
def rename_region(tenant: str, name: str, new_name: str, data: Path | None) -> None:
    """Call the region NAME of TENANT NEW_NAME; whoever belongs to it stays."""
    with terminal.transaction(data) as connection:
        tenant_id = tenants.serve(connection, tenant).id
        before = regions.find_named(connection, tenant_id, name)
        renamed = regions.rename(connection, tenant_id, before.id, new_name)
        _record(connection, tenant_id, Action.REGION_RENAMED, region=renamed.name, before=before.name)
    click.echo(f"region {before.name} of {tenant} is called {renamed.name} now", err=True)


@region.command("remove")
@tenant_argument
@click.argument("name")
@terminal.data_option
def remove_region(tenant: str, name: str, data: Path | None) -> None:
    """Remove the region NAME of TENANT, which nobody and no rule needs."""
    with terminal.transaction(data) as connection:
        tenant_id = tenants.serve(connection, tenant).id
        removed = regions.remove(connection, tenant_id, regions.find_named(connection, tenant_id, name).id)
        _record(connection, tenant_id, Action.REGION_REMOVED, region=removed.name)
    click.echo(f"region {removed.name} of {tenant} removed", err=True)


@region.group("rules")
def rules_group() -> None:
    """Rules: who belongs to which region. The first that holds decides."""


@rules_group.command("show")
@tenant_argument
@terminal.data_option
def show_rules(tenant: str, data: Path | None) -> None:
    """Print the rules of TENANT as TOML, as `apply` reads them, and how far they moved people."""
    with terminal.transaction(data) as connection:
        tenant_id = tenants.serve(connection, tenant).id
        saved, names = region_saving.newest(connection, tenant_id), regions.names(connection, tenant_id)
        standing = region_moving.standing(connection, tenant_id, saved) if saved else None
        savers = region_saving.savers(connection, tenant_id, {saved.saved_by}) if saved else {}
    if saved is None or standing is None:
        click.echo(f"{tenant} has no rules: everybody is in {names[HQ]}", err=True)
        return
    click.echo(region_files.write(saved.rules, names), nl=False)
    about = f"number {saved.number}, saved by {savers[saved.saved_by]} at {terminal.moment(saved.saved_at)}"
    click.echo(f"{about}; {saved.moves} moves, {standing.left} employees are still elsewhere", err=True)


@rules_group.command("preview")
@tenant_argument
@file_argument
@terminal.data_option
def preview_rules(tenant: str, file: TextIO, data: Path | None) -> None:
    """Say how many of TENANT the rules in FILE (TOML, - for standard input) would move, from where to where."""
    text = _read(file)
    with terminal.transaction(data) as connection:
        tenant_id = tenants.serve(connection, tenant).id
        rules, names = _rules(connection, tenant_id, text), regions.names(connection, tenant_id)
        groups = _groups(connection, tenant_id, rules)
        saved = region_saving.newest(connection, tenant_id)
    lines: list[list[str | None]] = [
        [names.get(g.before, g.before), names.get(g.after, g.after), str(g.employees)] for g in groups
    ]
    terminal.table(["from", "to", "employees"], lines)
    count = sum(group.employees for group in groups)
    click.echo(f"{count} would move. In force is number {saved.number if saved else 0}", err=True)


@rules_group.command("apply")
@tenant_argument
@file_argument
@click.option("--number", type=click.IntRange(min=0), help="Only if the rules in force have this number.")
@terminal.data_option
def apply_rules(tenant: str, file: TextIO, number: int | None, data: Path | None) -> None:
    """Put the rules in FILE (TOML, - for standard input) in force for TENANT; the worker moves people."""
    text = _read(file)
    with terminal.transaction(data) as connection:
        tenant_id = tenants.serve(connection, tenant).id
        before = region_saving.newest(connection, tenant_id)
        seen = number if number is not None else before.number if before else 0
        rules = _rules(connection, tenant_id, text)
        try:
            saved = region_saving.save(connection, tenant_id, rules, seen, terminal.operator())
        except StaleRulesError as error:
            in_force = before.number if before else 0
            raise click.ClickException(f"{error}: in force is number {in_force} (see: preview)") from error
        count = sum(group.employees for group in _groups(connection, tenant_id, rules))
        document = region_rules.document(rules)
        _record(connection, tenant_id, Action.REGION_RULES_SAVED, number=saved.number, rules=document)
    click.echo(f"rules of {tenant} in force, as number {saved.number}; {count} employees are to move", err=True)


@rules_group.command("again")
@tenant_argument
@terminal.data_option
def check_again(tenant: str, data: Path | None) -> None:
    """Let everybody of TENANT be checked by the rules once more, and moved if need be."""
    with terminal.transaction(data) as connection:
        tenant_id = tenants.serve(connection, tenant).id
        saved = region_saving.begin_again(connection, tenant_id)
        if saved is None:
            raise click.ClickException(f"{tenant} has no rules (see: muster region rules apply)")
        _record(connection, tenant_id, Action.REGION_RULES_AGAIN, number=saved.number)
    click.echo(f"everybody of {tenant} is checked again", err=True)


def _read(file: TextIO) -> str:
    name = "standard input" if file.name == "-" else Path(file.name).name
    try:
        text = file.read(LARGEST_FILE + 1)
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{name}: {error}") from error
    if len(text) > LARGEST_FILE:
        raise click.ClickException(f"{name} has more than {LARGEST_FILE} characters")
    return text


def _rules(connection: Connection, tenant_id: UUID, text: str) -> Sequence[Rule]:
    by_name = {each.name.lower(): each.id for each in regions.every(connection, tenant_id)}
    return region_rules.checked(region_files.parse(text, by_name), _users(connection, tenant_id))


def _groups(connection: Connection, tenant_id: UUID, rules: Sequence[Rule]) -> Sequence[region_moves.Group]:
    users = _users(connection, tenant_id)
    return region_moves.groups(connection, region_moves.Rules(tenant_id=tenant_id, rules=rules, resource_type=users))


def _users(connection: Connection, tenant_id: UUID) -> ResourceType:
    return catalogues.Catalogues().of_tenants(connection, {tenant_id})[tenant_id].by_name[USERS.name]


def _counted(count: int) -> str:
    return f"over {regions.COUNTED}" if count > regions.COUNTED else str(count)


def _record(connection: Connection, tenant_id: UUID, action: Action, **details: object) -> None:
    audit.record(connection, tenant_id, action, actor=terminal.operator(), target=tenant_id, details=details)
