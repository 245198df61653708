"""The commands that set the directory up: migrations, tenants and tokens."""

from pathlib import Path
from uuid import UUID

import click
from sqlalchemy import Connection

from services.directory import (
    counters,
    database,
    migrating,
    queries,
    tenants,
    terminal,
    tokens,
    tolerance_uses,
)
from services.directory.tolerance_uses import Use
from shared import logs, metrics
from shared.scim import resource_types
from shared.scim.dialects import tolerances


@click.command()
def migrate() -> None:
    """Bring the database's schema up to date; harmless to run again."""
    loaded = terminal.load_settings(None)
    logs.configure(loaded.log_level, "migrate")
    migrating.upgrade(database.connect(loaded.database_url, process="migrate"), loaded)


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
        found = tolerance_uses.of(connection, tenants.find(connection, tenant).id)
    terminal.table(
        ["tolerance", "uses", "last use", "who sends it", "what is understood"], [_use(use) for use in found]
    )


@click.group()
def token() -> None:
    """Provisioning tokens: what an identity provider calls the Secret Token."""


@token.command("create")
@click.argument("tenant")
@click.option("--name", default="provisioning", show_default=True, help="What the token is for.")
@click.option("--user", metavar="USERNAME", help="Bind it to this User of the tenant, whom /Me then means.")
@terminal.data_option
def create_token(tenant: str, name: str, user: str | None, data: Path | None) -> None:
    """Create a token of TENANT. The secret alone goes to standard output; it is never shown again."""
    with terminal.transaction(data) as connection:
        tenant_id = tenants.find(connection, tenant).id
        user_id = None if user is None else _user(connection, tenant_id, user)
        secret = tokens.create(connection, tenant_id, name, user_id)
    click.echo(secret)


@token.command("list")
@click.option("--tenant", help="Only the tokens of this tenant.")
@terminal.data_option
def list_tokens(tenant: str | None, data: Path | None) -> None:
    """List tokens, without their secrets."""
    with terminal.transaction(data) as connection:
        if tenant is not None:
            tenants.find(connection, tenant)
        found = tokens.every(connection, tenant)
    terminal.table(
        ["id", "tenant", "name", "ends in", "created", "revoked", "user"],
        [
            [
                str(t.id),
                t.tenant,
                t.name,
                t.hint,
                *map(terminal.moment, (t.created_at, t.revoked_at)),
                str(t.user_id or ""),
            ]
            for t in found
        ],
    )


@token.command("revoke")
@click.argument("token_id")
@terminal.data_option
def revoke_token(token_id: str, data: Path | None) -> None:
    """Revoke the token TOKEN_ID (see: muster token list). It is refused everywhere within two seconds."""
    with terminal.transaction(data) as connection:
        if not tokens.revoke(connection, terminal.read_id(token_id, "token")):
            raise click.ClickException("There is no such token, or it was revoked before (see: muster token list)")
    click.echo(f"token {token_id} revoked", err=True)


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


def _user(connection: Connection, tenant_id: UUID, name: str) -> UUID:
    found = queries.find_unique(connection, resource_types.USERS, tenant_id, name)
    if found is None:
        raise click.ClickException(f"The tenant has no User {name!r}")
    return found


def _use(use: Use) -> list[str | None]:
    known = tolerances.BY_NAME.get(use.name)
    about = [known.source, known.description] if known else ["", "of another release"]
    return [use.name, str(use.uses), terminal.moment(use.last_used_at), *about]
