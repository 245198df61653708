"""The commands of signing keys: list, rotate, revoke."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from services.directory import audit, signing_keys, terminal
from services.directory.audit_chain import Action
from services.directory.signing_keys import Key


@click.group("keys")
def keys_group() -> None:
    """Signing keys: they sign access tokens and security events. The worker replaces them by age."""


@keys_group.command("list")
@terminal.data_option
def list_keys(data: Path | None) -> None:
    """List the keys that are published, the oldest first."""
    with terminal.transaction(data) as connection:
        signs = signing_keys.signer(connection).kid or ""
        found = signing_keys.published(connection)
    now = datetime.now(UTC)
    terminal.table(
        ["key", "state", "signs from", "published until"],
        [
            [each.kid, _state(each, signs, now), terminal.moment(each.signs_from), terminal.moment(each.ends_at)]
            for each in found
        ],
    )


@keys_group.command("rotate")
@click.option(
    "--ahead", type=terminal.Duration(), default="10m", show_default=True, help="Published so long before it signs."
)
@terminal.data_option
def rotate_keys(ahead: timedelta, data: Path | None) -> None:
    """Make a new key. The old one verifies until all that it signed has ended, so no client notices."""
    with terminal.transaction(data) as connection:
        made = signing_keys.rotate(connection, ahead)
        audit.record(connection, None, Action.KEYS_ROTATED, actor=terminal.operator(), target=made.kid)
    click.echo(f"key {made.kid} signs from {terminal.moment(made.signs_from)} on", err=True)


@keys_group.command("revoke")
@click.argument("kid")
@terminal.data_option
def revoke_key(kid: str, data: Path | None) -> None:
    """End the key KID at once, because it has leaked: a new one signs, and all that KID signed is refused."""
    with terminal.transaction(data) as connection:
        signing_keys.revoke(connection, kid)
        audit.record(connection, None, Action.KEY_REVOKED, actor=terminal.operator(), target=kid)
    click.echo(f"key {kid} revoked", err=True)


def _state(key: Key, signs: str, now: datetime) -> str:
    if key.kid == signs:
        return "signs"
    return "will sign" if key.signs_from > now else "verifies"
