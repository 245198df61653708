"""Tell what a request was when it has been answered, for `recording`: its kind, what it says, and why it was refused.

Whatever goes wrong here, the request is answered all the same.
"""

import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

import orjson
from flask import Response, g, request

from services.directory import ids, lints, refusal_rules, token_secrets
from services.directory.journal import Write
from services.directory.onboarding import Step, What
from services.directory.refusals import Refusal
from services.directory.tokens import Principal
from services.directory.traffic import Kind, Result
from services.gateway import auth, request_kinds
from services.gateway.recording import Recorder, Seen, Stranger
from shared.scim import excerpts, mentions
from shared.scim.errors import SCIMError, UnauthorizedError
from shared.scim.resource_types import GROUPS, USERS
from shared.scim.schemas.group import MEMBERS

logger = logging.getLogger(__name__)

LONGEST_ENDPOINT = 200
MOST_PARTS = 50
"""Refused operations of a bulk request that are kept, at most."""

_NOBODY = UUID(int=0)


class Observer:
    """Looks at each request under the SCIM prefixes once it has been answered."""

    def __init__(self, recorder: Recorder, prefixes: Sequence[str]) -> None:
        self._recorder, self._prefixes = recorder, prefixes

    def observe(self, response: Response) -> Response:
        """Note the request, and return its answer as it is."""
        prefix = next((each for each in self._prefixes if request.path.startswith(each)), None)
        if prefix is None:
            return response
        try:
            self._observe(request.path.removeprefix(prefix), response)
        except Exception:
            logger.exception("request not recorded")
        return response

    def _observe(self, path: str, response: Response) -> None:
        principal: Principal | None = g.get("principal")
        at = datetime.now(UTC)
        if principal is None:
            if response.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
                self._meet(path, response, at)
            return
        kind, result = request_kinds.kind(path), request_kinds.result(response.status_code)
        self._recorder.see(_seen(principal, at, kind, result))
        if request_kinds.is_kept(kind, response.status_code):
            self._refuse(path, response, principal, at)
        for operation, error in g.get("refused_parts", [])[:MOST_PARTS]:
            self._refuse_part(principal, at, operation, error)

    def _meet(self, path: str, response: Response, at: datetime) -> None:
        """Note a request with a token that does not work; one that nobody can have is not looked for."""
        try:
            secret = auth.bearer(request)
        except UnauthorizedError:
            return
        if token_secrets.is_well_formed(secret):
            refusal = _refusal(path, response, _NOBODY, _NOBODY, at)
            self._recorder.meet(Stranger(digest=token_secrets.digest(secret), refusal=refusal))

    def _refuse(self, path: str, response: Response, principal: Principal, at: datetime) -> None:
        if self._recorder.has_room(principal.tenant_id):
            self._recorder.refuse(_refusal(path, response, principal.tenant_id, principal.token_id, at))
        else:
            self._recorder.leave_out(principal.tenant_id, principal.token_id, at)

    def _refuse_part(self, principal: Principal, at: datetime, operation: Any, error: SCIMError) -> None:
        if not self._recorder.has_room(principal.tenant_id):
            self._recorder.leave_out(principal.tenant_id, principal.token_id, at)
            return
        first, _, rest = operation.path.strip("/").partition("/")
        resource_type = (
            g.catalogue.by_name[request_kinds.BY_ENDPOINT[first].name] if first in request_kinds.BY_ENDPOINT else None
        )
        kept = excerpts.of_document(operation.data, resource_type, is_patch=operation.method == "PATCH")
        name = None if resource_type is None else resource_type.name
        self._recorder.refuse(
            Refusal(
                at=at,
                id=ids.new(),
                tenant_id=principal.tenant_id,
                token_id=principal.token_id,
                request_id=g.request_id,
                method=operation.method.value,
                endpoint=_shown(operation.path),
                resource_type=name,
                resource_id=ids.parse(rest),
                status=error.status,
                scim_type=error.scim_type,
                detail=error.detail,
                reason=refusal_rules.of(error.status, error.scim_type, error.detail, name).code,
                terms=sorted(kept.terms),
                body=kept.content,
            )
        )


def _seen(principal: Principal, at: datetime, kind: Kind, result: Result) -> Seen:
    write: Write | None = g.get("write")
    is_done = result is Result.OK and write is not None
    return Seen(
        tenant_id=principal.tenant_id,
        token_id=principal.token_id,
        at=at,
        request_id=g.request_id,
        kind=kind,
        result=result,
        steps=tuple(_steps(kind, result, write)),
        sightings=tuple(_sightings(write)) if is_done and write is not None else (),
    )


def _steps(kind: Kind, result: Result, write: Write | None) -> Iterator[Step]:
    if kind is Kind.TEST and result in {Result.OK, Result.NONE}:
        yield Step.TEST
    if kind is Kind.MATCH and result in {Result.OK, Result.NONE}:
        yield Step.MATCH
    if write is None or result is not Result.OK:
        return
    if write.method == "POST":
        yield Step.USER if write.resource_type == USERS.name else Step.GROUP
    if write.resource_type == GROUPS.name and MEMBERS.name in write.mentions:
        yield Step.MEMBER


def _sightings(write: Write) -> Iterator[tuple[str, str]]:
    """Yield what a User's write says and leaves out; groups have next to nothing to say."""
    if write.resource_type != USERS.name:
        return
    yield from ((What.ATTRIBUTE.value, name) for name in write.mentions)
    if write.method not in {"POST", "PUT"}:
        return
    yield What.RESOURCES.value, write.resource_type
    document = g.get("document")
    if isinstance(document, dict):
        resource_type = g.catalogue.by_name[write.resource_type]
        yield from ((lints.NOT_KEPT.code, name) for name in mentions.unknown(resource_type, document))
    if write.method == "POST":
        yield from ((lint.code, write.resource_type) for lint in lints.of_new_user(write.request))


def _refusal(path: str, response: Response, tenant_id: UUID, token_id: UUID, at: datetime) -> Refusal:
    known = request_kinds.BY_ENDPOINT.get(path.strip("/").partition("/")[0])
    resource_type = g.catalogue.by_name[known.name] if known is not None and "catalogue" in g else known
    filter_ = excerpts.of_filter(_filter(), resource_type or USERS)
    # Without a token that works the body was not read.
    body = excerpts.of_document(g.get("document"), resource_type, is_patch=request.method == "PATCH")
    said = orjson.loads(response.get_data())
    detail = str(said.get("detail", "")).removesuffix(f" (request {g.request_id})")
    status, name = response.status_code, None if resource_type is None else resource_type.name
    return Refusal(
        at=at,
        id=ids.new(),
        tenant_id=tenant_id,
        token_id=token_id,
        request_id=g.request_id,
        method=request.method,
        endpoint=_shown(path),
        resource_type=name,
        resource_id=_resource_id(),
        status=status,
        scim_type=said.get("scimType"),
        detail=detail,
        reason=refusal_rules.of(status, said.get("scimType"), detail, name).code,
        terms=sorted(filter_.terms | body.terms),
        filter=filter_.content,
        body=body.content if "document" in g else None,
        operation_id=g.get("operation_id"),
    )


def _resource_id() -> UUID | None:
    """Return whom a request is about, by its path or by the token that it came with."""
    if request.path.endswith("/Me") and "principal" in g:
        user_id: UUID | None = g.principal.user_id
        return user_id
    return ids.parse((request.view_args or {}).get("resource_id", ""))


def _filter() -> str:
    """Return the filter of a query, whether it was understood or not."""
    document = g.get("document")
    given = request.args.get("filter") or (document.get("filter") if isinstance(document, dict) else None)
    return given if isinstance(given, str) else ""


def _shown(path: str) -> str:
    return "".join(c if c.isprintable() else " " for c in path[:LONGEST_ENDPOINT])
