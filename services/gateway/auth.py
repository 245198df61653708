"""Tell who sends a request: a bearer token becomes a Principal, or a 401 with a challenge (RFC 6750 section 3)."""

import hashlib
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from uuid import UUID

from cachetools import TTLCache
from flask import Request
from sqlalchemy import Engine

from services.directory import database, tenants, tokens
from services.directory.tokens import Principal
from services.gateway.flushing import TokenUses
from shared.scim.errors import ForbiddenError, UnauthorizedError

REALM = 'Bearer realm="scim"'
LARGEST_CACHE = 10_000
_WRONG = "The bearer token is wrong or was revoked: create one for this portal and paste it as Secret Token"


class Authenticator:
    """Looks tokens up, and trusts an answer for a moment, so that a burst of requests costs one look."""

    def __init__(self, engine: Engine, cache_seconds: float, uses: TokenUses) -> None:
        self._engine, self._uses = engine, uses
        self._known: TTLCache[bytes, Principal] = TTLCache(LARGEST_CACHE, cache_seconds)
        self._portals: TTLCache[str, UUID | None] = TTLCache(LARGEST_CACHE, cache_seconds)

    def principal(self, request: Request) -> Principal:
        """Return who sends a request.

        Raises UnauthorizedError, whose text tells an admin what to look at, and ForbiddenError for a token that must
        not be used from this address.
        """
        secret = bearer(request)
        key = hashlib.sha256(secret.encode()).digest()
        principal = self._known.get(key) or self._look_up(secret)
        if principal is None:
            raise UnauthorizedError(_WRONG)
        self._known.setdefault(key, principal)
        _check_time(principal)
        self._check_portal(principal, request.host.lower())
        _check_address(principal, request.remote_addr or "")
        self._uses.note(principal.token_id, request.remote_addr or "")
        return principal

    def _look_up(self, secret: str) -> Principal | None:
        with database.transaction(self._engine) as connection:
            return tokens.authenticate(connection, secret)

    def _check_portal(self, principal: Principal, host: str) -> None:
        """Refuse a token at the portal of another tenant; it is told what a wrong token is told."""
        if host == principal.domain:
            return
        if host not in self._portals:
            with database.transaction(self._engine) as connection:
                self._portals[host] = tenants.of_domain(connection, host)
        if self._portals[host] not in {None, principal.tenant_id}:
            raise UnauthorizedError(_WRONG)


def challenge(error: UnauthorizedError) -> str:
    """Return the WWW-Authenticate header of a refusal (RFC 6750 section 3)."""
    return REALM if "missing" in error.detail else f'{REALM}, error="invalid_token"'


def _check_time(principal: Principal) -> None:
    ends = principal.expires_at
    if ends is not None and ends <= datetime.now(UTC):
        raise UnauthorizedError(
            f"The bearer token expired on {ends:%Y-%m-%d}: create a new one and paste it as Secret Token"
        )


def _check_address(principal: Principal, address: str) -> None:
    if principal.networks and not any(ip_address(address) in ip_network(each) for each in principal.networks):
        raise ForbiddenError("This token may not be used from this address: see the networks it was created with")


def bearer(request: Request) -> str:
    """Return the bearer token of a request (RFC 6750 section 2.1). Raises UnauthorizedError when there is none."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not secret:
        raise UnauthorizedError("The bearer token is missing: send Authorization: Bearer <token>")
    return secret
