"""Turn the operations of a bulk request into writes, by the code of the single endpoints, and plan their order.

Resource ids are made here, so every bulkId has its id before anything is begun.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias
from urllib.parse import quote
from uuid import UUID

from services.directory import ids
from services.directory.journal import Write
from services.directory.tokens import Principal
from services.gateway import permissions
from services.gateway.admission import Admission
from services.gateway.writes import Sender, Writes
from shared.scim import bulk, bulk_order, bulk_references, messages, patch
from shared.scim.attributes import ResourceType
from shared.scim.bulk import Method, Operation, Target
from shared.scim.bulk_order import Claim, Intent, Step
from shared.scim.errors import InvalidSyntaxError, InvalidValueError, SCIMError
from shared.scim.resource_types import Catalogue


@dataclass(frozen=True, kw_only=True)
class Single:
    """The one write of an operation."""

    write: Write


@dataclass(frozen=True, kw_only=True)
class Member:
    """The writes of a POST in a circle: create without the circle's references, add them, or take it back."""

    create: Write
    complete: Write
    take_back: Write


Prepared: TypeAlias = Single | Member | SCIMError
"""What is to be done for an operation, or why it is refused."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that is to be done for a request, and in which order."""

    steps: tuple[Step, ...]
    prepared: Mapping[int, Prepared]
    locations: Mapping[int, str]
    """Where each operation's resource is, or would be, below the base URL."""


Present: TypeAlias = Callable[[ResourceType, Collection[UUID]], Mapping[UUID, frozenset[Claim]]]
"""Tells the unique values that resources have now."""


def plan(
    writes: Writes, sender: Sender, catalogue: Catalogue, operations: Sequence[Operation], present: Present
) -> Plan:
    """Return what is to be done; an operation that is refused is in the plan too, for its turn to fail comes."""
    return _Planning(writes, sender, catalogue, operations).plan(present)


def admitted(plan: Plan, admission: Admission) -> Plan:
    """Return the plan as it may be run now: too much at once leaves only what takes somebody's access away.

    Raises TooManyRequestsError when that is nothing.
    """
    writes = [write for prepared in plan.prepared.values() for write in _first_writes(prepared)]
    if not writes or admission.admit(writes):
        return plan
    refusal = admission.refusal(writes[0].tenant_id)
    if not any(write.is_urgent for write in writes):
        raise refusal
    return replace(plan, prepared={n: refusal if _is_ordinary(one) else one for n, one in plan.prepared.items()})


class _Planning:
    """Plans one request: who creates what, who needs whom, and which writes follow."""

    def __init__(self, writes: Writes, sender: Sender, catalogue: Catalogue, operations: Sequence[Operation]) -> None:
        self._writes, self._sender = writes, sender
        self._catalogue, self._operations = catalogue, operations
        self._creates = {o.bulk_id or "": o.number for o in operations if o.method is Method.POST}
        self._lanes = {number: ids.new() for number in self._creates.values()}
        self._ids = {bulk_id: str(self._lanes[number]) for bulk_id, number in self._creates.items()}
        self._targets = {operation.number: _target(operation, catalogue, sender.principal) for operation in operations}

    def plan(self, present: Present) -> Plan:
        needs = {operation.number: self._needs(operation) for operation in self._operations}
        circles = bulk_order.circles(needs)
        mates = self._mates(circles)
        prepared: dict[int, Prepared] = {}
        intents: list[Intent] = []
        for each in self._operations:
            prepared[each.number] = self._prepare(each, mates.get(each.number, frozenset()))
            intents.append(_intent(each, prepared[each.number], needs[each.number], catalogue=self._catalogue))
            time.sleep(0)  # Lets other requests in: a thousand operations with long filters take seconds to read.
        intents = bulk_order.without_kept(intents, _present(intents, self._catalogue, present))
        return Plan(steps=bulk_order.plan(intents, circles), prepared=prepared, locations=self._locations())

    def _mates(self, circles: Iterable[tuple[int, ...]]) -> dict[int, frozenset[str]]:
        """Return the bulkIds of each operation's circle."""
        bulk_id_of = {number: bulk_id for bulk_id, number in self._creates.items()}
        named = ((circle, frozenset(bulk_id_of[number] for number in circle)) for circle in circles)
        return {number: names for circle, names in named for number in circle}

    def _needs(self, operation: Operation) -> frozenset[int]:
        found = {self._creates[name] for name in self._names(operation) if name in self._creates}
        return frozenset(found - {operation.number})

    def _names(self, operation: Operation) -> set[str]:
        target = self._targets[operation.number]
        path = target.id if isinstance(target, Target) else None
        return set(bulk_references.names([path, self._body(operation)]))

    def _body(self, operation: Operation) -> Any:
        """Return the data of an operation; what a DELETE brings along is nobody's, and not read."""
        return None if operation.method is Method.DELETE else operation.data

    def _prepare(self, operation: Operation, mates: frozenset[str]) -> Prepared:
        target = self._targets[operation.number]
        if isinstance(target, SCIMError):
            return target
        if not self._names(operation) <= self._creates.keys():
            return InvalidValueError("It refers to a bulkId that no POST of this request has")
        try:
            return self._member(operation, target, mates) if mates else self._single(operation, target)
        except SCIMError as error:
            return error

    def _single(self, operation: Operation, target: Target) -> Single:
        sender = replace(self._sender, if_match=operation.version)
        resource_type, resource_id = target.resource_type, self._id(target)
        data = bulk_references.resolve(self._body(operation), self._ids)
        match operation.method:
            case Method.POST:
                return Single(write=self._create(operation, resource_type, data))
            case Method.PUT:
                return Single(write=self._writes.replace(sender, resource_type, resource_id, data))
            case Method.PATCH:
                return Single(write=self._writes.patch(sender, resource_type, resource_id, data))
            case Method.DELETE:
                return Single(write=self._writes.delete(sender, resource_type, resource_id))

    def _id(self, target: Target) -> str:
        return str(bulk_references.resolve(target.id, self._ids))

    def _create(self, operation: Operation, resource_type: ResourceType, data: object) -> Write:
        return self._writes.create_as(self._lanes[operation.number], self._sender, resource_type, data)

    def _member(self, operation: Operation, target: Target, mates: frozenset[str]) -> Member:
        """Split a POST whose references go round in a circle, which the RFC asks a server to resolve."""
        if not isinstance(operation.data, dict):
            raise InvalidSyntaxError("'data' must be an object")
        kept, withheld = bulk_references.withhold(operation.data, mates, target.resource_type)
        addition = {"op": "add", "value": bulk_references.resolve(withheld, self._ids)}
        message = {"schemas": [messages.PATCH_OP], "Operations": [addition]}
        resource_id = str(self._lanes[operation.number])
        return Member(
            create=self._create(operation, target.resource_type, bulk_references.resolve(kept, self._ids)),
            complete=self._writes.patch(self._sender, target.resource_type, resource_id, message),
            take_back=self._writes.delete(self._sender, target.resource_type, resource_id),
        )

    def _locations(self) -> dict[int, str]:
        """Return the path of each operation's resource, relative to the base URL."""
        locations = {}
        for operation in self._operations:
            target = self._targets[operation.number]
            if operation.number in self._lanes and isinstance(target, Target):
                locations[operation.number] = f"{target.resource_type.endpoint}/{self._lanes[operation.number]}"
            elif isinstance(target, Target) and self._names(operation) <= self._creates.keys():
                locations[operation.number] = f"{target.resource_type.endpoint}/{quote(self._id(target), safe='')}"
            else:
                locations[operation.number] = "/" + quote(operation.path.lstrip("/"))
        return locations


def _target(operation: Operation, catalogue: Catalogue, principal: Principal) -> Target | SCIMError:
    try:
        target = bulk.target(operation, catalogue)
        permissions.demand_type(principal, target.resource_type)
    except SCIMError as error:
        return error
    return target


def _first_writes(prepared: Prepared) -> tuple[Write, ...]:
    """Return what an operation writes when all goes well."""
    match prepared:
        case Single(write=write):
            return (write,)
        case Member(create=create, complete=complete):
            return (create, complete)
        case SCIMError():
            return ()


def _is_ordinary(prepared: Prepared) -> bool:
    return any(not write.is_urgent for write in _first_writes(prepared))


def _intent(operation: Operation, prepared: Prepared, needs: frozenset[int], catalogue: Catalogue) -> Intent:
    match prepared:
        case SCIMError():
            return Intent(number=operation.number, method=operation.method)
        case Single(write=write) | Member(create=write):
            resource_type, method = catalogue.by_name[write.resource_type], operation.method
            checked = patch.restore(write.request, resource_type) if method is Method.PATCH else write.request
            return Intent(
                number=operation.number,
                method=method,
                resource_type=write.resource_type,
                lane=write.lane,
                needs=needs,
                mentions=bulk_order.mentioned(write.request),
                claims=bulk_order.claims(resource_type, method, checked),
                frees=bulk_order.frees(resource_type, method, checked),
                is_conditional=write.if_match is not None,
                looks_around=bulk_order.looks_around(method, checked),
            )


def _present(intents: Iterable[Intent], catalogue: Catalogue, present: Present) -> dict[UUID, frozenset[Claim]]:
    """Look up the unique values of the resources that are to be changed, of each type at once."""
    lanes: dict[str, set[UUID]] = {}
    for intent in intents:
        if intent.claims and intent.frees and intent.lane is not None:
            lanes.setdefault(intent.resource_type, set()).add(intent.lane)
    found: dict[UUID, frozenset[Claim]] = {}
    for name, wanted in lanes.items():
        found |= present(catalogue.by_name[name], wanted)
    return found
