"""The journal of bulk requests that nobody waits for: all operations at once, and their order over all lanes.

Everything is accepted in one transaction, so a request is in the journal as a whole or not at all. An operation is
begun when those of earlier *waves* have ended, in whatever shards these are. Ids follow the request's own, so that no
table of requests is needed; what was refused has a row too, settled from the start.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Connection, Engine, Uuid, any_, func, insert, literal, select
from sqlalchemy.exc import SQLAlchemyError

from services.directory import backoff, database, ids, journal, tables
from services.directory.apply import refusal
from services.directory.journal import Operation, State, Write
from services.directory.store import not_found
from shared.scim import bulk, resource_types
from shared.scim.errors import SCIMError

logger = logging.getLogger(__name__)

Ring = Callable[[int], object]
NO_LANE = UUID(int=0)
"""The lane of an operation that was refused before its resource was known."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """An operation of a bulk request: its write, and the path of its resource; an error when it is refused already."""

    write: Write
    path: str
    error: SCIMError | None = None


def accept(connection: Connection, parts: Sequence[Part], shards: int) -> set[int]:
    """Take a whole bulk request into the journal, in the order of its plan; return the shards that can begin.

    POSTs come first, for other operations may be in the lanes that they make. What is refused, and what names a
    resource that never existed, is settled at once.
    """
    writes = [part.write for part in parts if part.error is None]
    placed: dict[UUID, int] = {}
    for is_post in (True, False):
        chosen = [write for write in writes if (write.method == "POST") is is_post]
        placed |= journal.accept(connection, chosen, shards).shards if chosen else {}
    _settle(connection, [part for part in parts if part.write.id not in placed])
    begins = min((write.wave or 0 for write in writes if write.id in placed), default=0)
    return {placed[write.id] for write in writes if write.wave == begins and write.id in placed}


def pending_shards(connection: Connection, group: UUID, after: int = -1) -> set[int]:
    """Return the shards that have operations of the wave whose turn it is, if that is a later one than `after`."""
    table = tables.operation
    mine = (*_within(group), table.c.state == State.PENDING.value)
    turn = select(func.min(table.c.wave)).where(*mine).scalar_subquery()
    statement = select(table.c.shard).distinct().where(*mine, table.c.wave == turn, table.c.wave > after)
    return set(connection.scalars(statement))


def ring(engine: Engine, ended: Iterable[Operation], bell: Ring) -> None:
    """After the commit of operations ring the shards of the waves whose turn has come.

    Whoever commits the last operation of a wave sees that it was the last. A failure is logged and no more: the sweeper
    finds the work.
    """
    waves = {ids.group_of(operation.id): operation.wave for operation in ended if operation.wave is not None}
    if not waves:
        return
    try:
        with database.across(engine) as connection:
            shards = {s for group, wave in waves.items() for s in pending_shards(connection, group, after=wave)}
    except SQLAlchemyError as error:
        logger.warning("next wave not rung", extra={"fault": backoff.classify(error).name})
        return
    for shard in sorted(shards):
        bell(shard)


def refused(connection: Connection, operations: Sequence[Operation]) -> Mapping[UUID, SCIMError]:
    """Return what is refused since an operation that it refers to has failed (RFC 7644 section 3.7)."""
    needs = {need for operation in operations for need in operation.needs or ()}
    if not needs:
        return {}
    table = tables.operation
    succeeded = (table.c.state == State.SETTLED.value) & (table.c.status < 400)
    mine = table.c.id == any_(literal(sorted(needs), ARRAY(Uuid)))
    done = set(connection.scalars(select(table.c.id).where(mine, succeeded)))
    failed = {each.id: min(set(each.needs or ()) - done, default=None) for each in operations}
    return {each: bulk.failed_need(ids.index_of(need) + 1) for each, need in failed.items() if need is not None}


def _within(group: UUID) -> tuple[ColumnElement[bool], ...]:
    column = tables.operation.c.id
    return column > group, column <= ids.last_of(group)


def _settle(connection: Connection, parts: Sequence[Part]) -> None:
    """Write down what is never begun, with the path of its resource instead of a place in a lane, and no values."""
    now = func.clock_timestamp()
    if parts:
        statement = insert(tables.operation).values(accepted_at=now, settled_at=now)
        connection.execute(statement, [_settled(part) for part in parts])


def _settled(part: Part) -> dict[str, object]:
    write = part.write
    outcome = refusal(write.id, part.error or not_found(resource_types.BY_NAME[write.resource_type]))
    kept = ("id", "tenant_id", "token_id", "request_id", "resource_type", "lane", "method", "reply_to", "bulk_id")
    return {name: getattr(write, name) for name in kept} | {
        "seq": 0,
        "shard": -1,
        "position": 0,
        "state": State.SETTLED.value,
        "status": outcome.status,
        "outcome": outcome.document(),
        "wave": 0,
        "path": part.path,
    }
