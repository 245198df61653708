"""Put everything that is known about a resource into one timeline: the journal, the history, and what was refused.

The journal has each request that was accepted; the history what it changed, also of others; the refusals those that
were not accepted at all. What only names a resource, such as a refused creation, is found by what it says.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Connection, Uuid, any_, literal, select, union_all

from services.directory import history, refusals, tables, why_events
from services.directory.seeking import Subject
from services.directory.why_events import Event
from services.directory.why_journal import Journal

MOST_NAMED = 3
"""Resources of which everything is looked for that they are called by; of more it would take long, and tell little."""


def of(connection: Connection, tenant_id: UUID, wanted: str, subjects: Sequence[Subject], most: int) -> list[Event]:
    """Return the newest events about what was looked for and about what was found, the newest first."""
    journal = Journal.open(connection, tenant_id, most)
    called = {wanted.lower(), *(name for each in subjects[:MOST_NAMED] for name in each.known_as)}
    journaled = journal.about([each.id for each in subjects], wanted, called)
    kept = refusals.without_journaled(connection, refusals.about(connection, tenant_id, called, most))
    tokens = _names(connection, [row["token_id"] for row in journaled] + [each.token_id for each in kept])
    changes = [entry for each in subjects for entry in history.of(connection, tenant_id, each.id, most)]
    events = [
        *(journal.of_operation(row, changes, tokens) for row in journaled),
        *(why_events.of_refusal(each, tokens) for each in kept),
        *why_events.of_history(changes, {row["id"] for row in journaled}, journal.catalogue),
    ]
    return sorted(events, key=lambda each: each.at, reverse=True)[:most]


def refused_since(connection: Connection, tenant_id: UUID, moment: datetime, most: int) -> list[Event]:
    """Return what was refused since a moment, whatever it was about, the newest first."""
    found = refusals.since(connection, tenant_id, moment, most)
    tokens = _names(connection, [each.token_id for each in found])
    return [why_events.of_refusal(each, tokens) for each in found]


def _names(connection: Connection, token_ids: Collection[UUID]) -> dict[UUID, str]:
    """Return the names of tokens and clients."""
    wanted = literal(list(set(token_ids)), ARRAY(Uuid))
    looks = (
        select(table.c.id, table.c.name).where(table.c.id == any_(wanted)) for table in (tables.token, tables.client)
    )
    return {row.id: row.name for row in connection.execute(union_all(*looks))}
