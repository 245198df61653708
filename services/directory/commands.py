"""The commands that set the directory up: migrations and tenants; and what all processes counted."""

from pathlib import Path

import click

from services.directory import (
    audit,
    counters,
    database,
    migrating,
    tenants,
    terminal,
    tolerance_uses,
)
from services.directory.audit_chain import Action
from services.directory.tolerance_uses import Use
from shared import logs, metrics
from shared.scim.dialects import tolerances


@click.command()
def migrate() -> None:
    """Bring the database's schema up to date; harmless to run again."""
    loaded = terminal.load_settings(None)
    logs.configure(loaded.log_level, "migrate")
    engine = database.connect(loaded.owner_database_url or loaded.database_url, process="migrate")
    before, after = migrating.upgrade(engine, loaded)
    if before != after:
        about = {"from": before, "to": after}
        with database.transaction(engine) as connection:
            audit.record(connection, None, Action.SCHEMA_MIGRATED, actor=terminal.operator(), details=about)
    engine.dispose()


@click.group()
def tenant() -> None:
    """Tenants: one customer each, with its own portal domain."""


@tenant.command("create")
@click.argument("slug")
@click.option("--domain", help="The portal's domain; meta.location starts with it.")
@terminal.data_option
def create_tenant(slug: str, domain: str | None, data: Path | None) -> None:
    """Create the tenant SLUG."""
    with terminal.transaction(data) as connection:
        made = tenants.create(connection, slug, domain)
        about = {"name": slug, "domain": domain}
        audit.record(
            connection, made.id, Action.TENANT_CREATED, actor=terminal.operator(), target=made.id, details=about
        )
    click.echo(f"tenant {made.slug} created. Next: muster token create {made.slug}", err=True)


@tenant.command("list")
@terminal.data_option
def list_tenants(data: Path | None) -> None:
    """List all tenants."""
    with terminal.transaction(data) as connection:
        found = tenants.every(connection)
    terminal.table(["tenant", "domain", "created"], [[t.slug, t.domain, terminal.moment(t.created_at)] for t in found])


@tenant.command("tolerances")
@click.argument("tenant")
@terminal.data_option
def list_tolerances(tenant: str, data: Path | None) -> None:
    """List what TENANT's clients send that the RFC does not know, and how often. It is counted every few seconds."""
    with terminal.transaction(data) as connection:
        found = tolerance_uses.of(connection, tenants.serve(connection, tenant).id)
    terminal.table(
        ["tolerance", "uses", "last use", "who sends it", "what is understood"], [_use(use) for use in found]
    )


@click.command("counters")
@terminal.data_option
def list_counters(data: Path | None) -> None:
    """Show what all processes counted so far: how writes were answered, what was lost, late, forged or given up."""
    with terminal.transaction(data) as connection:
        totals = counters.totals(connection)
    docs = {counter.name: counter.doc for counter in metrics.EVERY}
    terminal.table(
        ["counter", "which", "total", "what"],
        [[name, label, str(total), docs.get(name, "of another release")] for (name, label), total in totals.items()],
    )


def _use(use: Use) -> list[str | None]:
    known = tolerances.BY_NAME.get(use.name)
    about = [known.source, known.description] if known else ["", "of another release"]
    return [use.name, str(use.uses), terminal.moment(use.last_used_at), *about]
