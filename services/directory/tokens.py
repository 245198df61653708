"""Keep provisioning tokens: what each permits, until when, from where, and when it was last used."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import ip_network
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Connection, DateTime, Select, Text, Uuid, bindparam, func, insert, select, text, update

from services.directory import ids, tables, token_secrets

LONGEST_NAME = 100
MOST = 100
"""Tokens of one tenant that work, at most: whoever has the one of the admin API cannot fill the directory with them."""

LIFETIME = timedelta(days=365)
"""How long a token is good for, unless it is asked otherwise."""

WARNINGS = (30, 14, 7, 1)
"""Days before its end at which a token is warned of."""


class Scope(StrEnum):
    """What a token may do, and to which resources; it needs one of each kind to do anything."""

    READ = "read"
    WRITE = "write"
    USERS = "users"
    GROUPS = "groups"
    ADMIN = "admin"
    """The tokens of its tenant, by the admin API, and nothing else."""


EVERYTHING = frozenset({Scope.READ, Scope.WRITE, Scope.USERS, Scope.GROUPS})
"""All that provisioning may need."""

ADMINISTRATION = frozenset({Scope.ADMIN})


class TokenError(ValueError):
    """A token cannot be made or changed; the text says why."""


class TooManyTokensError(TokenError):
    """A tenant has as many tokens that work as it may."""


@dataclass(frozen=True, kw_only=True)
class Token:
    """A provisioning token, without its secret; `hint` is how the secret ends."""

    id: UUID
    tenant: str
    name: str
    hint: str
    user_id: UUID | None
    scopes: Sequence[str]
    networks: Sequence[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    last_used_from: str | None
    replaced_by: UUID | None

    def state(self, now: datetime) -> str:
        """Return in one word whether it works."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= now:
            return "expired"
        return "replaced" if self.replaced_by else "active"


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who sends a request: the tenant, and the token or client that says so; perhaps the User whom it is bound to."""

    tenant_id: UUID
    tenant: str
    domain: str | None
    token_id: UUID
    """The id of the token, or of the client whose access token it is."""
    user_id: UUID | None = None
    catalogue_version: int = 0
    """The version of the tenant's catalogue; 0 as long as it has declared no extension."""
    scopes: frozenset[Scope] = EVERYTHING
    networks: Sequence[str] = ()
    """Where it may be used from, in CIDR notation; empty: from everywhere."""
    expires_at: datetime | None = None
    is_client: bool = False


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a new token permits."""

    scopes: Collection[Scope] = EVERYTHING
    networks: Sequence[str] = ()
    lifetime: timedelta | None = field(default=LIFETIME)
    """None: it does not end by itself."""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """A token that ends soon, and in how many days at most."""

    id: UUID
    tenant: str
    name: str
    expires_at: datetime
    days: int


def create(
    connection: Connection, tenant_id: UUID, name: str, user_id: UUID | None = None, terms: Terms | None = None
) -> str:
    """Create a token of a tenant, perhaps bound to a User; return its secret, which nobody can read again.

    Raises TokenError, and of these TooManyTokensError.
    """
    if not name.isprintable() or not 0 < len(name) <= LONGEST_NAME:
        raise TokenError(f"A token's name has 1 to {LONGEST_NAME} characters that can be printed")
    terms = terms or Terms()
    check(terms)
    _check_room(connection, tenant_id)
    values = {"tenant_id": tenant_id, "name": name, "user_id": user_id, "scopes": sorted(terms.scopes)}
    values |= {"networks": [str(ip_network(network)) for network in terms.networks]}
    if terms.lifetime is not None:
        values["expires_at"] = func.clock_timestamp() + terms.lifetime
    return _insert(connection, values)


def rotate(connection: Connection, token_id: UUID, overlap: timedelta) -> str:
    """Create the successor of a token, on the same terms; the old one goes on for so long. Return the new secret.

    Raises TokenError when it is not there, was revoked, or has a successor already.
    """
    table = tables.token
    found = connection.execute(select(table).where(table.c.id == token_id).with_for_update()).mappings().one_or_none()
    if found is None or found["revoked_at"] is not None:
        raise TokenError("There is no such token, or it was revoked (see: muster token list)")
    if connection.scalar(select(table.c.id).where(table.c.replaces == token_id, table.c.revoked_at.is_(None))):
        raise TokenError("This token has a successor already (see: muster token list); rotate that one, or revoke it")
    same = {name: found[name] for name in ("tenant_id", "name", "user_id", "scopes", "networks")}
    if found["expires_at"] is not None:
        same["expires_at"] = func.clock_timestamp() + (found["expires_at"] - found["created_at"])
    secret = _insert(connection, same | {"replaces": token_id})
    ends = func.least(table.c.expires_at, func.clock_timestamp() + overlap)
    connection.execute(update(table).where(table.c.id == token_id).values(expires_at=ends))
    return secret


def authenticate(connection: Connection, secret: str) -> Principal | None:
    """Return who holds this secret, or None when it is unknown or revoked; one that has expired is told as it is."""
    if not token_secrets.is_well_formed(secret):
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
            token.c.scopes,
            token.c.networks,
            token.c.expires_at,
        )
        .join(tenant, tenant.c.id == token.c.tenant_id)
        .where(token.c.sha256 == token_secrets.digest(secret), token.c.revoked_at.is_(None))
    )
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else Principal(**{**row, "scopes": frozenset(map(Scope, row["scopes"]))})


def every(connection: Connection, tenant: str | None = None) -> Sequence[Token]:
    """Return the tokens of a tenant, or all."""
    statement = _select().order_by(tables.token.c.id)
    if tenant is not None:
        statement = statement.where(tables.tenant.c.slug == tenant)
    return [Token(**row) for row in connection.execute(statement).mappings()]


def find(connection: Connection, token_id: UUID) -> Token | None:
    """Return a token, or None when there is none."""
    row = connection.execute(_select().where(tables.token.c.id == token_id)).mappings().one_or_none()
    return None if row is None else Token(**row)


def find_of(connection: Connection, tenant_id: UUID, token_id: UUID) -> Token | None:
    """Return a token of a tenant, or None when it has none with this id."""
    mine = (tables.token.c.id == token_id, tables.token.c.tenant_id == tenant_id)
    row = connection.execute(_select().where(*mine)).mappings().one_or_none()
    return None if row is None else Token(**row)


def revoke(connection: Connection, token_id: UUID) -> bool:
    """Revoke a token; False when there is none, or when it was revoked before."""
    statement = (
        update(tables.token)
        .where(tables.token.c.id == token_id, tables.token.c.revoked_at.is_(None))
        .values(revoked_at=func.clock_timestamp())
    )
    return connection.execute(statement).rowcount == 1


_USES = text("""
WITH used AS (SELECT * FROM unnest(:ids, :moments, :addresses) AS u(id, at, address)), of_clients AS (
  UPDATE client c SET last_used_at = u.at, last_used_from = u.address FROM used u
  WHERE c.id = u.id AND coalesce(c.last_used_at, '-infinity') < u.at
)
UPDATE token t SET last_used_at = u.at, last_used_from = u.address FROM used u
WHERE t.id = u.id AND coalesce(t.last_used_at, '-infinity') < u.at
""").bindparams(
    bindparam("ids", type_=ARRAY(Uuid)),
    bindparam("moments", type_=ARRAY(DateTime(timezone=True))),
    bindparam("addresses", type_=ARRAY(Text)),
)


def note_uses(connection: Connection, uses: Mapping[UUID, tuple[datetime, str]]) -> None:
    """Write down when each token or client was last used, and from which address."""
    ordered = sorted(uses)
    moments, addresses = [uses[i][0] for i in ordered], [uses[i][1] for i in ordered]
    connection.execute(_USES, {"ids": ordered, "moments": moments, "addresses": addresses})


_ENDING = text("""
UPDATE token t SET warned_days = w.days
FROM tenant, (SELECT t.id, min(d.days) AS days
              FROM token t JOIN unnest(:warnings) AS d(days)
                ON t.expires_at <= clock_timestamp() + make_interval(days => d.days)
              WHERE t.revoked_at IS NULL AND t.expires_at > clock_timestamp()
                AND NOT EXISTS (SELECT FROM token s WHERE s.replaces = t.id AND s.revoked_at IS NULL)
              GROUP BY t.id) AS w
WHERE t.id = w.id AND tenant.id = t.tenant_id AND coalesce(t.warned_days, 1000) > w.days
RETURNING t.id, tenant.slug AS tenant, t.name, t.expires_at, w.days
""")


def ending(connection: Connection) -> Sequence[Ending]:
    """Return the tokens that have come nearer to their end than the next warning; each is told of once.

    One that has a successor is on its way out, and is not told of.
    """
    rows = connection.execute(_ENDING, {"warnings": list(WARNINGS)}).mappings()
    return [Ending(**row) for row in rows]


_COUNT_ENDING = text("""
SELECT d.days, count(t.id) AS tokens
FROM unnest(:warnings) AS d(days)
LEFT JOIN token t ON t.revoked_at IS NULL AND t.expires_at > clock_timestamp()
  AND t.expires_at <= clock_timestamp() + make_interval(days => d.days)
  AND NOT EXISTS (SELECT FROM token s WHERE s.replaces = t.id AND s.revoked_at IS NULL)
GROUP BY d.days
""")


def count_ending(connection: Connection) -> Mapping[int, int]:
    """Return how many tokens without a successor end within each of the days that are warned of."""
    return {row.days: row.tokens for row in connection.execute(_COUNT_ENDING, {"warnings": list(WARNINGS)})}


def check(terms: Terms) -> None:
    """Raise TokenError for terms that make no sense."""
    asked = set(terms.scopes)
    if Scope.ADMIN in asked and asked != ADMINISTRATION:
        raise TokenError("A token with the scope admin has no other: what provisions people must not make tokens")
    is_useless = not {Scope.READ, Scope.WRITE} & asked or not {Scope.USERS, Scope.GROUPS} & asked
    if is_useless and asked != ADMINISTRATION:
        raise TokenError("A token needs read or write, and users or groups: without them it could do nothing")
    if terms.lifetime is not None and terms.lifetime <= timedelta():
        raise TokenError("A token must be good for some time: give a lifetime above 0")
    for network in terms.networks:
        try:
            ip_network(network)
        except ValueError as error:
            raise TokenError(f"{network!r} is not a network: write it as 203.0.113.0/24 or 2001:db8::/32") from error


def _check_room(connection: Connection, tenant_id: UUID) -> None:
    table = tables.token
    is_over = table.c.expires_at <= func.clock_timestamp()
    working = (table.c.tenant_id == tenant_id, table.c.revoked_at.is_(None), is_over.is_not(True))
    if (connection.scalar(select(func.count()).select_from(table).where(*working)) or 0) >= MOST:
        raise TooManyTokensError(f"The most are {MOST} tokens of a tenant that work: revoke those that nobody uses")


def _insert(connection: Connection, values: dict[str, Any]) -> str:
    secret = token_secrets.generate()
    values = values | {"id": ids.new(), "hint": secret[-4:], "sha256": token_secrets.digest(secret)}
    connection.execute(insert(tables.token).values(values))
    return secret


def _select() -> Select[Any]:
    table, successor = tables.token, tables.token.alias("successor")
    replaced_by = (
        select(successor.c.id)
        .where(successor.c.replaces == table.c.id, successor.c.revoked_at.is_(None))
        .limit(1)
        .scalar_subquery()
    )
    names = ("id", "name", "hint", "user_id", "scopes", "networks", "created_at", "expires_at", "revoked_at")
    own = (table.c[name] for name in (*names, "last_used_at", "last_used_from"))
    return select(*own, replaced_by.label("replaced_by"), tables.tenant.c.slug.label("tenant")).join(
        tables.tenant, tables.tenant.c.id == table.c.tenant_id
    )
