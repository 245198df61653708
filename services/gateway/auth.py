"""Tell who sends a request: a bearer token becomes a Principal, or a 401 with a challenge (RFC 6750 section 3).

A bearer token is a provisioning token, or a JWT: an access token of ours, or one of an issuer that a tenant trusts.
"""

from datetime import UTC, datetime
from uuid import UUID

from cachetools import TTLCache
from flask import Request
from sqlalchemy import Engine

from services.directory import addresses, database, tenants, token_secrets, tokens
from services.directory.tokens import Principal
from services.gateway import guard
from services.gateway.flushing import TokenUses
from services.gateway.guard import Guard
from services.gateway.jwt_bearers import JWTBearers
from services.gateway.looking import OneAtATime
from shared.scim.errors import ForbiddenError, UnauthorizedError

REALM = 'Bearer realm="scim"'
LARGEST_CACHE = 10_000
_WRONG = "The bearer token is wrong or was revoked: create one for this portal and paste it as Secret Token"


class Authenticator:
    """Looks tokens up, and trusts an answer for a moment, so that a burst of requests costs one look."""

    def __init__(
        self, engine: Engine, cache_seconds: float, uses: TokenUses, bearers: JWTBearers, guard: Guard
    ) -> None:
        self._engine, self._uses, self._bearers, self._guard = engine, uses, bearers, guard
        self._known: TTLCache[bytes, Principal] = TTLCache(LARGEST_CACHE, cache_seconds)
        self._portals: TTLCache[str, UUID | None] = TTLCache(LARGEST_CACHE, cache_seconds)
        self._turns = OneAtATime()

    def principal(self, request: Request) -> Principal:
        """Return who sends a request.

        Raises UnauthorizedError, whose text tells an admin what to look at, and ForbiddenError for a token that must
        not be used from this address.
        """
        secret = bearer(request)
        principal = self._known.get(guard.digest(secret)) or self._found(secret, request.remote_addr or "")
        _check_time(principal)
        self.check_place(principal, request)
        return principal

    def check_place(self, principal: Principal, request: Request) -> None:
        """Refuse a token at the portal of another tenant, and from a network that it is not meant for; note its use.

        Raises UnauthorizedError, which tells what a wrong token is told, or ForbiddenError.
        """
        host, address = request.host.lower(), request.remote_addr or ""
        if host != principal.domain and self.portal(host) not in {None, principal.tenant_id}:
            raise UnauthorizedError(_WRONG)
        _check_address(principal, address)
        self._uses.note(principal.token_id, address)

    def portal(self, host: str) -> UUID | None:
        """Return the tenant whose portal this is, or None."""
        try:
            return self._portals[host]
        except KeyError:  # Not there, or not any more: what is asked for in two steps may end between them.
            with self._turns.looking(host):
                return self._portal(host)

    def _portal(self, host: str) -> UUID | None:
        """Return what whoever looked before found, or look, and remember it."""
        try:
            return self._portals[host]
        except KeyError:
            with database.across(self._engine) as connection:
                found = tenants.of_domain(connection, host)
            self._portals[host] = found
            return found

    def _found(self, secret: str, address: str) -> Principal:
        """Return whose token it is, from whoever looked before if that is a moment ago. Raises UnauthorizedError."""
        key = guard.digest(secret)
        with self._turns.looking(key):
            return self._known.get(key) or self._looked_up(secret, address)

    def _looked_up(self, secret: str, address: str) -> Principal:
        """Return whose token it is, and remember it. Raises UnauthorizedError, which its address is held to."""
        try:
            found = self._look_up(secret)
        except UnauthorizedError:
            self._guard.note_wrong(address)
            raise
        self._guard.note_right(secret)
        self._known[guard.digest(secret)] = found
        return found

    def _look_up(self, secret: str) -> Principal:
        if secret.startswith(token_secrets.PREFIX):
            with database.across(self._engine) as connection:
                found = tokens.authenticate(connection, secret)
        else:
            found = self._bearers.principal(secret)
        if found is None:
            raise UnauthorizedError(_WRONG)
        return found


def challenge(error: UnauthorizedError) -> str:
    """Return the WWW-Authenticate header of a refusal (RFC 6750 section 3)."""
    return REALM if "token is missing" in error.detail else f'{REALM}, error="invalid_token"'


def _check_time(principal: Principal) -> None:
    ends = principal.expires_at
    if ends is None or ends > datetime.now(UTC):
        return
    if principal.is_client:
        raise UnauthorizedError(f"The access token expired at {ends:%H:%M:%S} UTC: ask for a new one")
    raise UnauthorizedError(
        f"The bearer token expired on {ends:%Y-%m-%d}: create a new one and paste it as Secret Token"
    )


def _check_address(principal: Principal, address: str) -> None:
    if principal.networks and not addresses.is_within(address, principal.networks):
        raise ForbiddenError("This token may not be used from this address: see the networks it was created with")


def bearer(request: Request) -> str:
    """Return the bearer token of a request (RFC 6750 section 2.1). Raises UnauthorizedError when there is none."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not secret:
        raise UnauthorizedError("The bearer token is missing: send Authorization: Bearer <token>")
    return secret
