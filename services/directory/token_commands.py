"""The commands of provisioning tokens: create, list, rotate, retire, revoke."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import click
from sqlalchemy import Connection

from services.directory import audit, queries, tenants, terminal, token_lifecycle, tokens
from services.directory.audit_chain import Action
from services.directory.tokens import Scope, Terms, Token
from shared.scim import resource_types

NEVER = "never"


class _Lifetime(terminal.Duration):
    """A length of time, or `never`."""

    def convert(  # type: ignore[override]
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta | str:
        return NEVER if value == NEVER else super().convert(value, param, ctx)


@click.group()
def token() -> None:
    """Provisioning tokens: what an identity provider calls the Secret Token."""


@token.command("create")
@click.argument("tenant")
@click.option("--name", default="provisioning", show_default=True, help="What the token is for.")
@click.option("--user", metavar="USERNAME", help="Bind it to this User of the tenant, whom /Me then means.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What it may do; repeat it. `admin` alone opens the admin API.  [default: all others]",
)
@click.option("--expires", type=_Lifetime(), default="365d", show_default=True, help="For how long, or: never.")
@click.option(
    "--network", "networks", multiple=True, metavar="CIDR", help="Where it may be used from; repeat it.  [default: all]"
)
@terminal.data_option
def create_token(
    tenant: str,
    name: str,
    user: str | None,
    scopes: tuple[str, ...],
    expires: timedelta | str,
    networks: tuple[str, ...],
    data: Path | None,
) -> None:
    """Create a token of TENANT. The secret alone goes to standard output; it is never shown again."""
    terms = Terms(
        scopes=frozenset(map(Scope, scopes)) or tokens.EVERYTHING,
        networks=networks,
        lifetime=expires if isinstance(expires, timedelta) else None,
    )
    with terminal.transaction(data) as connection:
        tenant_id = tenants.serve(connection, tenant).id
        user_id = None if user is None else _user(connection, tenant_id, user)
        secret = tokens.create(connection, tenant_id, name, user_id, terms)
        made = _of_secret(connection, secret)
        _record(connection, Action.TOKEN_CREATED, made, token_lifecycle.told(made))
    click.echo(secret)


@token.command("list")
@click.option("--tenant", help="Only the tokens of this tenant.")
@terminal.data_option
def list_tokens(tenant: str | None, data: Path | None) -> None:
    """List tokens, without their secrets. Their last use is written down every few seconds."""
    with terminal.transaction(data) as connection:
        if tenant is not None:
            tenants.find(connection, tenant)
        found = tokens.every(connection, tenant)
    now = datetime.now(UTC)
    terminal.table(
        ["id", "tenant", "name", "ends in", "state", "may", "from", "expires", "last used", "by", "user"],
        [_row(each, now) for each in found],
    )


@token.command("rotate")
@click.argument("token_id")
@click.option(
    "--overlap", type=terminal.Duration(), default="7d", show_default=True, help="How long the old one goes on."
)
@terminal.data_option
def rotate_token(token_id: str, overlap: timedelta, data: Path | None) -> None:
    """Create the successor of TOKEN_ID, on the same terms; the old one goes on for a while.

    Paste the new secret, which alone goes to standard output, into the identity provider. When `muster token list`
    shows that nobody uses the old one any more: muster token retire TOKEN_ID.
    """
    wanted = terminal.read_id(token_id, "token")
    with terminal.transaction(data) as connection:
        secret = tokens.rotate(connection, wanted, overlap)
        old = tokens.find(connection, wanted)
        assert old is not None, "it has just been rotated"
        about = {"successor": str(old.replaced_by), "overlap_seconds": round(overlap.total_seconds())}
        _record(connection, Action.TOKEN_ROTATED, old, about)
    click.echo(f"token {token_id} goes on until {terminal.moment(old.expires_at)}", err=True)
    click.echo(secret)


@token.command("retire")
@click.argument("token_id")
@click.option("--force", is_flag=True, help="Also when it is still in use, or has no successor.")
@terminal.data_option
def retire_token(token_id: str, force: bool, data: Path | None) -> None:
    """Revoke TOKEN_ID, unless somebody still uses it or it has no successor."""
    wanted = terminal.read_id(token_id, "token")
    with terminal.transaction(data) as connection:
        found = tokens.find(connection, wanted)
        if found is not None and not force:
            _see_that_nobody_needs(found)
        _revoke(connection, wanted, Action.TOKEN_RETIRED)
    click.echo(f"token {token_id} retired", err=True)


@token.command("revoke")
@click.argument("token_id")
@terminal.data_option
def revoke_token(token_id: str, data: Path | None) -> None:
    """Revoke the token TOKEN_ID at once (see: muster token list). It is refused everywhere within two seconds."""
    with terminal.transaction(data) as connection:
        _revoke(connection, terminal.read_id(token_id, "token"), Action.TOKEN_REVOKED)
    click.echo(f"token {token_id} revoked", err=True)


def _revoke(connection: Connection, token_id: UUID, action: Action) -> None:
    if not tokens.revoke(connection, token_id):
        raise click.ClickException("There is no such token, or it was revoked before (see: muster token list)")
    found = tokens.find(connection, token_id)
    assert found is not None, "it has just been revoked"
    _record(connection, action, found, {"name": found.name})


def _of_secret(connection: Connection, secret: str) -> Token:
    principal = tokens.authenticate(connection, secret)
    found = None if principal is None else tokens.find(connection, principal.token_id)
    assert found is not None, "it has just been made"
    return found


def _record(connection: Connection, action: Action, about: Token, details: dict[str, object]) -> None:
    tenant_id = tenants.find(connection, about.tenant).id
    audit.record(connection, tenant_id, action, actor=terminal.operator(), target=about.id, details=details)


def _see_that_nobody_needs(found: Token) -> None:
    needed = token_lifecycle.why_needed(found, datetime.now(UTC))
    if needed is not None:
        raise click.ClickException(f"{needed} (first: muster token rotate {found.id}, or else --force)")


def _row(found: Token, now: datetime) -> list[str | None]:
    state = found.state(now)
    return [
        str(found.id),
        found.tenant,
        found.name,
        found.hint,
        f"replaced by {found.replaced_by}" if state == "replaced" else state,
        "all" if set(found.scopes) == tokens.EVERYTHING else " ".join(found.scopes),
        " ".join(found.networks) or "everywhere",
        _expiry(found.expires_at, now),
        terminal.moment(found.last_used_at) or NEVER,
        found.last_used_from,
        str(found.user_id or ""),
    ]


def _expiry(expires_at: datetime | None, now: datetime) -> str:
    if expires_at is None:
        return NEVER
    days = (expires_at - now).days
    return terminal.moment(expires_at) + (f" (in {days} days)" if 0 <= days <= max(tokens.WARNINGS) else "")


def _user(connection: Connection, tenant_id: UUID, name: str) -> UUID:
    found = queries.find_unique(connection, resource_types.USERS, tenant_id, name)
    if found is None:
        raise click.ClickException(f"The tenant has no User {name!r}")
    return found
