"""Count attempts to sign in, so that nobody tries many passwords: by address of the admin, and of the machine.

An attempt is counted before the password is looked at, in one statement: attempts at the same time cannot be more than
those one after the other. What is counted is kept as digests.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from sqlalchemy import Connection, case, delete, func, or_, update
from sqlalchemy.dialects.postgresql import insert

from services.directory import portal_tables

WINDOW = timedelta(minutes=15)
EMAIL, ADDRESS = "email", "address"
MOST: Mapping[str, int] = MappingProxyType({EMAIL: 10, ADDRESS: 50})
"""Attempts within a window that may fail, by what is counted."""


@dataclass(frozen=True)
class Subject:
    """What attempts are counted by."""

    kind: str
    value: str

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(f"{self.kind}:{self.value.casefold()}".encode()).digest()


def is_locked_out(connection: Connection, *subjects: Subject) -> bool:
    """Count an attempt, and return whether there were too many of it."""
    ordered = sorted(subjects, key=lambda subject: subject.digest)
    counts = [(subject, _count(connection, subject)) for subject in ordered]
    return any(count > MOST[subject.kind] for subject, count in counts)


def forgive(connection: Connection, subject: Subject) -> None:
    """Forget the attempts that were counted by this, for one succeeded; and those of others that are long over."""
    table = portal_tables.sign_in_attempt
    over = table.c.ends_at <= func.clock_timestamp()
    connection.execute(delete(table).where(or_(table.c.subject == subject.digest, over)))


def take_back(connection: Connection, subject: Subject) -> None:
    """Count one attempt less, for that one succeeded; those that failed stay."""
    table = portal_tables.sign_in_attempt
    mine = table.c.subject == subject.digest
    connection.execute(update(table).where(mine).values(attempts=table.c.attempts - 1))


def _count(connection: Connection, subject: Subject) -> int:
    """Count one more; a window that is over begins anew."""
    table = portal_tables.sign_in_attempt
    now, ends = func.clock_timestamp(), func.clock_timestamp() + WINDOW
    statement = insert(table).values(subject=subject.digest, attempts=1, ends_at=ends)
    is_over = table.c.ends_at <= now
    values = {
        "attempts": case((is_over, 1), else_=table.c.attempts + 1),
        "ends_at": case((is_over, ends), else_=table.c.ends_at),
    }
    statement = statement.on_conflict_do_update(index_elements=[table.c.subject], set_=values)
    counted: int = connection.scalars(statement.returning(table.c.attempts)).one()
    return counted
