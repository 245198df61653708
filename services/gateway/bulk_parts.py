"""Make of a bulk request's plan what the journal takes up front, when nobody waits for the outcomes."""

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote
from uuid import UUID

from services.directory import ids
from services.directory.bulk_journal import NO_LANE, Part
from services.directory.journal import Write
from services.gateway.bulk_writes import Member, Plan, Prepared, Single
from services.gateway.writes import Sender
from shared import outcomes
from shared.scim import bulk, bulk_order
from shared.scim.bulk import Method, Operation, Request
from shared.scim.errors import SCIMError


def is_acceptable(asked: Request, plan: Plan) -> bool:
    """Whether all can be accepted before anything has ended: neither `failOnErrors` nor a circle lets that be.

    What is begun after an error, and what must be taken back, depends on outcomes.
    """
    has_circle = any(isinstance(prepared, Member) for prepared in plan.prepared.values())
    return asked.fail_on_errors is None and not has_circle and len(asked.operations) <= ids.LARGEST_GROUP


def make(group: UUID, asked: Request, plan: Plan, sender: Sender) -> list[Part]:
    """Return the parts, in the order of the plan; the id of each tells its place in the request."""
    operations = {operation.number: operation for operation in asked.operations}
    errors = _errors(plan)
    found = {n: _write(sender, operation, plan.prepared[n]) for n, operation in operations.items()}
    waves = bulk_order.waves(plan.steps, {n: write.lane for n, write in found.items() if write.lane != NO_LANE})
    return [
        Part(
            write=replace(
                found[number],
                id=ids.member(group, number - 1),
                bulk_id=operations[number].bulk_id,
                wave=waves.get(number, 0),
                needs=[ids.member(group, need - 1) for need in sorted(step.needs)] or None,
            ),
            path=_path(operations[number], plan),
            error=errors.get(number),
        )
        for step in plan.steps
        for number in step.numbers
    ]


def _errors(plan: Plan) -> Mapping[int, SCIMError]:
    """Return what is refused already, what refers to a refused operation included."""
    found: dict[int, SCIMError] = {}
    for step in plan.steps:
        failed = min((number for number in step.needs if number in found), default=None)
        for number in step.numbers:
            prepared = plan.prepared[number]
            if isinstance(prepared, SCIMError):
                found[number] = prepared
            elif failed is not None:
                found[number] = bulk.failed_need(failed)
    return found


def _write(sender: Sender, operation: Operation, prepared: Prepared) -> Write:
    """Return an operation's write; of one that was refused there is only who sent it and when."""
    if isinstance(prepared, Single):
        return replace(prepared.write, reply_to=outcomes.NOBODY)
    return Write(
        id=NO_LANE,
        tenant_id=sender.principal.tenant_id,
        token_id=sender.principal.token_id,
        request_id=sender.request_id,
        resource_type="",
        lane=NO_LANE,
        method=operation.method.value,
        request=None,
        if_match=None,
        reply_to=outcomes.NOBODY,
    )


def _path(operation: Operation, plan: Plan) -> str:
    """Return where the resource is or would be; what a refused POST was to create is nowhere."""
    if operation.method is Method.POST:
        return "/" + quote(operation.path.lstrip("/"))
    return plan.locations[operation.number]
