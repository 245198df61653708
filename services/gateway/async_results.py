"""Answer requests that were sent with `Prefer: respond-async`: first 202, later a signed event (RFC 9967)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

from flask import Blueprint, Response, g
from sqlalchemy import Connection, Engine

from services.directory import database, ids, results, signing, signing_keys
from services.directory.results import Result
from services.gateway import responses, writing
from services.gateway.bulk_async import BulkFollower
from services.gateway.writing import Writer
from shared.scim import events
from shared.scim.errors import NotFoundError
from shared.scim.preferences import RESPOND_ASYNC
from shared.settings import Settings

ENDPOINT = "/AsyncResults"
KEYS = "/jwks.json"
RETRY_SECONDS = 1
_KEYS_MEDIA_TYPE = "application/jwk-set+json"


def accepted(operation_id: UUID, base: str) -> Response:
    """Return the answer to a write that is journaled and not applied yet (RFC 9967 section 2.5.1.1)."""
    location = f"{base}{ENDPOINT}/{operation_id}"
    headers = {"Set-Txn": str(operation_id), "Preference-Applied": RESPOND_ASYNC, "Location": location}
    return responses.without_body(Response(status=202, headers=headers))


@dataclass(frozen=True, kw_only=True)
class AsyncResults:
    """What the endpoints of results need."""

    settings: Settings
    engine: Engine
    writer: Writer
    follower: BulkFollower

    def blueprint(self) -> Blueprint:
        """Return the routes: the result of one request, and the keys that verify it, which need no token."""
        routes = Blueprint("async", __name__)
        routes.add_url_rule(f"{ENDPOINT}/<txn>", endpoint="result", view_func=self._result, methods=["GET"])
        routes.add_url_rule(KEYS, endpoint="keys", view_func=self._keys, methods=["GET"])
        return routes

    def _result(self, txn: str) -> Response:
        request_id, index = events.parse_txn(txn)
        operation_id = ids.parse(request_id)
        if operation_id is None:
            raise _not_found()
        find = partial(self._find, operation_id, index)
        found = find()
        if found is not None and found.is_pending:
            self._help(found)
            found = find()
        if found is not None:
            return _pending(txn) if found.is_pending else self._event(txn, found)
        if index is None:
            return self._results(txn, operation_id)
        raise _not_found()

    def _find(self, operation_id: UUID, index: int | None) -> Result | None:
        """Return an operation, or one of a bulk request; another token's is as unknown as nobody's."""
        with database.transaction(self.engine, g.principal.tenant_id) as connection:
            if index is None:
                return results.find(connection, operation_id, **_sender())
            return results.find_part(connection, operation_id, index, **_sender())

    def _help(self, result: Result) -> None:
        """Work off what waits for more than a second."""
        if result.is_part:
            self.follower.help(g.principal, ids.group_of(result.id))
        elif result.waited_seconds > writing.DRAIN_SECONDS:
            self.writer.drain(result.shard)

    def _event(self, txn: str, result: Result) -> Response:
        with database.transaction(self.engine) as connection:
            [(_, token)] = self._sign(connection, {txn: result})
        return Response(token, content_type=events.MEDIA_TYPE)

    def _results(self, txn: str, group: UUID) -> Response:
        """Answer for a bulk request: all its events, in the form of a poll's answer (RFC 8936 section 2.3)."""
        found = self.follower.help(g.principal, group)
        if found is None:
            raise _not_found()
        if found.pending:
            return _pending(txn)
        ended = {events.bulk_txn(txn, ids.index_of(one.id)): one for one in self.follower.results(g.principal, group)}
        with database.transaction(self.engine) as connection:
            tokens = self._sign(connection, ended)
        response = responses.scim({"sets": dict(tokens)})
        response.content_type = events.SETS_MEDIA_TYPE
        return response

    def _sign(self, connection: Connection, ended: Mapping[str, Result]) -> list[tuple[str, str]]:
        """Return the ids and the signed events of operations that have ended (RFC 9967 section 2.5.1.3)."""
        base = responses.base_url(g.principal, self.settings.public_url)
        audience = f"urn:uuid:{g.principal.token_id}"
        claims = [
            events.claims(results.completion(one, writing.unavailable()), txn=txn, issuer=base, audience=audience)
            for txn, one in ended.items()
        ]
        return list(zip((each["jti"] for each in claims), signing.sign_all(connection, claims), strict=True))

    def _keys(self) -> Response:
        with database.transaction(self.engine) as connection:
            response = responses.scim(signing.public_keys(connection))
        response.content_type = _KEYS_MEDIA_TYPE
        response.headers["Cache-Control"] = f"max-age={signing_keys.AHEAD // 2 // timedelta(seconds=1)}"
        return response


def _pending(txn: str) -> Response:
    """RFC 9967 section 3: a 202 without a body has Set-Txn."""
    return responses.without_body(Response(status=202, headers={"Set-Txn": txn, "Retry-After": str(RETRY_SECONDS)}))


def _not_found() -> NotFoundError:
    return NotFoundError("This token sent no request with this id, or its result is no longer kept")


def _sender() -> dict[str, UUID]:
    return {"tenant_id": g.principal.tenant_id, "token_id": g.principal.token_id}
