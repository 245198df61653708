"""Serve Users and Groups: reads come from the directory, writes go through the journal (RFC 7644 section 3)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from flask import Blueprint, Response, g, request
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from services.directory import lookups
from services.directory.journal import Write
from services.gateway import async_results, rehiring, repeating, requests, responses, throttling
from services.gateway.answering import Answer
from services.gateway.delivering import ANSWER
from services.gateway.writes import Sender, Writes
from shared.outcomes import Outcome
from shared.scim import preferences, projection, resource_types, versions
from shared.scim.attributes import ResourceType
from shared.scim.dialects.tolerances import Used
from shared.scim.errors import OutcomeUnknownError, PreconditionFailedError
from shared.scim.projection import Projection
from shared.scim.schemas.common import META
from shared.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What the endpoints of resources need."""

    settings: Settings
    engine: Engine
    writes: Writes

    def blueprint(self) -> Blueprint:
        """Return the routes of every resource type."""
        routes = Blueprint("resources", __name__)
        for resource_type in resource_types.ALL:
            self._add_routes(routes, resource_type)
        return routes

    def _add_routes(self, routes: Blueprint, resource_type: ResourceType) -> None:
        one, many = f"{resource_type.endpoint}/<resource_id:resource_id>", resource_type.endpoint
        for rule, method, view in (
            (many, "POST", self._create),
            (one, "GET", self.get),
            (one, "PUT", self.replace),
            (one, "PATCH", self.patch),
            (one, "DELETE", self.delete),
        ):
            routes.add_url_rule(
                rule,
                endpoint=f"{resource_type.name} {view.__name__.strip('_')}",
                view_func=partial(_with_type, view, resource_type.name),
                methods=[method],
            )

    def get(self, resource_type: ResourceType, resource_id: str) -> Response:
        """Answer a GET of one resource (RFC 7644 section 3.4.1)."""
        wanted = self._projection(resource_type)
        found = self._read(resource_type, resource_id, wanted)
        unless = request.headers.get("If-None-Match")
        if unless is not None:
            tag = responses.tag(found, resource_type, wanted, self._base())
            if versions.is_named(tag, unless):
                return responses.not_modified(found, resource_type, tag, self._base())
        return self._answer(found, resource_type, wanted, 200)

    def _create(self, resource_type: ResourceType) -> Response:
        wanted = self._projection(resource_type)
        write = self.writes.create(_sender(), resource_type, self._document())
        return self._perform(write, partial(self._answer_outcome, resource_type, wanted))

    def replace(self, resource_type: ResourceType, resource_id: str) -> Response:
        """Answer a PUT (RFC 7644 section 3.5.1)."""
        wanted = self._projection(resource_type)
        self._refuse_named(resource_type, resource_id)
        write = self.writes.replace(_sender(), resource_type, resource_id, self._document())
        return self._perform(write, partial(self._answer_outcome, resource_type, wanted))

    def patch(self, resource_type: ResourceType, resource_id: str) -> Response:
        """Answer a PATCH (RFC 7644 section 3.5.2)."""
        wanted = self._projection(resource_type)
        self._refuse_named(resource_type, resource_id)
        write = self.writes.patch(_sender(), resource_type, resource_id, self._document())
        return self._perform(write, partial(self._answer_patch, resource_type, resource_id, wanted))

    def delete(self, resource_type: ResourceType, resource_id: str) -> Response:
        """Answer a DELETE (RFC 7644 section 3.6)."""
        self._refuse_named(resource_type, resource_id)
        write = self.writes.delete(_sender(), resource_type, resource_id)
        return self._perform(write, lambda _: responses.without_body(Response(status=204)))

    def _refuse_named(self, resource_type: ResourceType, resource_id: str) -> None:
        """Hold a write to If-None-Match: not if there is such a resource, or not at this version.

        RFC 9110 section 13.1.2. Versions rise, so one that the resource has left behind it does not get again.
        """
        unless = request.headers.get("If-None-Match")
        if unless is None:
            return
        tag = self._read(resource_type, resource_id, projection.parse("meta", None, resource_type))[META.name][
            "version"
        ]
        if versions.matches(unless, versions.number(tag)):
            raise PreconditionFailedError(f"There is such a {resource_type.name} at version {tag}: see If-None-Match")

    def _projection(self, resource_type: ResourceType) -> Projection:
        used: Used = set()
        wanted = projection.parse(*_named(), resource_type, used)
        self.writes.counter.note(g.principal.tenant_id, used)
        return wanted

    def _document(self) -> dict[str, Any]:
        g.document = requests.document(request, self.settings.max_body_bytes)
        return g.document  # type: ignore[no-any-return]

    def _read(self, resource_type: ResourceType, resource_id: str, wanted: Projection) -> dict[str, Any]:
        return lookups.get(
            self.engine, resource_type, g.principal.tenant_id, resource_id, partial(projection.wants, wanted)
        )

    def _reread(self, resource_type: ResourceType, resource_id: str, wanted: Projection) -> dict[str, Any]:
        """Read a resource after its write: a failure now must not say that the write was not applied."""
        try:
            return self._read(resource_type, resource_id, wanted)
        except SQLAlchemyError as error:
            raise OutcomeUnknownError("The change was applied, but cannot be read back at the moment") from error

    def _perform(self, write: Write, answer: Callable[[Outcome], Response]) -> Response:
        """Take a write through, and answer with its outcome; with 202 if there is none yet and the client said so."""
        g.write = write
        throttling.settle(write)
        self.writes.admit(write)
        write = self.writes.hasher.hashed(write)
        g.operation_id = write.id
        preferred = preferences.parse(request.headers.get("Prefer"))
        known: Answer = request.environ[ANSWER]
        sent = repeating.recognisable(write, request.headers.get("Idempotency-Key"), is_async=preferred.respond_async)
        if not preferred.respond_async:
            outcome = rehiring.perform(
                self.writes, self.engine, sent, known, g.arrived + self.settings.deadline_seconds
            )
            g.operation_id = outcome.operation_id
            return answer(outcome)
        taken = self.writes.submit_once(sent, known, preferred.wait)
        g.operation_id = taken.operation_id
        if taken.outcome is None:
            return async_results.accepted(taken.operation_id, self._base())
        return answer(taken.outcome)

    def _answer_outcome(self, resource_type: ResourceType, wanted: Projection, outcome: Outcome) -> Response:
        return self._answer(_resource(outcome), resource_type, wanted, outcome.status)

    def _answer_patch(
        self, resource_type: ResourceType, resource_id: str, wanted: Projection, outcome: Outcome
    ) -> Response:
        if outcome.is_complete:
            return self._answer_outcome(resource_type, wanted, outcome)
        if any(_named()):
            return self._answer(self._reread(resource_type, resource_id, wanted), resource_type, wanted, 200)
        return responses.without_body(self._answer(_resource(outcome), resource_type, wanted, 204))

    def _answer(self, found: dict[str, Any], resource_type: ResourceType, wanted: Projection, status: int) -> Response:
        return responses.resource(found, resource_type, wanted, self._base(), status)

    def _base(self) -> str:
        return responses.base_url(g.principal, self.settings.public_url)


def _with_type(view: Callable[..., Response], name: str, **arguments: str) -> Response:
    """Serve a request with the resource type as the tenant has it, its own extensions included."""
    return view(g.catalogue.by_name[name], **arguments)


def _named() -> tuple[str | None, str | None]:
    """Return what a request asks to be shown, and what not."""
    given = requests.parameters(request)
    return given.get("attributes"), given.get("excludedAttributes")


def _sender() -> Sender:
    return Sender(principal=g.principal, request_id=g.request_id, if_match=request.headers.get("If-Match"))


def _resource(outcome: Outcome) -> dict[str, Any]:
    assert outcome.resource is not None, "what succeeded and is not a DELETE returns its resource"
    return outcome.resource
