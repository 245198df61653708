"""Take a tenant's tokens through their lives, each step with its row of the audit, for who acts for it alone."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from services.directory import audit, tokens
from services.directory.audit_chain import Action
from services.directory.tokens import Terms, Token

RECENT = timedelta(hours=24)
"""A token that was used within this time is still in use by somebody."""


class TokenInUseError(ValueError):
    """A token cannot be retired, for somebody may still need it; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Deed:
    """Whose tokens are changed, by whom."""

    tenant_id: UUID
    actor: str


def create(connection: Connection, deed: Deed, name: str, terms: Terms) -> tuple[Token, str]:
    """Create a token; return it with its secret. Raises TokenError."""
    secret = tokens.create(connection, deed.tenant_id, name, None, terms)
    made = _of_secret(connection, secret)
    _record(connection, deed, Action.TOKEN_CREATED, made, told(made))
    return made, secret


def rotate(connection: Connection, deed: Deed, old: Token, overlap: timedelta) -> tuple[Token, str]:
    """Create the successor of a token; return it with its secret. Raises TokenError."""
    secret = tokens.rotate(connection, old.id, overlap)
    made = _of_secret(connection, secret)
    about = {"successor": str(made.id), "overlap_seconds": round(overlap.total_seconds())}
    _record(connection, deed, Action.TOKEN_ROTATED, old, about)
    return made, secret


def retire(connection: Connection, deed: Deed, old: Token, now: datetime) -> bool:
    """Revoke a token that nobody needs; False when it was revoked before. Raises TokenInUseError."""
    needed = why_needed(old, now)
    if needed is not None:
        raise TokenInUseError(needed)
    return _end(connection, deed, old, Action.TOKEN_RETIRED)


def revoke(connection: Connection, deed: Deed, old: Token) -> bool:
    """Revoke a token at once; False when it was revoked before."""
    return _end(connection, deed, old, Action.TOKEN_REVOKED)


def is_in_use(found: Token, now: datetime) -> bool:
    """Whether somebody has used a token lately."""
    return found.last_used_at is not None and found.last_used_at > now - RECENT


def why_needed(found: Token, now: datetime) -> str | None:
    """Return why a token must not be retired yet, in a sentence; None when nobody needs it."""
    if found.replaced_by is None:
        return "It has no successor: rotate it first, or revoke it"
    if is_in_use(found, now):
        hours = RECENT // timedelta(hours=1)
        return (
            f"It was last used at {found.last_used_at:%Y-%m-%d %H:%M:%S} UTC by {found.last_used_from}: give that "
            f"client the new secret, and wait {hours} hours"
        )
    return None


def told(made: Token) -> dict[str, object]:
    """Return what the audit is told of a new token."""
    return {
        "name": made.name,
        "scopes": list(made.scopes),
        "networks": list(made.networks),
        "expires_at": made.expires_at and made.expires_at.isoformat(),
        "user": made.user_id and str(made.user_id),
    }


def _end(connection: Connection, deed: Deed, old: Token, action: Action) -> bool:
    is_ended = tokens.revoke(connection, old.id)
    if is_ended:
        _record(connection, deed, action, old, {"name": old.name})
    return is_ended


def _of_secret(connection: Connection, secret: str) -> Token:
    principal = tokens.authenticate(connection, secret)
    found = None if principal is None else tokens.find(connection, principal.token_id)
    assert found is not None, "it has just been made"
    return found


def _record(connection: Connection, deed: Deed, action: Action, about: Token, details: dict[str, object]) -> None:
    audit.record(connection, deed.tenant_id, action, actor=deed.actor, target=about.id, details=details)
