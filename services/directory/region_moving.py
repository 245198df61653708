"""Move employees after rules were saved: one operation in the journal for each who moves, a batch at a time.

The batch and how far it came are one transaction, so whoever dies here leaves nothing half done, and two at once do no
harm. Few moves are pending at a time, so that no write of an identity provider waits for long behind them. Who is
changed meanwhile is placed by that write; the move that comes later then finds nothing to do.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, Engine, func, select, text, update

from services.directory import catalogues, database, ids, journal, region_moves, region_saving, runs, tables
from services.directory.apply import MOVE
from services.directory.journal import Write
from services.directory.region_saving import Saved
from services.directory.region_tables import region_rules
from shared.outcomes import NOBODY
from shared.scim.resource_types import USERS

logger = logging.getLogger(__name__)

MOST_PENDING = 400
"""Moves of a tenant that are pending at a time, at most."""

_LOCK = text("SELECT pg_advisory_xact_lock(:space, :shard)")


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far saved rules have moved people."""

    left: int
    """Employees who are not where the rules put them."""
    pending: int
    failed: int
    """Moves that were given up."""


@dataclass(frozen=True, kw_only=True)
class Mover:
    """Journals moves, and rings the bell for them."""

    engine: Engine
    shards: int
    wake: Callable[[int], object]

    def advance(self) -> bool:
        """Journal the next moves of each tenant that has some; return whether it is worth while to go on at once."""
        with database.across(self.engine) as connection:
            unended = connection.execute(
                select(region_rules.c.tenant_id, region_rules.c.id).where(region_rules.c.ended_at.is_(None))
            ).all()
        moved = 0
        for row in unended:
            if self._is_known(row.tenant_id, row.id):
                moved += self._move(row.tenant_id, row.id)
        return moved > 0

    def _is_known(self, tenant_id: UUID, rules_id: UUID) -> bool:
        """See to it that no drain goes by older rules: whoever read those holds the lock of a shard until its commit.

        Otherwise one could put somebody back who was looked at here already.
        """
        with database.transaction(self.engine, tenant_id) as connection:
            saved = region_saving.newest(connection, tenant_id)
            at_work = connection.scalars(select(tables.shard.c.id)).all()
        if saved is None or saved.id != rules_id:
            return False
        if saved.known_at is None:
            for shard in sorted({*range(self.shards), *at_work}):
                with database.transaction(self.engine, tenant_id) as connection:
                    connection.execute(_LOCK, {"space": runs.LOCK_SPACE, "shard": shard})
            with database.transaction(self.engine, tenant_id) as connection:
                known = update(region_rules).where(region_rules.c.id == rules_id, region_rules.c.known_at.is_(None))
                connection.execute(known.values(known_at=func.clock_timestamp()))
        return True

    def _move(self, tenant_id: UUID, rules_id: UUID) -> int:
        """Journal a batch of moves; return how many these were."""
        with database.transaction(self.engine, tenant_id) as connection:
            saved = _take(connection, tenant_id, rules_id)
            room = MOST_PENDING - _pending(connection, tenant_id, rules_id) if saved else 0
            if saved is None or room <= 0:
                return 0
            found = region_moves.ids(connection, rules_of(connection, tenant_id, saved), saved.done_up_to, room)
            shards = _accept(connection, tenant_id, saved, found, self.shards)
            _note(connection, saved, found, is_end=len(found) < room)
        for shard in shards:
            self.wake(shard)
        if found:
            logger.info("moves journaled", extra={"tenant_id": str(tenant_id), "operations": len(found)})
        return len(found)


def standing(connection: Connection, tenant_id: UUID, saved: Saved) -> Standing:
    """Return how far rules have moved people."""
    table = tables.operation
    mine = (table.c.tenant_id == tenant_id, table.c.token_id == saved.id)
    failed = connection.scalar(
        select(func.count()).where(*mine, table.c.state == text("'dead'"), table.c.id >= ids.first_at(saved.saved_at))
    )
    left = region_moves.count(connection, rules_of(connection, tenant_id, saved))
    return Standing(left=left, pending=_pending(connection, tenant_id, saved.id), failed=failed or 0)


def rules_of(connection: Connection, tenant_id: UUID, saved: Saved) -> region_moves.Rules:
    """Return saved rules, as the tenant's catalogue has their attributes now."""
    catalogue = catalogues.Catalogues().of_tenants(connection, {tenant_id})[tenant_id]
    return region_moves.Rules(tenant_id=tenant_id, rules=saved.rules, resource_type=catalogue.by_name[USERS.name])


def _take(connection: Connection, tenant_id: UUID, rules_id: UUID) -> Saved | None:
    """Lock rules that still move people, and are still the newest; None when somebody else is at it."""
    table = region_rules
    locked = select(table.c.id).where(table.c.id == rules_id, table.c.ended_at.is_(None), table.c.known_at.is_not(None))
    if connection.scalar(locked.with_for_update(skip_locked=True)) is None:
        return None
    saved = region_saving.newest(connection, tenant_id)
    return saved if saved is not None and saved.id == rules_id else None


def _pending(connection: Connection, tenant_id: UUID, rules_id: UUID) -> int:
    table = tables.operation
    is_pending = (table.c.state == text("'pending'"), table.c.tenant_id == tenant_id, table.c.token_id == rules_id)
    return connection.scalar(select(func.count()).where(*is_pending)) or 0


def _accept(
    connection: Connection, tenant_id: UUID, saved: Saved, employees: Sequence[UUID], shards: int
) -> Sequence[int]:
    writes = [
        Write(
            id=ids.new(),
            tenant_id=tenant_id,
            token_id=saved.id,
            request_id=f"region-rules-{saved.number}",
            resource_type=USERS.name,
            lane=employee,
            method=MOVE,
            request=None,
            if_match=None,
            reply_to=NOBODY,
            is_new=True,
        )
        for employee in employees
    ]
    return sorted(set(journal.accept(connection, writes, shards).shards.values())) if writes else []


def _note(connection: Connection, saved: Saved, employees: Sequence[UUID], *, is_end: bool) -> None:
    """Write down how far it was looked, in the transaction of the moves."""
    table = region_rules
    done = {"done_up_to": employees[-1], "moves": table.c.moves + len(employees)} if employees else {}
    ended = {"ended_at": func.clock_timestamp()} if is_end else {}
    if done or ended:
        connection.execute(update(table).where(table.c.id == saved.id).values(**done, **ended))
