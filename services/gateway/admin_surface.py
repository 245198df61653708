"""What the admin API is asked and answers, as rows of the surface, with the schemas of its messages."""

from collections.abc import Mapping
from typing import Any

from services.directory import tokens
from services.gateway import problems
from services.gateway.admin_tokens import LONGEST_OVERLAP, MOST_DAYS, PATH
from shared.scim.openapi import Answer, Parameter, Route

TAG = "Admin"
_JSON = "application/json"
_TEXT = {"type": "string"}
_MAYBE_TEXT = {"type": ["string", "null"]}
_TIME = {"type": "string", "format": "date-time"}
_MAYBE_TIME = {"type": ["string", "null"], "format": "date-time"}
_TOKEN_ID = Parameter(name="token_id", place="path", description="The id of a token, which is no secret.", schema=_TEXT)


def _problem(status: int, description: str, *headers: str) -> Answer:
    return Answer(
        status=status, description=description, schema="Problem", headers=headers, media_type=problems.MEDIA_TYPE
    )


_ALWAYS = (
    _problem(401, "The token is missing, wrong, revoked or expired.", "WWW-Authenticate"),
    _problem(403, "The token has not the scope `admin`, or may not be used from this address."),
    _problem(429, "Too many requests.", "Retry-After"),
    _problem(500, "A bug of this server."),
    _problem(503, "The directory cannot be reached.", "Retry-After"),
)
_UNKNOWN = _problem(404, "The tenant has no such token.")
_BODY = (
    _problem(400, "A member of the body is missing, unknown, or not what it must be."),
    _problem(413, "The body is too large.", "Retry-After"),
    _problem(415, "The body is not JSON."),
)
_FULL = _problem(409, f"The tenant has {tokens.MOST} tokens that work, which are the most.")
_TOKEN = Answer(status=200, description="The token as it is now.", schema="Token", media_type=_JSON)
_NEW = Answer(
    status=201, description="The new token. Its secret is never told again.", schema="NewToken", headers=("Location",),
    media_type=_JSON,
)  # fmt: skip


def _step(name: str, summary: str, *answers: Answer, body: str | None = None) -> Route:
    return Route(
        method="POST", path=f"{PATH}/{{token_id}}/{name}", name=f"{name}Token", tag=TAG, summary=summary,
        parameters=(_TOKEN_ID,), body=body, body_types=(_JSON,), is_at_root=True,
        answers=(*answers, _UNKNOWN, _problem(409, "Its state, or its use, does not permit that."), *_ALWAYS),
    )  # fmt: skip


ROUTES = (
    Route(
        method="GET", path=PATH, name="listTokens", tag=TAG, summary="The tenant's tokens, and who still uses which",
        answers=(Answer(status=200, description="All.", schema="TokenList", media_type=_JSON), *_ALWAYS),
        is_at_root=True,
    ),
    Route(
        method="POST", path=PATH, name="createToken", tag=TAG, summary="Create a provisioning token",
        body="TokenCreation", body_types=(_JSON,), answers=(_NEW, *_BODY, _FULL, *_ALWAYS), is_at_root=True,
    ),
    Route(
        method="GET", path=f"{PATH}/{{token_id}}", name="getToken", tag=TAG, summary="One token",
        parameters=(_TOKEN_ID,), answers=(_TOKEN, _UNKNOWN, *_ALWAYS), is_at_root=True,
    ),
    _step(
        "rotate", "Create a token's successor; the old one goes on for a while", _NEW, *_BODY, body="TokenRotation"
    ),
    _step("retire", "Revoke a token that has a successor and that nobody uses any more", _TOKEN),
    _step("revoke", "Revoke a token at once", _TOKEN),
)  # fmt: skip

_SHOWN: dict[str, Any] = {
    "id": _TEXT,
    "name": _TEXT,
    "endsIn": _TEXT | {"description": "The last four characters of its secret."},
    "state": {"enum": ["active", "replaced", "expired", "revoked"]},
    "scopes": {"type": "array", "items": {"enum": sorted(tokens.Scope)}},
    "networks": {"type": "array", "items": _TEXT},
    "userId": _MAYBE_TEXT,
    "createdAt": _TIME,
    "expiresAt": _MAYBE_TIME,
    "revokedAt": _MAYBE_TIME,
    "lastUsedAt": _MAYBE_TIME,
    "lastUsedFrom": _MAYBE_TEXT,
    "isInUse": {"type": "boolean", "description": "Whether it was used within the last 24 hours."},
    "replacedBy": _MAYBE_TEXT,
    "whyNeeded": _MAYBE_TEXT | {"description": "Of a token with a successor: why it cannot be retired yet."},
}
SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "Token": {"type": "object", "required": sorted(_SHOWN), "properties": _SHOWN},
    "NewToken": {
        "type": "object",
        "required": sorted({*_SHOWN, "secret"}),
        "properties": _SHOWN | {"secret": _TEXT},
    },
    "TokenList": {
        "type": "object",
        "required": ["tokens"],
        "properties": {"tokens": {"type": "array", "items": {"$ref": "#/components/schemas/Token"}}},
    },
    "TokenCreation": {
        "type": "object",
        "required": ["name"],
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": tokens.LONGEST_NAME},
            "scopes": {"type": "array", "minItems": 1, "items": {"enum": sorted(tokens.EVERYTHING)}},
            "networks": {"type": "array", "maxItems": 100, "items": _TEXT},
            "expiresInDays": {"type": ["integer", "null"], "minimum": 1, "maximum": MOST_DAYS},
        },
    },
    "TokenRotation": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "overlapSeconds": {
                "type": "integer", "minimum": 0, "maximum": int(LONGEST_OVERLAP.total_seconds()),
            },
        },
    },
    "Problem": problems.SCHEMA,
}  # fmt: skip
