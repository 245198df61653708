"""Keep OAuth clients: who may ask for access tokens with what, and whose issuer's tokens are accepted as they are."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import Connection, Select, func, insert, literal, or_, select, text, update

from services.directory import ids, tables, token_secrets, tokens
from services.directory.tokens import Principal, Scope, Terms

NOBODY = token_secrets.digest("")
"""What a secret is compared with when there is no such client: that takes as long as with one."""


class Kind(StrEnum):
    """What a client shows."""

    SECRET = "secret"  # noqa: S105 - the name of one.
    """Its secret, for which it gets an access token (RFC 6749 section 4.4)."""
    ASSERTION = "assertion"
    """A JWT of its issuer, for which it gets an access token (RFC 7523 section 2.2)."""
    BEARER = "bearer"
    """A JWT of its issuer, with each request."""


class ClientError(ValueError):
    """A client cannot be made; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Federation:
    """Which JWTs of another issuer are a client's."""

    issuer: str
    audiences: Sequence[str]
    subject: str | None = None
    """None: any subject. Only for tokens that come with each request, whose issuer is one customer."""
    jwks_url: str | None = None
    """None: the issuer's own metadata names it (OpenID Connect Discovery 1.0 section 4)."""


@dataclass(frozen=True, kw_only=True)
class Client:
    """A client, without its secret; `hint` is how the secret ends."""

    id: UUID
    tenant: str
    name: str
    kind: Kind
    hint: str | None
    issuer: str | None
    subject: str | None
    audiences: Sequence[str]
    jwks_url: str | None
    scopes: Sequence[str]
    networks: Sequence[str]
    created_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None
    last_used_from: str | None

    def federation(self) -> Federation:
        """Return whose JWTs are this client's."""
        assert self.issuer is not None, "only a client with a secret has no issuer"
        return Federation(issuer=self.issuer, audiences=self.audiences, subject=self.subject, jwks_url=self.jwks_url)


def create_with_secret(connection: Connection, tenant_id: UUID, name: str, terms: Terms) -> tuple[UUID, str]:
    """Create a client; return its id, and its secret, which nobody can read again. Raises TokenError, ClientError."""
    secret = token_secrets.generate(token_secrets.CLIENT_PREFIX)
    values = {"kind": Kind.SECRET, "hint": secret[-4:], "sha256": token_secrets.digest(secret)}
    return _insert(connection, tenant_id, name, terms, values), secret


def create_with_assertion(
    connection: Connection, tenant_id: UUID, name: str, terms: Terms, federation: Federation
) -> UUID:
    """Create a client that shows JWTs of an issuer to get access tokens. Raises TokenError, ClientError."""
    if not federation.subject or not federation.audiences:
        raise ClientError("A client without a secret needs --issuer, --subject and --audience")
    return _insert(connection, tenant_id, name, terms, _federated(Kind.ASSERTION, federation))


def trust(connection: Connection, tenant_id: UUID, name: str, terms: Terms, federation: Federation) -> UUID:
    """Accept an issuer's JWTs with each request, as those of one client. Raises TokenError, ClientError.

    A JWT must not be able to mean two clients: so much is refused.
    """
    if not federation.audiences:
        raise ClientError("Name the audience of the tokens: without it those that are meant for others are accepted")
    connection.execute(text("LOCK TABLE client IN SHARE ROW EXCLUSIVE MODE"))
    table = tables.client
    audience = table.c.audiences.overlap(list(federation.audiences))
    same = (*_trusting(federation.issuer), audience, _may_be(federation.subject))
    if connection.scalar(select(table.c.id).where(*same)) is not None:
        raise ClientError("Another client has tokens of this issuer and audience already (see: muster client list)")
    return _insert(connection, tenant_id, name, terms, _federated(Kind.BEARER, federation))


def find(connection: Connection, client_id: UUID) -> Client | None:
    """Return a client that is not revoked, or None."""
    row = connection.execute(_select().where(tables.client.c.id == client_id, _is_alive())).mappings().one_or_none()
    return None if row is None else _client(row)


def has_secret(connection: Connection, client_id: UUID, secret: str) -> bool:
    """Whether this is the secret of a client that is not revoked; it takes as long for one that is not there."""
    statement = select(tables.client.c.sha256).where(tables.client.c.id == client_id, _is_alive())
    kept = connection.scalar(statement)
    return hmac.compare_digest(token_secrets.digest(secret), kept or NOBODY) and kept is not None


def trusting(connection: Connection, issuer: str, audiences: Sequence[str], subject: str) -> Client | None:
    """Return the client whose requests carry such JWTs themselves, or None when nobody's do."""
    table = tables.client
    fitting = (*_trusting(issuer), table.c.audiences.overlap(list(audiences)), _may_be(subject))
    row = connection.execute(_select().where(*fitting)).mappings().one_or_none()
    return None if row is None else _client(row)


def principal(connection: Connection, client_id: UUID) -> Principal | None:
    """Return who a client is, or None when it is not there or was revoked."""
    client, tenant = tables.client, tables.tenant
    statement = (
        select(
            tenant.c.id.label("tenant_id"),
            tenant.c.slug.label("tenant"),
            tenant.c.domain,
            client.c.id.label("token_id"),
            tenant.c.catalogue_version,
            client.c.scopes,
            client.c.networks,
        )
        .join(tenant, tenant.c.id == client.c.tenant_id)
        .where(client.c.id == client_id, _is_alive())
    )
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        return None
    return Principal(**{**row, "scopes": frozenset(map(Scope, row["scopes"])), "is_client": True})


def every(connection: Connection, tenant: str | None = None) -> Sequence[Client]:
    """Return the clients of a tenant, or all."""
    statement = _select().order_by(tables.client.c.id)
    if tenant is not None:
        statement = statement.where(tables.tenant.c.slug == tenant)
    return [_client(row) for row in connection.execute(statement).mappings()]


def revoke(connection: Connection, client_id: UUID) -> bool:
    """Revoke a client, and with it every token that was issued to it; False when there is none, or it was before."""
    statement = (
        update(tables.client)
        .where(tables.client.c.id == client_id, _is_alive())
        .values(revoked_at=func.clock_timestamp())
    )
    return connection.execute(statement).rowcount == 1


def is_safe_url(url: str) -> bool:
    """Whether keys may be fetched from a URL: only over TLS, but for this machine itself."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and _is_here(parts.hostname)))


def _is_here(host: str | None) -> bool:
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False


def _insert(connection: Connection, tenant_id: UUID, name: str, terms: Terms, values: dict[str, Any]) -> UUID:
    if not name.isprintable() or not 0 < len(name) <= tokens.LONGEST_NAME:
        raise ClientError(f"A client's name has 1 to {tokens.LONGEST_NAME} characters that can be printed")
    if Scope.ADMIN in terms.scopes:
        raise ClientError("A client cannot have the scope admin: only a token can")
    tokens.check(terms)
    own = {"id": ids.new(), "tenant_id": tenant_id, "name": name, "scopes": sorted(terms.scopes)}
    own |= {"networks": [str(ip_network(network)) for network in terms.networks]}
    made: UUID = connection.scalars(insert(tables.client).values(own | values).returning(tables.client.c.id)).one()
    return made


def _federated(kind: Kind, federation: Federation) -> dict[str, Any]:
    for url in (federation.issuer, *filter(None, [federation.jwks_url])):
        if not is_safe_url(url):
            raise ClientError(f"{url!r} is no address to fetch keys from: it begins with https://")
    return {
        "kind": kind,
        "issuer": federation.issuer,
        "subject": federation.subject,
        "audiences": list(federation.audiences),
        "jwks_url": federation.jwks_url,
    }


def _trusting(issuer: str) -> tuple[Any, ...]:
    return (tables.client.c.issuer == issuer, tables.client.c.kind == Kind.BEARER, _is_alive())


def _may_be(subject: str | None) -> Any:
    """Return the condition that a client's tokens may have this subject, or any if it is None."""
    column = tables.client.c.subject
    return literal(value=True) if subject is None else or_(column.is_(None), column == subject)


def _is_alive() -> Any:
    return tables.client.c.revoked_at.is_(None)


def _select() -> Select[Any]:
    own = (column for column in tables.client.c if column.name not in {"tenant_id", "sha256"})
    return select(*own, tables.tenant.c.slug.label("tenant")).join(
        tables.tenant, tables.tenant.c.id == tables.client.c.tenant_id
    )


def _client(row: Any) -> Client:
    return Client(**{**row, "kind": Kind(row["kind"])})
