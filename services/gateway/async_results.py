"""Answer requests that were sent with `Prefer: respond-async`: first 202, later a signed event (RFC 9967)."""

from dataclasses import dataclass, replace
from uuid import UUID

from flask import Blueprint, Response, g
from sqlalchemy import Connection, Engine

from services.directory import database, ids, results, signing
from services.directory.results import Result
from services.directory.tokens import Principal
from services.gateway import responses, writing
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


def token(
    connection: Connection, result: Result, *, txn: str, principal: Principal, base: str, bulk_id: str | None = None
) -> str:
    """Return the signed event of an operation that has ended (RFC 9967 section 2.5.1.3).

    `txn` is the operation's id; of one operation of a bulk request it is `events.bulk_txn`, and `bulk_id` its bulkId.
    """
    completion = replace(results.completion(result, writing.unavailable()), bulk_id=bulk_id)
    audience = f"urn:uuid:{principal.token_id}"
    return signing.sign(connection, events.claims(completion, txn=txn, issuer=base, audience=audience))


@dataclass(frozen=True, kw_only=True)
class AsyncResults:
    """What the endpoints of results need."""

    settings: Settings
    engine: Engine
    writer: Writer

    def blueprint(self) -> Blueprint:
        """Return the routes: the result of one request, and the keys that verify it, which need no token."""
        routes = Blueprint("async", __name__)
        routes.add_url_rule(f"{ENDPOINT}/<txn>", endpoint="result", view_func=self._result, methods=["GET"])
        routes.add_url_rule(KEYS, endpoint="keys", view_func=self._keys, methods=["GET"])
        return routes

    def _result(self, txn: str) -> Response:
        result = self._find(txn)
        if result.is_pending and result.waited_seconds > writing.DRAIN_SECONDS:
            self.writer.drain(result.shard)
            result = self._find(txn)
        if result.is_pending:
            return _pending(txn)
        base = responses.base_url(g.principal, self.settings.public_url)
        with database.transaction(self.engine) as connection:
            signed = token(connection, result, txn=txn, principal=g.principal, base=base)
        return Response(signed, content_type=events.MEDIA_TYPE)

    def _find(self, txn: str) -> Result:
        """Return the operation; what another token sent is as unknown as what nobody sent."""
        operation_id, found = ids.parse(txn), None
        if operation_id is not None:
            with database.transaction(self.engine) as connection:
                found = results.find(
                    connection, operation_id, tenant_id=g.principal.tenant_id, token_id=g.principal.token_id
                )
        if found is None:
            raise NotFoundError("This token sent no request with this id, or its result is no longer kept")
        return found

    def _keys(self) -> Response:
        with database.transaction(self.engine) as connection:
            response = responses.scim(signing.public_keys(connection))
        response.content_type = _KEYS_MEDIA_TYPE
        return response


def _pending(txn: str) -> Response:
    """RFC 9967 section 3: a 202 without a body has Set-Txn."""
    return responses.without_body(Response(status=202, headers={"Set-Txn": txn, "Retry-After": str(RETRY_SECONDS)}))
