"""Turn what a client sends into a write for the journal, parsed and checked, so that only sound ones are queued."""

import logging
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID

from services.directory import ids
from services.directory.journal import Write
from services.directory.tokens import Principal
from services.gateway import turnstile
from services.gateway.answering import Answer
from services.gateway.flushing import ToleranceCounter
from services.gateway.hashing import Hasher
from services.gateway.repeating import Repeats, Taken, Way
from services.gateway.turnstile import Turnstile
from services.gateway.writing import Writer
from shared.outcomes import NOBODY, Outcome
from shared.scim import errors, leaving, mentions, patch, validation
from shared.scim.attributes import ResourceType
from shared.scim.dialects import shapes
from shared.scim.dialects.tolerances import Used
from shared.scim.errors import NotFoundError, SCIMError
from shared.scim.patch import Operation

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Who sends a write, in which request, and on what condition (the text of If-Match)."""

    principal: Principal
    request_id: str
    if_match: str | None = None


@dataclass(frozen=True, kw_only=True)
class Writes:
    """Makes writes, and takes them through the journal."""

    writer: Writer
    channel: str
    counter: ToleranceCounter
    repeats: Repeats
    turnstile: Turnstile
    hasher: Hasher

    def create(self, sender: Sender, resource_type: ResourceType, document: Any) -> Write:
        """Return the write of a POST. Raises SCIMError for a document that is no such resource."""
        return self.create_as(ids.new(), sender, resource_type, document)

    def create_as(self, resource_id: UUID, sender: Sender, resource_type: ResourceType, document: Any) -> Write:
        """Return the write of a POST whose resource gets an id that is known already. Raises SCIMError."""
        resource = self._resource(sender, resource_type, document)
        said = mentions.in_resource(resource_type, resource)
        return self._write(sender, resource_type, "POST", resource_id, resource, said)

    def replace(self, sender: Sender, resource_type: ResourceType, resource_id: str, document: Any) -> Write:
        """Return the write of a PUT. Raises SCIMError for a document that is no such resource."""
        lane = _lane(resource_type, resource_id)
        resource = self._resource(sender, resource_type, document)
        is_urgent = leaving.is_in_resource(resource)
        said = mentions.in_resource(resource_type, resource)
        return self._write(sender, resource_type, "PUT", lane, resource, said, is_urgent=is_urgent)

    def patch(self, sender: Sender, resource_type: ResourceType, resource_id: str, document: Any) -> Write:
        """Return the write of a PATCH. Raises SCIMError for a message that cannot be applied to any such resource."""
        lane = _lane(resource_type, resource_id)
        used: Used = set()
        operations = _parsed(document, resource_type, sender, used)
        self.counter.note(sender.principal.tenant_id, used)
        is_urgent = leaving.is_in_patch(operations)
        request, said = patch.document(operations), mentions.in_patch(operations)
        return self._write(sender, resource_type, "PATCH", lane, request, said, is_urgent=is_urgent)

    def delete(self, sender: Sender, resource_type: ResourceType, resource_id: str) -> Write:
        """Return the write of a DELETE."""
        return self._write(sender, resource_type, "DELETE", _lane(resource_type, resource_id), None, is_urgent=True)

    def admit(self, write: Write) -> None:
        """Raise TooManyRequestsError when its tenant has more pending than can be worked off in time."""
        if not self.writer.admission.admit([write]):
            raise self.writer.admission.refusal(write.tenant_id)

    def perform(self, write: Write, deadline: float) -> Outcome:
        """Take one write of many through the journal, in its turn, and return its outcome.

        Raises what it was refused with.
        """
        with self.turnstile.passing(write.tenant_id, deadline):
            return self.succeeded(write.tenant_id, self.writer.write(self.hasher.hashed(write), deadline))

    def perform_once(self, write: Write, answer: Answer, deadline: float) -> Outcome:
        """Take a write through as `perform`, unless it is an earlier one sent again: return that one's outcome then."""
        way = Way(
            take=partial(self.writer.write, deadline=deadline),
            follow=partial(self.writer.join, tenant_id=write.tenant_id, deadline=deadline),
        )
        outcome = self.repeats.take(write, answer, way).outcome
        assert outcome is not None, "who waits gets an outcome, or an error"
        return self.succeeded(write.tenant_id, outcome)

    def submit_once(self, write: Write, answer: Answer, seconds: int) -> Taken:
        """Take a write into the journal, and return its outcome if it is there within so many seconds.

        What an earlier one ended in that it repeats is returned instead. Raises what it was refused with by then. While
        several tenants have writes, one that is not waited for keeps its turn until it is applied: it would fill the
        queue behind the turnstile otherwise, and everybody share the cores with it.
        """
        until = time.monotonic() + min(seconds, self.writer.deadline_seconds)
        stays = not seconds and self.turnstile.is_shared()
        way = Way(
            take=partial(self.writer.submit_and_stay, seconds=turnstile.STUCK_SECONDS)
            if stays
            else partial(self.writer.submit, seconds=seconds),
            follow=partial(self.writer.follow, until=until, tenant_id=write.tenant_id),
        )
        taken = self.repeats.take(replace(write, reply_to=self.channel if seconds or stays else NOBODY), answer, way)
        if taken.outcome is not None:
            self.succeeded(write.tenant_id, taken.outcome)
        return taken

    def succeeded(self, tenant_id: UUID, outcome: Outcome) -> Outcome:
        """Return the outcome of a write that succeeded. Raises what another was refused with."""
        if outcome.detail is not None:
            raise errors.restore(outcome.status, outcome.scim_type, outcome.detail)
        self.counter.note(tenant_id, outcome.tolerances or ())
        return outcome

    def _resource(self, sender: Sender, resource_type: ResourceType, document: Any) -> dict[str, Any]:
        used: Used = set()
        resource = validation.resource(resource_type, document, used)
        self.counter.note(sender.principal.tenant_id, used)
        return resource

    def _write(
        self,
        sender: Sender,
        resource_type: ResourceType,
        method: str,
        lane: UUID,
        request: Any,
        said: frozenset[str] = frozenset(),
        *,
        is_urgent: bool = False,
    ) -> Write:
        return Write(
            id=ids.new(),
            tenant_id=sender.principal.tenant_id,
            token_id=sender.principal.token_id,
            request_id=sender.request_id,
            resource_type=resource_type.name,
            lane=lane,
            method=method,
            request=request,
            if_match=sender.if_match,
            reply_to=self.channel,
            is_urgent=is_urgent,
            mentions=said,
        )


def _parsed(document: Any, resource_type: ResourceType, sender: Sender, used: Used) -> tuple[Operation, ...]:
    """Parse a PATCH message; what one is refused for can be told from its shape, which no journal keeps."""
    try:
        return patch.parse(document, resource_type, used)
    except SCIMError as error:
        extra = {"request_id": sender.request_id, "scim_type": error.scim_type, "shape": shapes.of(document)}
        logger.warning("patch refused", extra={"tenant": sender.principal.tenant, **extra})
        raise


def _lane(resource_type: ResourceType, resource_id: str) -> UUID:
    lane = ids.parse(resource_id)
    if lane is None:
        raise NotFoundError(f"There is no {resource_type.name} with this id")
    return lane
