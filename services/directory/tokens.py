"""Keep provisioning tokens: random secrets that are shown once and stored as SHA-256.

`mst_` + 43 characters (256 random bits in base 62) + 6 characters of CRC-32: secret scanners can find a leaked one, and
a mistyped one is refused without a look into the database.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zlib import crc32

from sqlalchemy import Connection, func, insert, select, update

from services.directory import ids, tables

PREFIX = "mst_"
LONGEST_NAME = 100
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM, _CHECK = 43, 6


@dataclass(frozen=True, kw_only=True)
class Token:
    """A provisioning token, without its secret; `hint` is how the secret ends."""

    id: UUID
    tenant: str
    name: str
    hint: str
    user_id: UUID | None
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who sends a request: the tenant, and the token that says so; perhaps the User whom the token is bound to."""

    tenant_id: UUID
    tenant: str
    domain: str | None
    token_id: UUID
    user_id: UUID | None = None
    catalogue_version: int = 0
    """The version of the tenant's catalogue; 0 as long as it has declared no extension."""


class TokenError(ValueError):
    """A token cannot be made; the text says why."""


def create(connection: Connection, tenant_id: UUID, name: str, user_id: UUID | None = None) -> str:
    """Create a token of a tenant, perhaps bound to a User; return its secret, which nobody can read again.

    Raises TokenError.
    """
    if not name.isprintable() or not 0 < len(name) <= LONGEST_NAME:
        raise TokenError(f"A token's name has 1 to {LONGEST_NAME} characters that can be printed")
    secret = generate()
    statement = insert(tables.token).values(
        id=ids.new(), tenant_id=tenant_id, name=name, hint=secret[-4:], sha256=_digest(secret), user_id=user_id
    )
    connection.execute(statement)
    return secret


def authenticate(connection: Connection, secret: str) -> Principal | None:
    """Return who holds this secret, or None when it is unknown or revoked."""
    if not is_well_formed(secret):
        return None
    token, tenant = tables.token, tables.tenant
    statement = (
        select(
            tenant.c.id.label("tenant_id"),
            tenant.c.slug.label("tenant"),
            tenant.c.domain,
            token.c.id.label("token_id"),
            token.c.user_id,
            tenant.c.catalogue_version,
        )
        .join(tenant, tenant.c.id == token.c.tenant_id)
        .where(token.c.sha256 == _digest(secret), token.c.revoked_at.is_(None))
    )
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else Principal(**row)


def every(connection: Connection, tenant: str | None = None) -> Sequence[Token]:
    """Return the tokens of a tenant, or all."""
    table = tables.token
    own = (table.c[name] for name in ("id", "name", "hint", "user_id", "created_at", "revoked_at"))
    statement = select(*own, tables.tenant.c.slug.label("tenant")).join(tables.tenant).order_by(table.c.id)
    if tenant is not None:
        statement = statement.where(tables.tenant.c.slug == tenant)
    return [Token(**row) for row in connection.execute(statement).mappings()]


def revoke(connection: Connection, token_id: UUID) -> bool:
    """Revoke a token; False when there is none, or when it was revoked before."""
    statement = (
        update(tables.token)
        .where(tables.token.c.id == token_id, tables.token.c.revoked_at.is_(None))
        .values(revoked_at=func.clock_timestamp())
    )
    return connection.execute(statement).rowcount == 1


def is_well_formed(secret: str) -> bool:
    """Whether a text could be a token: prefix, length, alphabet and checksum."""
    body = secret.removeprefix(PREFIX)
    if body == secret or len(body) != _RANDOM + _CHECK or not body.isascii():
        return False
    return body[_RANDOM:] == _checksum(body[:_RANDOM])


def generate() -> str:
    """Return a new secret."""
    body = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
    return PREFIX + body + _checksum(body)


def _checksum(body: str) -> str:
    number, text = crc32(body.encode()), ""
    for _ in range(_CHECK):
        number, digit = divmod(number, len(_ALPHABET))
        text = _ALPHABET[digit] + text
    return text


def _digest(secret: str) -> bytes:
    """Return what is stored; 256 random bits need no slow hash."""
    return hashlib.sha256(secret.encode()).digest()
