"""Serve the tokens of a tenant to whoever automates their rotation: list, create, rotate, retire, revoke.

A token with the scope `admin` opens it, which no SCIM endpoint takes; and a provisioning token opens nothing here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import orjson
from flask import Blueprint, Response, current_app, g, request
from marshmallow import RAISE, Schema, ValidationError, fields, validate
from sqlalchemy import Connection, Engine

from services.directory import database, ids, token_lifecycle, tokens
from services.directory.token_lifecycle import Deed, TokenInUseError
from services.directory.tokens import Scope, Terms, Token, TokenError, TooManyTokensError
from services.gateway import problems, requests, responses
from shared.scim.errors import ConflictError, InvalidValueError, NotFoundError

PATH = f"{problems.PREFIX}/tokens"
LARGEST = 16_384
MOST_DAYS = 3650
LONGEST_OVERLAP = timedelta(days=90)
OVERLAP = timedelta(days=7)
_MEDIA_TYPE = "application/json"


class _Creation(Schema):
    """What a new token is asked for with."""

    class Meta:
        unknown = RAISE

    name = fields.String(required=True)
    scopes = fields.List(
        fields.String(validate=validate.OneOf(sorted(tokens.EVERYTHING))),
        load_default=sorted(tokens.EVERYTHING),
        validate=validate.Length(min=1),
    )
    networks = fields.List(fields.String(), load_default=[], validate=validate.Length(max=100))
    expires_in_days = fields.Integer(
        strict=True,
        data_key="expiresInDays",
        load_default=tokens.LIFETIME.days,
        allow_none=True,
        validate=validate.Range(min=1, max=MOST_DAYS),
    )


class _Rotation(Schema):
    """How a token is rotated."""

    class Meta:
        unknown = RAISE

    overlap_seconds = fields.Integer(
        strict=True,
        data_key="overlapSeconds",
        load_default=int(OVERLAP.total_seconds()),
        validate=validate.Range(min=0, max=int(LONGEST_OVERLAP.total_seconds())),
    )


@dataclass(frozen=True, kw_only=True)
class AdminTokens:
    """What the admin API needs."""

    engine: Engine

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("admin-tokens", __name__)
        one = f"{PATH}/<token_id>"
        steps: dict[str, Callable[[Connection, Token], Response]] = {
            "rotate": _rotate,
            "retire": _retire,
            "revoke": _revoke,
        }
        routes.add_url_rule(PATH, endpoint="list", view_func=self._list, methods=["GET"])
        routes.add_url_rule(PATH, endpoint="create", view_func=self._create, methods=["POST"])
        routes.add_url_rule(one, endpoint="show", view_func=partial(self._with, _show), methods=["GET"])
        for name, step in steps.items():
            view = partial(self._with, step)
            routes.add_url_rule(f"{one}/{name}", endpoint=name, view_func=view, methods=["POST"])
        return routes

    def _list(self) -> Response:
        with database.transaction(self.engine, g.principal.tenant_id) as connection:
            found = tokens.every(connection, g.principal.tenant)
        return _json({"tokens": [_shown(token) for token in found]})

    def _create(self) -> Response:
        given = _given(_Creation())
        days = given["expires_in_days"]
        terms = Terms(
            scopes=frozenset(map(Scope, given["scopes"])),
            networks=given["networks"],
            lifetime=None if days is None else timedelta(days=days),
        )
        try:
            with database.transaction(self.engine, g.principal.tenant_id) as connection:
                made, secret = token_lifecycle.create(connection, _deed(), given["name"], terms)
        except TooManyTokensError as error:
            raise ConflictError(str(error)) from error
        except TokenError as error:
            raise InvalidValueError(str(error)) from error
        return _made(made, secret)

    def _with(self, step: Callable[[Connection, Token], Response], token_id: str) -> Response:
        """Do something with a token of the tenant; another tenant's is as unknown as nobody's."""
        wanted = ids.parse(token_id)
        with database.transaction(self.engine, g.principal.tenant_id) as connection:
            found = tokens.find_of(connection, g.principal.tenant_id, wanted) if wanted else None
            if found is None:
                raise NotFoundError("There is no token with this id")
            return step(connection, found)


def _show(_: Connection, found: Token) -> Response:
    return _json(_shown(found))


def _rotate(connection: Connection, found: Token) -> Response:
    overlap = timedelta(seconds=_given(_Rotation())["overlap_seconds"])
    try:
        made, secret = token_lifecycle.rotate(connection, _deed(), found, overlap)
    except TokenError as error:
        raise ConflictError("This token was revoked, or has a successor already: rotate or revoke that one") from error
    return _made(made, secret)


def _retire(connection: Connection, found: Token) -> Response:
    try:
        is_ended = token_lifecycle.retire(connection, _deed(), found, datetime.now(UTC))
    except TokenInUseError as error:
        raise ConflictError(str(error)) from error
    return _ended(connection, found.id, is_ended=is_ended)


def _revoke(connection: Connection, found: Token) -> Response:
    return _ended(connection, found.id, is_ended=token_lifecycle.revoke(connection, _deed(), found))


def _ended(connection: Connection, token_id: UUID, *, is_ended: bool) -> Response:
    if not is_ended:
        raise ConflictError("This token was revoked before")
    now_ended = tokens.find(connection, token_id)
    assert now_ended is not None, "what is revoked stays"
    return _json(_shown(now_ended))


def _deed() -> Deed:
    return Deed(tenant_id=g.principal.tenant_id, actor=f"token {g.principal.token_id}")


def _given(schema: Schema) -> dict[str, Any]:
    """Return what a body asks for; one that may be empty is. Raises InvalidValueError, which names the member."""
    is_empty = request.content_length in {None, 0} and not schema.fields.get("name")
    try:
        loaded: dict[str, Any] = schema.load({} if is_empty else requests.document(request, LARGEST))
    except ValidationError as error:
        names = ", ".join(sorted(map(str, error.messages_dict)))
        raise InvalidValueError(f"These members are missing, unknown or not what they must be: {names}") from error
    return loaded


def _made(made: Token, secret: str) -> Response:
    response = _json(_shown(made) | {"secret": secret}, 201)
    base = responses.origin(g.principal.domain, current_app.config["public_url"])
    response.headers["Location"] = f"{base}{PATH}/{made.id}"
    response.headers["Cache-Control"] = "no-store"
    return response


def _shown(token: Token) -> dict[str, Any]:
    """Return what is told of a token: never its secret, which nobody has."""
    now = datetime.now(UTC)
    return {
        "id": str(token.id),
        "name": token.name,
        "endsIn": token.hint,
        "state": token.state(now),
        "scopes": list(token.scopes),
        "networks": list(token.networks),
        "userId": token.user_id and str(token.user_id),
        "createdAt": token.created_at,
        "expiresAt": token.expires_at,
        "revokedAt": token.revoked_at,
        "lastUsedAt": token.last_used_at,
        "lastUsedFrom": token.last_used_from,
        "isInUse": token_lifecycle.is_in_use(token, now),
        "replacedBy": token.replaced_by and str(token.replaced_by),
        "whyNeeded": token_lifecycle.why_needed(token, now) if token.state(now) == "replaced" else None,
    }


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(body, option=orjson.OPT_UTC_Z), status, content_type=_MEDIA_TYPE)
