"""Verify JWTs of other issuers: the signature, whom they are meant for, and when (RFC 7519, RFC 7523 section 3)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry

from services.directory.clients import Federation
from services.gateway.issuers import Issuers

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Those with a public key alone: with others whoever knows the published key could sign."""

LEEWAY_SECONDS = 60
LONGEST_SECONDS = 86_400
"""A JWT that ends later is refused, so that what must be remembered of used ones is bounded."""

LONGEST = 16_384

_REGISTRY = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)


class ForeignTokenError(ValueError):
    """A JWT is not one that this issuer gave to this client, or not any more; the text says which rule it breaks."""


@dataclass(frozen=True, kw_only=True)
class Unverified:
    """What a JWT says of itself. Nothing of it is true yet: it only tells whom to ask."""

    kid: str
    issuer: str
    subject: str
    audiences: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What is known of a JWT that was verified."""

    expires_at: datetime
    jti: str | None


def read(token: str) -> Unverified | None:
    """Return what a JWT says of itself, or None for what is no JWT with a key id, an issuer and an audience."""
    if len(token) > LONGEST or token.count(".") != 2 or not token.isascii():
        return None
    try:
        compact = jws.extract_compact(token.encode(), registry=_REGISTRY)
        header, said = compact.headers(), orjson.loads(compact.payload)
    except (JoseError, ValueError):
        return None
    if not isinstance(header, dict) or not isinstance(said, dict):
        return None
    kid, issuer, subject, audiences = header.get("kid"), said.get("iss"), said.get("sub"), _texts(said.get("aud"))
    if not isinstance(kid, str) or not isinstance(issuer, str) or not isinstance(subject, str) or not audiences:
        return None
    return Unverified(kid=kid, issuer=issuer, subject=subject, audiences=audiences)


def verify(token: str, said: Unverified, wanted: Federation, issuers: Issuers) -> Verified:
    """Verify that a JWT is its issuer's, and meant for here and now. Raises ForeignTokenError."""
    if said.issuer != wanted.issuer:
        raise ForeignTokenError("has another issuer than this client's")
    key = issuers.key(wanted.issuer, wanted.jwks_url, said.kid)
    if key is None:
        raise ForeignTokenError("was signed with a key that its issuer does not publish, or that cannot be fetched")
    try:
        claims = jwt.decode(token, key, registry=_REGISTRY).claims
        _rules(wanted).validate(claims)
    except JoseError as error:
        raise ForeignTokenError(f"is not good ({error.error}{_about(error)})") from error
    if claims["exp"] > datetime.now(UTC).timestamp() + LONGEST_SECONDS:
        raise ForeignTokenError("ends too late: a day from now is the longest time")
    ends_at = datetime.fromtimestamp(claims["exp"] + LEEWAY_SECONDS, UTC)
    return Verified(expires_at=ends_at, jti=claims.get("jti"))


def _rules(wanted: Federation) -> JWTClaimsRegistry:
    subject = {"sub": {"essential": True, "value": wanted.subject}} if wanted.subject else {"sub": {"essential": True}}
    return JWTClaimsRegistry(
        leeway=LEEWAY_SECONDS,
        iss={"essential": True, "value": wanted.issuer},
        aud={"essential": True, "values": list(wanted.audiences)},
        exp={"essential": True},
        **subject,
    )


def _about(error: JoseError) -> str:
    """Return which claim an error is about, where it names one; never its value."""
    claim = getattr(error, "claim", None)
    return f": {claim}" if claim else ""


def _texts(value: Any) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    return tuple(each for each in listed if isinstance(each, str))
