"""The commands of OAuth clients: create, list, revoke; and the issuers whose tokens a tenant trusts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from sqlalchemy import Connection

from services.directory import audit, clients, tenants, terminal, tokens
from services.directory.audit_chain import Action
from services.directory.clients import Client, Federation, Kind
from services.directory.tokens import Scope, Terms

_SHOWS = {
    Kind.SECRET: "a secret, for access tokens",
    Kind.ASSERTION: "assertions, for access tokens",
    Kind.BEARER: "tokens of its issuer",
}


def _terms_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what a client may do, and from where."""
    scope = click.option(
        "--scope",
        "scopes",
        multiple=True,
        type=click.Choice([scope.value for scope in Scope if scope in tokens.EVERYTHING]),
        help="What it may do; repeat it.  [default: all four]",
    )
    network = click.option(
        "--network",
        "networks",
        multiple=True,
        metavar="CIDR",
        help="Where it may be used from; repeat it.  [default: all]",
    )
    return scope(network(command))


@click.group()
def client() -> None:
    """OAuth clients: they get access tokens that end soon, from /oauth/token."""


@client.command("create")
@click.argument("name")
@click.option("--tenant", required=True, help="Whose client it is.")
@_terms_options
@click.option("--issuer", metavar="URL", help="It shows JWTs of this issuer, and has no secret.")
@click.option("--subject", help="The subject of those JWTs.")
@click.option("--audience", "audiences", multiple=True, help="Whom those JWTs are meant for; repeat it.")
@click.option("--jwks-url", metavar="URL", help="Where the issuer's keys are.  [default: its metadata says so]")
@terminal.data_option
def create_client(
    name: str,
    tenant: str,
    scopes: tuple[str, ...],
    networks: tuple[str, ...],
    issuer: str | None,
    subject: str | None,
    audiences: tuple[str, ...],
    jwks_url: str | None,
    data: Path | None,
) -> None:
    """Create the client NAME of a tenant. Its id and its secret go to standard output; the secret never again."""
    terms = _terms(scopes, networks)
    if issuer is None and (subject or audiences or jwks_url):
        raise click.UsageError("--subject, --audience and --jwks-url say more about an --issuer: name it")
    with terminal.transaction(data) as connection:
        tenant_id = tenants.find(connection, tenant).id
        if issuer is None:
            client_id, secret = clients.create_with_secret(connection, tenant_id, name, terms)
        else:
            federation = Federation(issuer=issuer, audiences=audiences, subject=subject, jwks_url=jwks_url)
            client_id, secret = clients.create_with_assertion(connection, tenant_id, name, terms, federation), None
        _record(connection, Action.CLIENT_CREATED, client_id)
    click.echo(f"client id: {client_id}")
    if secret is not None:
        click.echo(f"client secret: {secret}")


@client.command("list")
@click.option("--tenant", help="Only the clients of this tenant.")
@terminal.data_option
def list_clients(tenant: str | None, data: Path | None) -> None:
    """List clients, without their secrets, and the issuers that tenants trust."""
    with terminal.transaction(data) as connection:
        if tenant is not None:
            tenants.find(connection, tenant)
        found = clients.every(connection, tenant)
    terminal.table(
        ["id", "tenant", "name", "shows", "ends in", "issuer", "state", "may", "from", "last used", "by"],
        [_row(each) for each in found],
    )


@client.command("revoke")
@click.argument("client_id")
@terminal.data_option
def revoke_client(client_id: str, data: Path | None) -> None:
    """Revoke the client CLIENT_ID at once, with every access token that it has: refused everywhere in two seconds."""
    wanted = terminal.read_id(client_id, "client")
    with terminal.transaction(data) as connection:
        found = clients.find(connection, wanted)
        if found is None or not clients.revoke(connection, wanted):
            raise click.ClickException("There is no such client, or it was revoked before (see: muster client list)")
        tenant_id, actor = tenants.find(connection, found.tenant).id, terminal.operator()
        about = {"name": found.name}
        audit.record(connection, tenant_id, Action.CLIENT_REVOKED, actor=actor, target=wanted, details=about)
    click.echo(f"client {client_id} revoked", err=True)


@click.command("trust-issuer")
@click.argument("tenant")
@click.option("--issuer", required=True, metavar="URL", help="Whose tokens are accepted, as its metadata spells it.")
@click.option("--audience", "audiences", required=True, multiple=True, help="Whom they are meant for; repeat it.")
@click.option("--subject", help="Only those of this subject.  [default: any]")
@click.option("--jwks-url", metavar="URL", help="Where the issuer's keys are.  [default: its metadata says so]")
@click.option("--name", default="trusted issuer", show_default=True, help="What they are for.")
@_terms_options
@terminal.data_option
def trust_issuer(
    tenant: str,
    issuer: str,
    audiences: tuple[str, ...],
    subject: str | None,
    jwks_url: str | None,
    name: str,
    scopes: tuple[str, ...],
    networks: tuple[str, ...],
    data: Path | None,
) -> None:
    """Accept an issuer's own JWTs from TENANT's clients, such as those that Entra sends when it has no Secret Token.

    The id on standard output is that of the client whose they are then: muster client revoke ends it.
    """
    federation = Federation(issuer=issuer, audiences=audiences, subject=subject, jwks_url=jwks_url)
    with terminal.transaction(data) as connection:
        tenant_id = tenants.find(connection, tenant).id
        client_id = clients.trust(connection, tenant_id, name, _terms(scopes, networks), federation)
        _record(connection, Action.ISSUER_TRUSTED, client_id)
    click.echo(str(client_id))


def _record(connection: Connection, action: Action, client_id: UUID) -> None:
    """Write down a new client with its terms."""
    made = clients.find(connection, client_id)
    assert made is not None, "it has just been made"
    terms = {name: getattr(made, name) for name in ("name", "issuer", "subject", "jwks_url")}
    lists = {name: list(getattr(made, name)) for name in ("audiences", "scopes", "networks")}
    tenant_id, actor = tenants.find(connection, made.tenant).id, terminal.operator()
    audit.record(connection, tenant_id, action, actor=actor, target=made.id, details=terms | lists)


def _terms(scopes: tuple[str, ...], networks: tuple[str, ...]) -> Terms:
    return Terms(scopes=frozenset(map(Scope, scopes)) or tokens.EVERYTHING, networks=networks, lifetime=None)


def _row(found: Client) -> list[str | None]:
    return [
        str(found.id),
        found.tenant,
        found.name,
        _SHOWS[found.kind],
        found.hint,
        found.issuer,
        "revoked" if found.revoked_at else "active",
        "all" if set(found.scopes) == tokens.EVERYTHING else " ".join(found.scopes),
        " ".join(found.networks) or "everywhere",
        terminal.moment(found.last_used_at) or "never",
        found.last_used_from,
    ]
