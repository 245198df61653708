"""Tell who sends a request: a bearer token becomes a Principal, or a 401 with a challenge (RFC 6750 section 3)."""

import hashlib
import logging

from cachetools import TTLCache
from flask import Request
from sqlalchemy import Engine

from services.directory import database, tokens
from services.directory.tokens import Principal
from shared.scim.errors import UnauthorizedError

logger = logging.getLogger(__name__)

REALM = 'Bearer realm="scim"'
LARGEST_CACHE = 10_000


class Authenticator:
    """Looks tokens up, and trusts an answer for a moment, so that a burst of requests costs one look."""

    def __init__(self, engine: Engine, cache_seconds: float) -> None:
        self._engine = engine
        self._known: TTLCache[bytes, Principal] = TTLCache(LARGEST_CACHE, cache_seconds)

    def principal(self, request: Request) -> Principal:
        """Return who sends a request. Raises UnauthorizedError, whose text tells an admin what to look at."""
        secret = bearer(request)
        key = hashlib.sha256(secret.encode()).digest()
        principal = self._known.get(key)
        if principal is not None:
            return principal
        principal = self._look_up(secret)
        if principal is None:
            raise UnauthorizedError(
                "The bearer token is wrong or was revoked: create one for this portal and paste it as Secret Token"
            )
        self._known[key] = principal
        return principal

    def _look_up(self, secret: str) -> Principal | None:
        with database.transaction(self._engine) as connection:
            return tokens.authenticate(connection, secret)


def challenge(error: UnauthorizedError) -> str:
    """Return the WWW-Authenticate header of a refusal (RFC 6750 section 3)."""
    return REALM if "missing" in error.detail else f'{REALM}, error="invalid_token"'


def bearer(request: Request) -> str:
    """Return the bearer token of a request (RFC 6750 section 2.1). Raises UnauthorizedError when there is none."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not secret:
        raise UnauthorizedError("The bearer token is missing: send Authorization: Bearer <token>")
    return secret
