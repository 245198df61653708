"""Tell which client asks for an access token: by its secret (RFC 6749 section 2.3.1) or an assertion (RFC 7523)."""

import binascii
from base64 import b64decode
from dataclasses import dataclass
from urllib.parse import unquote_plus
from uuid import UUID

from flask import Request
from sqlalchemy import Engine

from services.directory import assertions, clients, database, ids
from services.directory.clients import Client, Kind
from services.directory.tokens import Principal
from services.gateway import foreign_tokens
from services.gateway.foreign_tokens import ForeignTokenError, Unverified, Verified
from services.gateway.issuers import Issuers
from services.gateway.oauth_errors import OAuthError

METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt")
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_WRONG = "The client is unknown or was revoked, or its secret is wrong"
_SIGNS = ("client_secret", "client_assertion")


@dataclass(frozen=True, kw_only=True)
class ClientAuthentication:
    """What finds out who a client is."""

    engine: Engine
    issuers: Issuers

    def client(self, request: Request, given: dict[str, str]) -> Principal:
        """Return which client sends a request. Raises OAuthError."""
        scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
        shown = [name for name in _SIGNS if name in given]
        if len(shown) + bool(scheme) > 1:
            raise OAuthError("invalid_request", "The client shows who it is in more than one way")
        if scheme:
            return self._by_secret(*_basic(scheme, credentials, given.get("client_id")))
        if "client_assertion" in shown:
            return self._by_assertion(given)
        if "client_id" not in given or not shown:
            raise OAuthError("invalid_client", "The client does not show who it is")
        return self._by_secret(given["client_id"], given["client_secret"])

    def _by_secret(self, client_id: str, secret: str) -> Principal:
        found = ids.parse(client_id)
        with database.across(self.engine) as connection:
            is_right = clients.has_secret(connection, found or UUID(int=0), secret)
            principal = clients.principal(connection, found) if found and is_right else None
        if principal is None:
            raise OAuthError("invalid_client", _WRONG)
        return principal

    def _by_assertion(self, given: dict[str, str]) -> Principal:
        """Return which client shows a JWT of its issuer (RFC 7523 sections 2.2 and 3)."""
        if given.get("client_assertion_type") != ASSERTION_TYPE:
            raise OAuthError("invalid_request", f"client_assertion_type must be {ASSERTION_TYPE}")
        if "client_id" not in given:
            raise OAuthError("invalid_request", "client_id is missing: it says whose assertion this is")
        token = given["client_assertion"]
        said, client = foreign_tokens.read(token), self._find(given["client_id"])
        if client is None or client.kind is not Kind.ASSERTION:
            raise OAuthError("invalid_client", _WRONG)
        if said is None:
            raise OAuthError("invalid_client", "The assertion is no signed JWT with kid, iss, sub and aud")
        return self._once(client, self._verify(token, said, client))

    def _find(self, client_id: str) -> Client | None:
        found = ids.parse(client_id)
        with database.across(self.engine) as connection:
            return None if found is None else clients.find(connection, found)

    def _verify(self, token: str, said: Unverified, client: Client) -> Verified:
        try:
            return foreign_tokens.verify(token, said, client.federation(), self.issuers)
        except ForeignTokenError as error:
            raise OAuthError("invalid_client", f"The assertion {error}") from error

    def _once(self, client: Client, verified: Verified) -> Principal:
        """Return who a client is, unless the assertion was used before; one without an id may be used until it ends."""
        with database.across(self.engine) as connection:
            principal = clients.principal(connection, client.id)
            if verified.jti and not assertions.claim(connection, client.id, verified.jti, verified.expires_at):
                raise OAuthError("invalid_client", "The assertion was used before: jti")
        if principal is None:
            raise OAuthError("invalid_client", _WRONG)
        return principal


def _basic(scheme: str, credentials: str, also: str | None) -> tuple[str, str]:
    """Return the client and its secret from a header (RFC 6749 section 2.3.1, RFC 7617)."""
    try:
        client_id, colon, secret = b64decode(credentials.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        client_id, colon, secret = "", "", ""
    if scheme.lower() != "basic" or not colon:
        raise OAuthError("invalid_client", "The Authorization header is not Basic, with id and secret in base64")
    client_id, secret = unquote_plus(client_id), unquote_plus(secret)
    if also is not None and also != client_id:
        raise OAuthError("invalid_request", "client_id is not the one in the Authorization header")
    return client_id, secret
