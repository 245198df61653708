"""Keep what went wrong at the starts of an operation: when, which error, where, and whether it counts.

Never a value: an error is its class and its SQLSTATE, for the text of many errors quotes what was written. Nothing of
this touches an operation whose first start succeeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import ARRAY, Connection, Text, Uuid, bindparam, text

from services.directory import tables
from services.directory.backoff import Fault
from services.directory.journal import Operation, State
from shared.outcomes import Outcome

KEPT = 20
"""Failed starts of an operation that are kept: the last ones."""

UNFINISHED = Fault(name="the run did not end", is_passing=False, counts=True)
"""Whoever ran the operation died or lost its session, and nobody saw why."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One start that failed."""

    at: datetime
    error: str
    where: str | None = None
    counts: bool


_FAILURES = f"""failures = CASE WHEN jsonb_array_length(failures) >= {KEPT} THEN failures - 0
                ELSE coalesce(failures, '[]') END
           || jsonb_build_array(cast(:failure AS jsonb) || jsonb_build_object('at', clock_timestamp()))"""
_POSTPONE = text(f"""
UPDATE operation SET delays = delays + 1, last_error = :error, {_FAILURES},
                     not_before = clock_timestamp() + make_interval(secs => :seconds)
WHERE id = :id AND state = 'pending'
""")  # noqa: S608 - a constant of this file.
_COUNT = text(f"""
UPDATE operation SET starts = starts + 1, last_error = :error, {_FAILURES}
WHERE id = ANY(:ids) AND state = 'pending'
RETURNING {", ".join(f.name for f in fields(Operation) if f.name in tables.operation.c)}
""").bindparams(bindparam("ids", type_=ARRAY(Uuid)))  # noqa: S608 - names of our own columns.
_SUSPECT = text("UPDATE operation SET delays = delays + 1 WHERE id = ANY(:ids) AND state = 'pending'").bindparams(
    bindparam("ids", type_=ARRAY(Uuid))
)
_HOLD = text("""
UPDATE operation SET not_before = clock_timestamp() + make_interval(secs => :seconds)
WHERE id = :id AND state = 'pending'
""")
_BURY = text("""
UPDATE operation SET state = :state, status = :status, outcome = cast(:outcome AS jsonb),
                     settled_at = clock_timestamp(), not_before = NULL
WHERE id = :id AND state = 'pending'
""").bindparams(bindparam("outcome", type_=Text))


def read(document: Sequence[dict[str, Any]] | None) -> list[Failure]:
    """Return the failed starts as the journal keeps them, the oldest first."""
    return [Failure(**{**each, "at": datetime.fromisoformat(each["at"])}) for each in document or ()]


def postpone(connection: Connection, operation_id: UUID, seconds: float, fault: Fault) -> None:
    """Hold a lane until the next start, after a failed one that is not held against the operation."""
    connection.execute(_POSTPONE, {"id": operation_id, "seconds": seconds, **_described(fault)})


def count(connection: Connection, operation_ids: Sequence[UUID], fault: Fault) -> list[Operation]:
    """Count a failed start of those operations that are still pending; return these, as they are now."""
    counted = connection.execute(_COUNT, {"ids": list(operation_ids), **_described(fault)})
    return [Operation(**row) for row in counted.mappings()]


def hold(connection: Connection, operation_id: UUID, seconds: float) -> None:
    """Hold a lane until the next start of its first operation."""
    connection.execute(_HOLD, {"id": operation_id, "seconds": seconds})


def suspect(connection: Connection, operation_ids: Sequence[UUID]) -> None:
    """Note that one of these is to blame for a failure, so that whoever comes next runs each of them alone."""
    connection.execute(_SUSPECT, {"ids": list(operation_ids)})


def bury(connection: Connection, outcome: Outcome) -> None:
    """Give an operation up, with the outcome that its caller is told."""
    document = orjson.dumps(outcome.document()).decode()
    about = {"id": outcome.operation_id, "state": State.DEAD.value, "status": outcome.status, "outcome": document}
    connection.execute(_BURY, about)


def _described(fault: Fault) -> dict[str, str]:
    failure = {"error": fault.name, "counts": fault.counts} | ({"where": fault.where} if fault.where else {})
    return {"error": fault.name, "failure": orjson.dumps(failure).decode()}
