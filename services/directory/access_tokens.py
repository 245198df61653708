"""Issue access tokens to clients, and verify them: JWTs that end soon, signed with the ring's keys (RFC 9068)."""

import time
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry
from sqlalchemy import Connection

from services.directory import clients, ids, signing_keys
from services.directory.signing_keys import Ring
from services.directory.tokens import Principal, Scope

TYPE = "at+jwt"
LEEWAY_SECONDS = 60
"""What the clocks of two gateways may differ by; it never prolongs a token."""

_REGISTRY = JWSRegistry(algorithms=[signing_keys.ALGORITHM])
_CLAIMS = JWTClaimsRegistry(leeway=LEEWAY_SECONDS, exp={"essential": True}, sub={"essential": True})


class AccessTokenError(ValueError):
    """A token is not one that this server issued, or not any more; the text says so to whoever sent it."""


def issue(
    connection: Connection, client_id: UUID, *, issuer: str, audience: str, scopes: Collection[Scope], seconds: int
) -> str:
    """Return an access token of a client (RFC 9068 section 2.2)."""
    key, now = signing_keys.signer(connection), int(time.time())
    claims = {
        "iss": issuer,
        "aud": audience,
        "sub": str(client_id),
        "client_id": str(client_id),
        "iat": now,
        "exp": now + seconds,
        "jti": str(uuid4()),
        "scope": " ".join(sorted(scopes)),
    }
    return jwt.encode({"alg": signing_keys.ALGORITHM, "typ": TYPE, "kid": key.kid}, claims, key)


def verify(token: str, kid: str, ring: Ring) -> dict[str, Any]:
    """Return the claims of an access token that this server issued. Raises AccessTokenError.

    One that ended just now passes: its principal says when it ended.
    """
    key = ring.find(kid)
    if key is None:
        raise AccessTokenError("was issued by nobody whom this server knows")
    try:
        decoded = jwt.decode(token, key, registry=_REGISTRY)
        _CLAIMS.validate(decoded.claims)
    except JoseError as error:
        raise AccessTokenError("is not one that this server issued, or has expired") from error
    if decoded.header.get("typ") != TYPE:
        raise AccessTokenError("is no access token")
    return decoded.claims


def is_ours(token: str, ring: Ring) -> bool:
    """Whether this server signed a token, with a key that this process knows; nobody is asked."""
    try:
        kid = jws.extract_compact(token.encode(), registry=_REGISTRY).headers().get("kid")
        if not isinstance(kid, str) or not ring.knows(kid):
            return False
        verify(token, kid, ring)
    except (JoseError, ValueError, AttributeError):
        return False
    return True


def principal(connection: Connection, claims: dict[str, Any]) -> Principal | None:
    """Return whose token it is and what it permits: what it says, as far as its client still may. None when revoked."""
    client_id = ids.parse(claims["sub"])
    found = None if client_id is None else clients.principal(connection, client_id)
    if found is None:
        return None
    scopes = found.scopes & {scope for scope in Scope if scope in str(claims.get("scope", "")).split()}
    return replace(found, scopes=scopes, expires_at=datetime.fromtimestamp(claims["exp"], UTC))
