"""Sign security events, and publish the keys that verify them and the access tokens."""

from collections.abc import Iterable
from typing import Any

from joserfc import jwt
from sqlalchemy import Connection

from services.directory import signing_keys
from shared.scim import events


def sign(connection: Connection, claims: dict[str, Any]) -> str:
    """Return a security event token: a signed JWT in the compact form (RFC 8417, RFC 7515)."""
    [token] = sign_all(connection, [claims])
    return token


def sign_all(connection: Connection, claims: Iterable[dict[str, Any]]) -> list[str]:
    """Return a security event token for each of these claims."""
    key = signing_keys.signer(connection)
    header = {"alg": signing_keys.ALGORITHM, "typ": events.TYPE, "kid": key.kid}
    return [jwt.encode(header, each, key) for each in claims]


def public_keys(connection: Connection) -> dict[str, Any]:
    """Return the public halves of the ring, as a JWK Set (RFC 7517 section 5)."""
    signing_keys.signer(connection)
    return {"keys": [key.imported().as_dict(private=False) for key in signing_keys.published(connection)]}
