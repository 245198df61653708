"""What the endpoints of OAuth are asked and answer, as rows of the surface, with the schemas of their messages."""

from collections.abc import Mapping
from typing import Any

from services.gateway.oauth_errors import STATUS
from shared.scim.errors import InternalError, MethodNotAllowedError, TooManyRequestsError, UnavailableError
from shared.scim.openapi import Answer, Route

TAG = "OAuth"
_JSON = "application/json"
_TEXT = {"type": "string"}


def _refused(status: int, description: str, *headers: str) -> Answer:
    return Answer(status=status, description=description, schema="OAuthError", headers=headers, media_type=_JSON)


ROUTES = (
    Route(
        method="POST", path="/oauth/token", name="getAccessToken", tag=TAG, body="AccessTokenRequest",
        body_types=("application/x-www-form-urlencoded",),
        summary="Get an access token, for a client's secret or its assertion (RFC 6749 section 4.4, RFC 7523)",
        answers=(
            Answer(status=200, description="A token.", schema="AccessToken", media_type=_JSON),
            _refused(400, "It cannot be had so (RFC 6749 section 5.2)."),
            _refused(401, "The client is unknown, or does not show who it is.", "WWW-Authenticate"),
        ),
        refusals=(MethodNotAllowedError, TooManyRequestsError, InternalError, UnavailableError),
        is_open=True, is_at_root=True,
    ),
    Route(
        method="GET", path="/.well-known/oauth-authorization-server", name="getOAuthMetadata", tag=TAG,
        summary="Where access tokens are to be had, and how (RFC 8414)",
        answers=(Answer(status=200, description="Metadata.", media_type=_JSON),),
        refusals=(InternalError, UnavailableError), is_open=True, is_at_root=True,
    ),
)  # fmt: skip

SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "AccessTokenRequest": {
        "type": "object",
        "required": ["grant_type"],
        "properties": {
            "grant_type": {"const": "client_credentials"},
            "client_id": _TEXT,
            "client_secret": _TEXT,
            "client_assertion_type": _TEXT,
            "client_assertion": _TEXT,
            "scope": _TEXT,
        },
    },
    "AccessToken": {
        "type": "object",
        "required": ["access_token", "token_type", "expires_in"],
        "properties": {
            "access_token": _TEXT,
            "token_type": {"const": "Bearer"},
            "expires_in": {"type": "integer"},
            "scope": _TEXT,
        },
    },
    "OAuthError": {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"enum": sorted(STATUS)}, "error_description": _TEXT},
    },
}
