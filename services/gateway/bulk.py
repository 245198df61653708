"""Serve bulk requests: many writes in one, with a result for each (RFC 7644 section 3.7)."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, request
from sqlalchemy import Engine

from services.directory import database, ids, queries
from services.directory.results import Result
from services.directory.tokens import Principal
from services.gateway import async_results, bulk_parts, bulk_running, bulk_writes, errors, requests, responses
from services.gateway.bulk_async import BulkFollower
from services.gateway.bulk_running import Ended
from services.gateway.bulk_writes import Plan
from services.gateway.writes import Sender, Writes
from shared.outcomes import Outcome
from shared.scim import bulk, messages, preferences
from shared.scim.attributes import ResourceType
from shared.scim.bulk import Method, Operation
from shared.scim.bulk_order import Claim
from shared.scim.errors import PayloadTooLargeError, SCIMError
from shared.scim.schemas.common import META
from shared.settings import Settings

logger = logging.getLogger(__name__)

ENDPOINT = "/Bulk"


@dataclass(frozen=True, kw_only=True)
class Bulk:
    """What the endpoint of bulk requests needs."""

    settings: Settings
    engine: Engine
    writes: Writes
    follower: BulkFollower

    def blueprint(self) -> Blueprint:
        """Return the route."""
        routes = Blueprint("bulk", __name__)
        routes.add_url_rule(ENDPOINT, view_func=self._perform, endpoint="bulk", methods=["POST"])
        return routes

    def _perform(self) -> Response:
        begun: float = g.arrived
        deadline = begun + self.settings.deadline_seconds
        asked = bulk.parse(_message(self.settings), self.settings.max_bulk_operations)
        sender = Sender(principal=g.principal, request_id=g.request_id)
        plan = bulk_writes.plan(
            self.writes, sender, g.catalogue, asked.operations, partial(self._present, sender.principal)
        )
        g.refused_parts = [
            (operation, error)
            for operation in asked.operations
            if isinstance(error := plan.prepared[operation.number], SCIMError)
        ]
        plan = bulk_writes.admitted(plan, self.writes.writer.admission)
        preferred = preferences.parse(request.headers.get("Prefer"))
        if preferred.respond_async and bulk_parts.is_acceptable(asked, plan):
            group = self._accept(asked, plan, sender, deadline)
            return self._answer_in_time(group, asked, plan, min(begun + preferred.wait, deadline))
        return self._answer(asked, plan, bulk_running.run(self.writes, plan, asked.fail_on_errors, deadline))

    def _answer(self, asked: bulk.Request, plan: Plan, ended: Mapping[int, Ended]) -> Response:
        base = responses.base_url(g.principal, self.settings.public_url)
        results = [
            _result(operation, ended[operation.number], base + plan.locations[operation.number])
            for operation in asked.operations
            if operation.number in ended
        ]
        logger.info("bulk request ended", extra=_numbers(asked, plan, ended))
        return responses.scim(messages.bulk_response(results))

    def _accept(self, asked: bulk.Request, plan: Plan, sender: Sender, deadline: float) -> UUID:
        """Take all operations into the journal, and return the id under which they are found."""
        group = g.operation_id = ids.new_group()
        parts = bulk_parts.make(group, asked, plan, sender)
        hashed = self.writes.hasher.all_hashed([part.write for part in parts], deadline)
        self.follower.submit([replace(p, write=w) for p, w in zip(parts, hashed, strict=True)], deadline)
        numbers = {"operation_id": str(group), "operations": len(asked.operations)}
        logger.info("bulk request accepted", extra={"request_id": g.request_id, **numbers})
        return group

    def _answer_in_time(self, group: UUID, asked: bulk.Request, plan: Plan, until: float) -> Response:
        """Answer as usual if all has ended by then, and with 202 otherwise (RFC 9967 section 2.5.1.2)."""
        ended = self.follower.wait(g.principal, group, until)
        if ended is None:
            return async_results.accepted(group, responses.base_url(g.principal, self.settings.public_url))
        return self._answer(asked, plan, {ids.index_of(one.id) + 1: self._ended(one) for one in ended})

    def _ended(self, one: Result) -> Ended:
        assert one.outcome is not None, "who waits for a bulk request that is accepted never cancels it"
        try:
            return self.writes.succeeded(g.principal.tenant_id, one.outcome)
        except SCIMError as error:
            return error

    def _present(
        self, principal: Principal, resource_type: ResourceType, resource_ids: Iterable[UUID]
    ) -> dict[UUID, frozenset[Claim]]:
        with database.transaction(self.engine, principal.tenant_id) as connection:
            return queries.unique_values(connection, resource_type, principal.tenant_id, resource_ids)


def _numbers(asked: bulk.Request, plan: Plan, ended: Mapping[int, Ended]) -> dict[str, object]:
    return {
        "request_id": g.request_id,
        "operations": len(asked.operations),
        "begun": len(ended),
        "failed": sum(isinstance(one, SCIMError) for one in ended.values()),
        "steps": len(plan.steps),
    }


def _message(settings: Settings) -> dict[str, Any]:
    try:
        return requests.document(request, settings.max_body_bytes)
    except PayloadTooLargeError as error:
        raise PayloadTooLargeError(
            f"The request is larger than maxPayloadSize ({settings.max_body_bytes} bytes)"
        ) from error


def _result(operation: Operation, ended: Ended, location: str) -> dict[str, Any]:
    """Return an operation's result: the status that the single request would have had, and an error's message."""
    match ended:
        case Outcome():
            version = ended.resource[META.name]["version"] if ended.resource else None
            status = ended.status if ended.is_complete else 204
            return bulk.result(operation, status, location=location, version=version)
        case SCIMError():
            where = None if operation.method is Method.POST else location
            return bulk.result(operation, ended.status, location=where, response=errors.body(ended))
