"""Serve /oauth/token, where clients get access tokens (RFC 6749 section 4.4), and the metadata that tells of it."""

from dataclasses import dataclass
from typing import Any

import orjson
from flask import Blueprint, Response, g, request
from sqlalchemy import Engine

from services.directory import access_tokens, database
from services.directory.tokens import EVERYTHING, Principal, Scope
from services.gateway import foreign_tokens, requests, responses
from services.gateway import guard as guards
from services.gateway.async_results import KEYS
from services.gateway.auth import Authenticator
from services.gateway.client_authentication import ASSERTION_TYPE, METHODS, ClientAuthentication
from services.gateway.guard import Guard
from services.gateway.oauth_errors import OAuthError
from shared import metrics
from shared.scim.errors import ForbiddenError, UnauthorizedError
from shared.settings import Settings

PATH = "/oauth/token"
METADATA = "/.well-known/oauth-authorization-server"
GRANT = "client_credentials"
SCIM = "scim"
"""The scope that means all that a client may do; Microsoft Entra asks for it."""

LARGEST = 65_536
_FORM = "application/x-www-form-urlencoded"
_UNKEPT = {"Cache-Control": "no-store", "Pragma": "no-cache"}


@dataclass(frozen=True, kw_only=True)
class OAuth:
    """What the endpoints of OAuth need."""

    settings: Settings
    engine: Engine
    authenticator: Authenticator
    authentication: ClientAuthentication
    guard: Guard

    def blueprint(self) -> Blueprint:
        """Return the routes, with the errors that they have instead of SCIM's."""
        routes = Blueprint("oauth", __name__)
        routes.add_url_rule(PATH, endpoint="token", view_func=self._token, methods=["POST"])
        routes.add_url_rule(METADATA, endpoint="metadata", view_func=self._metadata, methods=["GET"])
        routes.register_error_handler(OAuthError, _refuse)
        return routes

    def _token(self) -> Response:
        """Answer a request for an access token (RFC 6749 sections 4.4.2 and 5.1)."""
        given = _parameters()
        if given.get("grant_type") != GRANT:
            missing = "grant_type" not in given
            raise OAuthError("invalid_request" if missing else "unsupported_grant_type", f"grant_type must be {GRANT}")
        found = g.principal = self._client(given)
        self._check_place(found)
        scopes = _scopes(given.get("scope"), found)
        seconds = self.settings.access_token_seconds
        with database.transaction(self.engine) as connection:
            token = access_tokens.issue(
                connection,
                found.token_id,
                issuer=responses.origin(found.domain, self.settings.public_url),
                audience=responses.base_url(found, self.settings.public_url),
                scopes=scopes,
                seconds=seconds,
            )
        metrics.count(metrics.ISSUED)
        body = {"access_token": token, "token_type": "Bearer", "expires_in": seconds, "scope": " ".join(sorted(scopes))}
        return _json(body, 200, _UNKEPT)

    def _client(self, given: dict[str, str]) -> Principal:
        """Return which client asks. Raises OAuthError, and TooManyRequestsError for an address that guesses."""
        address, secret = request.remote_addr or "", _shown(given)
        refusal = self.guard.refusal(address, secret)
        if refusal is not None:
            raise refusal
        try:
            found = self.authentication.client(request, given)
        except OAuthError as error:
            if error.error == "invalid_client":
                self.guard.note_wrong(address)
            raise
        self.guard.note_right(secret)
        return found

    def _check_place(self, principal: Principal) -> None:
        try:
            self.authenticator.check_place(principal, request)
        except UnauthorizedError as error:
            raise OAuthError("invalid_client", "This client is not one of this portal") from error
        except ForbiddenError as error:
            raise OAuthError("unauthorized_client", "This client may not be used from this address") from error

    def _metadata(self) -> Response:
        """Answer with what there is to know (RFC 8414 section 3.2); the host chooses among portals that are known."""
        host = request.host.lower()
        is_portal = self.authenticator.portal(host) is not None
        issuer = responses.origin(host if is_portal else None, self.settings.public_url)
        algorithms = list(foreign_tokens.ALGORITHMS)
        body = {
            "issuer": issuer,
            "token_endpoint": issuer + PATH,
            "jwks_uri": issuer + responses.PREFIX + KEYS,
            "scopes_supported": [SCIM, *(scope for scope in Scope if scope in EVERYTHING)],
            "response_types_supported": [],
            "grant_types_supported": [GRANT],
            "token_endpoint_auth_methods_supported": list(METHODS),
            "token_endpoint_auth_signing_alg_values_supported": algorithms,
        }
        return _json(body, 200, {"Cache-Control": "max-age=300"})


def _parameters() -> dict[str, str]:
    """Return what a request says; what it says with an empty value it does not say (RFC 6749 section 3.2)."""
    if request.mimetype != _FORM:
        raise OAuthError("invalid_request", f"Send the parameters as {_FORM}")
    if (request.content_length or 0) > LARGEST:
        raise OAuthError("invalid_request", f"The request is larger than {LARGEST} bytes")
    request.max_content_length = LARGEST
    try:
        form = request.form
    except requests.BROKEN as error:
        raise OAuthError("invalid_request", "The body did not arrive whole") from error
    if any(len(values) > 1 for _, values in form.lists()):
        raise OAuthError("invalid_request", "A parameter is there more than once")
    return {name: value for name, value in form.items() if value}


def _shown(given: dict[str, str]) -> str:
    """Return by what a client that was right before is known again; each of its assertions is another one."""
    if "client_assertion" in given:
        return f"{ASSERTION_TYPE} {given.get('client_id', '')}"
    return given.get("client_secret") or guards.shown(request.headers.get("Authorization", ""))


def _scopes(asked: str | None, principal: Principal) -> frozenset[Scope]:
    """Return the scopes of a new token: those that were asked for, or all (RFC 6749 section 3.3)."""
    names = set(asked.split(" ")) if asked else {SCIM}
    if SCIM in names:
        names = (names - {SCIM}) | set(principal.scopes)
    if not names <= set(principal.scopes):
        raise OAuthError("invalid_scope", f"This client may ask for {SCIM}, {', '.join(sorted(principal.scopes))}")
    return frozenset(map(Scope, names))


def _refuse(error: OAuthError) -> Response:
    """Return the error response of RFC 6749 section 5.2."""
    metrics.count(metrics.NOT_ISSUED, error.error)
    g.scim_type = error.error
    body = {"error": error.error, "error_description": f"{error.description} (request {g.request_id})"}
    challenge = {"WWW-Authenticate": 'Basic realm="oauth"'} if error.status == 401 else {}
    return _json(body, error.status, _UNKEPT | challenge)


def _json(body: dict[str, Any], status: int, headers: dict[str, str]) -> Response:
    return Response(orjson.dumps(body), status, headers, content_type="application/json")
