"""Sign security events, and publish the key that verifies them; the private half never leaves the directory."""

from collections.abc import Iterable
from typing import Any

import orjson
from joserfc import jwt
from joserfc.jwk import ECKey
from sqlalchemy import Connection

from services.directory import keys
from shared.scim import events

ALGORITHM = "ES256"
SECRET = "events"  # noqa: S105 - the name of one.


def sign(connection: Connection, claims: dict[str, Any]) -> str:
    """Return a security event token: a signed JWT in the compact form (RFC 8417, RFC 7515)."""
    [token] = sign_all(connection, [claims])
    return token


def sign_all(connection: Connection, claims: Iterable[dict[str, Any]]) -> list[str]:
    """Return a security event token for each of these claims."""
    key = _key(connection)
    header = {"alg": ALGORITHM, "typ": events.TYPE, "kid": key.kid}
    return [jwt.encode(header, each, key) for each in claims]


def public_keys(connection: Connection) -> dict[str, Any]:
    """Return the public half of the key, as a JWK Set (RFC 7517 section 5)."""
    return {"keys": [_key(connection).as_dict(private=False)]}


def _key(connection: Connection) -> ECKey:
    return ECKey.import_key(orjson.loads(keys.shared(connection, SECRET, _make)))


def _make() -> bytes:
    """Make a key, as a JWK with its private half; its `kid` is its thumbprint (RFC 7638)."""
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": ALGORITHM}, auto_kid=True)
    return orjson.dumps(key.as_dict(private=True))
