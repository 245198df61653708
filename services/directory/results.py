"""Find what became of a write whose client did not wait for it; only the token that sent it may ask."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Select, false, func, select

from services.directory import ids, tables
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
    resource_type: ResourceType | None
    """None for what was refused in a bulk request before its resource was known."""
    lane: UUID
    shard: int
    state: State
    waited_seconds: float
    ended_at: datetime
    outcome: Outcome | None
    bulk_id: str | None
    path: str | None
    """Where the resource is or would be, of what was refused in a bulk request before it had a place in a lane."""
    is_part: bool
    """Whether it is one of a bulk request's."""

    @property
    def is_pending(self) -> bool:
        """Whether it may still be applied."""
        return self.state is State.PENDING


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far a bulk request is that nobody waits for: what is pending, and since when nothing has ended."""

    pending: int
    idle_seconds: float


def find(connection: Connection, operation_id: UUID, *, tenant_id: UUID, token_id: UUID) -> Result | None:
    """Return an operation that this token sent alone, or None: another token's does not exist for it."""
    alone = (tables.operation.c.id == operation_id, tables.operation.c.wave.is_(None))
    row = connection.execute(_select(*alone, *_sent_by(tenant_id, token_id))).one_or_none()
    return None if row is None else _result(row)


def find_part(connection: Connection, group: UUID, index: int, *, tenant_id: UUID, token_id: UUID) -> Result | None:
    """Return one operation of a bulk request that this token sent, by its place there from zero, or None."""
    if not 0 <= index < ids.LARGEST_GROUP:
        return None
    mine = (*_parts(group, tenant_id, token_id), tables.operation.c.id == ids.member(group, index))
    row = connection.execute(_select(*mine)).one_or_none()
    return None if row is None else _result(row)


def find_parts(connection: Connection, group: UUID, *, tenant_id: UUID, token_id: UUID) -> list[Result]:
    """Return the operations of a bulk request that this token sent, in the order of the request."""
    statement = _select(*_parts(group, tenant_id, token_id)).order_by(tables.operation.c.id)
    return [_result(row) for row in connection.execute(statement)]


def standing(connection: Connection, group: UUID, *, tenant_id: UUID, token_id: UUID) -> Standing | None:
    """Return how far a bulk request is that this token sent, or None when it sent no such request."""
    table = tables.operation
    moved = func.max(func.coalesce(table.c.settled_at, table.c.accepted_at))
    statement = select(
        func.count().label("all"),
        func.count().filter(table.c.state == State.PENDING.value).label("pending"),
        func.extract("epoch", func.clock_timestamp() - moved).label("idle"),
    ).where(*_parts(group, tenant_id, token_id))
    row = connection.execute(statement).one()
    return Standing(pending=row.pending, idle_seconds=float(row.idle)) if row.all else None


def _sent_by(tenant_id: UUID, token_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return tables.operation.c.tenant_id == tenant_id, tables.operation.c.token_id == token_id


def _parts(group: UUID, tenant_id: UUID, token_id: UUID) -> tuple[ColumnElement[bool], ...]:
    """A bulk request has the id of a group, and its operations those of the members (services/directory/ids.py)."""
    table = tables.operation
    members = (table.c.id > group, table.c.id <= ids.last_of(group))
    is_group = () if ids.group_of(group) == group else (false(),)
    return *members, *is_group, table.c.wave.is_not(None), *_sent_by(tenant_id, token_id)


def _select(*conditions: ColumnElement[bool]) -> Select[Any]:
    table = tables.operation
    now = func.clock_timestamp()
    return select(
        table.c.id,
        table.c.method,
        table.c.resource_type,
        table.c.lane,
        table.c.shard,
        table.c.state,
        func.extract("epoch", now - table.c.accepted_at).label("waited"),
        func.coalesce(table.c.settled_at, table.c.accepted_at).label("ended_at"),
        table.c.outcome,
        table.c.bulk_id,
        table.c.path,
        table.c.wave,
    ).where(*conditions)


def _result(row: Row[Any]) -> Result:
    return Result(
        id=row.id,
        method=row.method,
        resource_type=resource_types.BY_NAME.get(row.resource_type),
        lane=row.lane,
        shard=row.shard,
        state=State(row.state),
        waited_seconds=float(row.waited),
        ended_at=row.ended_at,
        outcome=None if row.outcome is None else outcomes.from_document(row.id, row.outcome),
        bulk_id=row.bulk_id,
        path=row.path,
        is_part=row.wave is not None,
    )


def completion(result: Result, cancelled: SCIMError) -> Completion:
    """Return how an operation ended; `cancelled` is the error of one that was never applied and has no outcome."""
    assert not result.is_pending, "what is pending has not ended"
    outcome = result.outcome or refusal(result.id, cancelled)
    resource = outcome.resource or {}
    return Completion(
        operation_id=result.id,
        method=result.method,
        uri=_uri(result, outcome),
        resource_id=None if _is_nowhere(result, outcome) else str(result.lane),
        bulk_id=result.bulk_id,
        external_id=resource.get(EXTERNAL_ID.name),
        version=resource.get(META.name, {}).get("version"),
        status=outcome.status,
        error=messages.error(outcome.status, outcome.detail, outcome.scim_type) if outcome.detail is not None else None,
        ended_at=result.ended_at,
    )


def _uri(result: Result, outcome: Outcome) -> str:
    """Return the path of the resource behind the base URL; one that never came to be has its endpoint's."""
    if result.path is not None:
        return result.path
    endpoint = result.resource_type.endpoint if result.resource_type else "/"
    return endpoint if _is_nowhere(result, outcome) else f"{endpoint}/{result.lane}"


def _is_nowhere(result: Result, outcome: Outcome) -> bool:
    """Whether there is no resource that an event could name by its id."""
    return result.path is not None or (result.method == "POST" and outcome.detail is not None)
