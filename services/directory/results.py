"""Find what became of a write whose client did not wait for it; only the token that sent it may ask."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, func, select

from services.directory import tables
from services.directory.apply import refusal
from services.directory.journal import State
from shared import outcomes
from shared.outcomes import Outcome
from shared.scim import messages, resource_types
from shared.scim.attributes import ResourceType
from shared.scim.errors import SCIMError
from shared.scim.events import Completion
from shared.scim.schemas.common import EXTERNAL_ID, META


@dataclass(frozen=True, kw_only=True)
class Result:
    """An operation as its sender sees it: where it stands, and once it ended its outcome, unless it was cancelled."""

    id: UUID
    method: str
    resource_type: ResourceType
    lane: UUID
    shard: int
    state: State
    waited_seconds: float
    ended_at: datetime
    outcome: Outcome | None

    @property
    def is_pending(self) -> bool:
        """Whether it may still be applied."""
        return self.state is State.PENDING


def find(connection: Connection, operation_id: UUID, *, tenant_id: UUID, token_id: UUID) -> Result | None:
    """Return an operation that this token sent, or None: another token's does not exist for it."""
    table = tables.operation
    now = func.clock_timestamp()
    statement = select(
        table.c.method,
        table.c.resource_type,
        table.c.lane,
        table.c.shard,
        table.c.state,
        func.extract("epoch", now - table.c.accepted_at).label("waited"),
        func.coalesce(table.c.settled_at, table.c.accepted_at).label("ended_at"),
        table.c.outcome,
    ).where(table.c.id == operation_id, table.c.tenant_id == tenant_id, table.c.token_id == token_id)
    row = connection.execute(statement).one_or_none()
    if row is None:
        return None
    return Result(
        id=operation_id,
        method=row.method,
        resource_type=resource_types.BY_NAME[row.resource_type],
        lane=row.lane,
        shard=row.shard,
        state=State(row.state),
        waited_seconds=float(row.waited),
        ended_at=row.ended_at,
        outcome=None if row.outcome is None else outcomes.from_document(operation_id, row.outcome),
    )


def completion(result: Result, cancelled: SCIMError) -> Completion:
    """Return how an operation ended; `cancelled` is the error of one that was never applied and has no outcome."""
    assert not result.is_pending, "what is pending has not ended"
    outcome = result.outcome or refusal(result.id, cancelled)
    is_refused = outcome.detail is not None
    resource = outcome.resource or {}
    return Completion(
        operation_id=result.id,
        method=result.method,
        endpoint=result.resource_type.endpoint,
        resource_id=None if is_refused and result.method == "POST" else str(result.lane),
        external_id=resource.get(EXTERNAL_ID.name),
        version=resource.get(META.name, {}).get("version"),
        status=outcome.status,
        error=messages.error(outcome.status, outcome.detail, outcome.scim_type) if outcome.detail is not None else None,
        ended_at=result.ended_at,
    )
