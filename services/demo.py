"""`muster demo`: the whole of Muster on one machine, a made-up company provisioned into it, and what became of it."""

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID

import click
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, Engine

from services.directory import admins, audit, database, history, listing, queries, tenancy, tenants, terminal, tokens
from services.directory.audit_chain import Action
from services.directory.listing import Listing, Source
from services.directory.rows import Resource
from services.directory.tenants import TenantError
from services.simulator import entra, progress, summary
from services.simulator.client import Target
from services.simulator.entra import Plan
from services.stack import supervisor
from services.stack.children import Sink
from services.stack.commands import clear_errors, data_option, port_range, stop_request
from services.stack.supervisor import Stack, StopRequestedError
from shared import settings
from shared.scim.attributes import ResourceType
from shared.scim.resource_types import GROUPS, USERS

TENANT = "demo"
PLAN = Plan(users=200, groups=20, cycles=2, concurrency=5)
SHOWN = 3
SHOWN_ENTRIES = 4
LOG = "demo.log"


@click.command()
@data_option
@click.option("--gateway-port", type=port_range, help="Port of the SCIM gateway; 0 takes a free one.  [default: 8080]")
@click.option("--portal-port", type=port_range, help="Port of the staff portal; 0 takes a free one.  [default: 8081]")
@click.option("--flower-port", type=port_range, help="Port of Flower; 0 takes a free one.  [default: 5555]")
@click.option("--exit", "is_brief", is_flag=True, help="Stop at the end, with the check's result as exit code.")
def demo(
    data: Path | None,
    gateway_port: int | None,
    portal_port: int | None,
    flower_port: int | None,
    *,
    is_brief: bool,
) -> None:
    """Run everything, provision a made-up company as Entra ID does, show it, and serve until Ctrl-C."""
    console, stopping = Console(), stop_request()
    place = data or settings.data_folder(os.environ)
    with clear_errors(), ExitStack() as open_:
        console.print("Starting PostgreSQL, Valkey, gateway, worker, portal, beat and Flower ...")
        try:
            stack = open_.enter_context(
                supervisor.running(
                    place,
                    gateway_port=gateway_port,
                    portal_port=portal_port,
                    flower_port=flower_port,
                    sink=_log(open_, place),
                    stopping=stopping,
                )
            )
        except StopRequestedError:
            sys.exit(1)
        is_clean = _play(console, stack)
        if is_brief:
            sys.exit(0 if is_clean else 1)
        console.print("Serving until Ctrl-C ...")
        stack.wait()


def _log(open_: ExitStack, place: Path) -> Sink:
    """Keep what the processes say in a file; the terminal is for the demonstration."""
    place.mkdir(parents=True, exist_ok=True)
    file = open_.enter_context((place / LOG).open("a", buffering=1))
    return lambda name, line: print(f"{name:8} | {line}", file=file)


def _play(console: Console, stack: Stack) -> bool:
    engine = database.connect(stack.settings.database_url, process="demo", role=tenancy.WORK)
    with database.across(engine) as connection:
        tenant = _tenant(connection)
        secret = tokens.create(connection, tenant, "demo")
        principal = tokens.authenticate(connection, secret)
        assert principal is not None, "it has just been made"
        _record(connection, tenant, Action.TOKEN_CREATED, principal.token_id)
    url = f"{stack.settings.public_url}/rest/scim/v2/"
    with progress.on(Console(stderr=True)) as display:
        report = entra.provision(Target(url=url, token=secret), PLAN, display)
    summary.show(report, console)
    _show(console, engine, tenant)
    with database.across(engine) as connection:
        link = admins.first_link(connection, tenant, stack.settings.portal_url, terminal.operator())
    _show_addresses(
        console, stack, {"Tenant URL": url, "Secret Token": secret, "Staff portal": f"{link} (signs you in, once)"}
    )
    engine.dispose()
    return report.is_clean


def _tenant(connection: Connection) -> UUID:
    try:
        return tenants.find(connection, TENANT).id
    except TenantError:
        made = tenants.create(connection, TENANT, None).id
        _record(connection, made, Action.TENANT_CREATED, made)
        return made


def _record(connection: Connection, tenant: UUID, action: Action, target: UUID) -> None:
    audit.record(connection, tenant, action, actor=terminal.operator(), target=target, details={"for": "the demo"})


def _show(console: Console, engine: Engine, tenant: UUID) -> None:
    with database.transaction(engine, tenant) as connection:
        for resource_type, title in ((USERS, "Employees"), (GROUPS, "Staff-portal roles")):
            wanted = Listing(tenant_id=tenant, sources=(Source(resource_type=resource_type),))
            found = [each.resource for each in listing.at(connection, wanted, 0, SHOWN, [queries.wants_all])]
            total = listing.count(connection, wanted)
            console.print(_table(connection, tenant, resource_type, title, found, total))


def _table(
    connection: Connection, tenant: UUID, resource_type: ResourceType, title: str, found: Sequence[Resource], total: int
) -> Table:
    table = Table(
        title=f"{title}: {len(found)} of {total}, with their latest history", title_justify="left", expand=True
    )
    table.add_column(resource_type.name, ratio=1)
    table.add_column("when", no_wrap=True)
    table.add_column("what changed", ratio=3)
    for resource in found:
        entries = history.of(connection, tenant, UUID(resource["id"]), SHOWN_ENTRIES)
        for number, entry in enumerate(entries):
            words = "; ".join(history.in_words(change, resource_type) for change in entry.changes)
            name = _name(resource) if number == 0 else ""
            table.add_row(name, f"{entry.at.astimezone():%H:%M:%S}", f"{entry.kind.value}  {_cut(words)}")
        table.add_section()
    return table


def _name(resource: Resource) -> str:
    about = resource.get("userName") or f"{len(resource.get('members', []))} members"
    return f"{resource.get('displayName', '')}\n{about}"


def _cut(words: str, longest: int = 220) -> str:
    return words if len(words) <= longest else f"{words[:longest]} ..."


def _show_addresses(console: Console, stack: Stack, addresses: dict[str, str]) -> None:
    """Print addresses and secrets as long as they are: what is cut off cannot be copied."""
    own = {"Flower": f"http://{stack.settings.flower_bind}/", "Logs": str(stack.data / LOG)}
    console.print()
    for name, value in (addresses | own).items():
        console.print(f"[bold]{name:<12}[/bold]  {value}", soft_wrap=True, highlight=False)
