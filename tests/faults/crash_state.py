"""What is in the database after a case, in words that do not change from run to run."""

import difflib
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import ARRAY, Connection, Uuid, bindparam, text

from services.directory.journal import Write

SHOWN_LINES = 20
_IDS = bindparam("ids", type_=ARRAY(Uuid))
_PARTS = {
    "user": """
        SELECT id, user_name, title, nick_name, active, emails, enterprise_department, version, deleted_at IS NULL
        FROM employee WHERE tenant_id = :tenant ORDER BY id""",
    "group": "SELECT id, display_name, version, deleted_at IS NULL FROM role WHERE tenant_id = :tenant ORDER BY id",
    "member": "SELECT role_id, member_id FROM membership WHERE tenant_id = :tenant ORDER BY 1, 2",
    "operation": """
        SELECT lane, seq, method, state, status, outcome #>> '{resource,meta,version}'
        FROM operation WHERE tenant_id = :tenant ORDER BY lane, seq""",
    "history": """
        SELECT resource_id, kind, changes, (SELECT seq FROM operation o WHERE o.id = h.operation_id)
        FROM history h WHERE tenant_id = :tenant ORDER BY resource_id, id""",
    "lane": "SELECT id, seq FROM lane WHERE tenant_id = :tenant ORDER BY id",
    "unfinished": "SELECT running FROM shard WHERE running <> '{}' AND :tenant IS NOT NULL",
}
_KNOWN = text("SELECT id FROM operation WHERE id = ANY(:ids)").bindparams(_IDS)
_PENDING = text("SELECT count(*) FROM operation WHERE id = ANY(:ids) AND state = 'pending'").bindparams(_IDS)


def read(connection: Connection, writes: Sequence[Write]) -> str:
    """Return everything about the tenant of some writes; ids are told by their place among the writes."""
    tenant = {"tenant": writes[0].tenant_id}
    lines = [
        f"{part}: {orjson.dumps([_plain(value) for value in row]).decode()}"
        for part, statement in _PARTS.items()
        for row in connection.execute(text(statement).bindparams(bindparam("tenant", type_=Uuid)), tenant)
    ]
    told = "\n".join(lines)
    for number, lane in enumerate(dict.fromkeys(write.lane for write in writes)):
        told = told.replace(str(lane), f"resource {number}")
    return told


def compare(wanted: str, found: str) -> str:
    """Return how two states differ; nothing when they do not."""
    lines = difflib.unified_diff(wanted.splitlines(), found.splitlines(), "undisturbed", "after the crash", n=0)
    return "\n".join(list(lines)[:SHOWN_LINES])


def known(connection: Connection, writes: Sequence[Write]) -> set[UUID]:
    """Return which of these writes are in the journal."""
    return set(connection.scalars(_KNOWN, {"ids": [write.id for write in writes]}))


def pending(connection: Connection, writes: Sequence[Write]) -> int:
    """Return how many of these writes are still to be applied."""
    return connection.scalar(_PENDING, {"ids": [write.id for write in writes]}) or 0


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value
