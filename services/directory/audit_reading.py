"""Read the audit: the newest rows, a whole chain, and whether a chain is what it was when it was written."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from services.directory import audit_chain, ids, partitions, sealing, tables
from services.directory.audit_chain import INSTALLATION, Action, Row

PAGE = 500


@dataclass(frozen=True, kw_only=True)
class Head:
    """A row as somebody noted it elsewhere: its chain must still have it."""

    seq: int
    hash: bytes


@dataclass(frozen=True, kw_only=True)
class Fault:
    """The first row that is not what it was, and what is wrong with it."""

    seq: int
    says: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of looking at a chain: how long it is, where it ends, and its first fault."""

    rows: int = 0
    head: Head | None = None
    erased: int = 0
    fault: Fault | None = None


@dataclass
class _Walk:
    """What is known of a chain so far."""

    verdict: Verdict = field(default_factory=Verdict)
    previous: bytes = audit_chain.BEGINNING
    erased: set[int] = field(default_factory=set)
    permitted: set[int] = field(default_factory=set)

    def blame(self, seq: int, says: str) -> None:
        """Keep the first fault."""
        fault = self.verdict.fault
        if fault is None or seq < fault.seq:
            self.verdict = replace(self.verdict, fault=Fault(seq=seq, says=says))


def chains(connection: Connection) -> Mapping[UUID, str]:
    """Return the chains that there can be, with their tenants' names; the installation's has none."""
    table = tables.tenant
    found = connection.execute(select(table.c.id, table.c.slug).order_by(table.c.slug))
    return {INSTALLATION: "", **{row.id: row.slug for row in found}}


def newest(connection: Connection, chain: UUID | None, limit: int) -> Sequence[Row]:
    """Return the newest rows of a chain, or of all, the newest first."""
    table = tables.audit
    statement = select(table).order_by(table.c.at.desc(), table.c.tenant_id, table.c.seq.desc()).limit(limit)
    if chain is not None:
        statement = statement.where(table.c.tenant_id == chain)
    return [Row(**row) for row in connection.execute(statement).mappings()]


def of_target(connection: Connection, tenant_id: UUID, target: UUID, limit: int) -> Sequence[Row]:
    """Return the newest rows about one thing of a tenant, the newest first."""
    table = tables.audit
    mine = (table.c.tenant_id == tenant_id, table.c.target == str(target))
    statement = select(table).where(*mine).order_by(table.c.seq.desc()).limit(limit)
    return [Row(**row) for row in connection.execute(statement).mappings()]


def every(connection: Connection, chain: UUID) -> Iterator[Row]:
    """Yield the rows of a chain in their order, a page at a time."""
    table, after = tables.audit, 0
    statement = select(*(table.c[f.name] for f in fields(Row))).where(table.c.tenant_id == chain).order_by(table.c.seq)
    while True:
        page = [Row(**row) for row in connection.execute(statement.where(table.c.seq > after).limit(PAGE)).mappings()]
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].seq


def verify(connection: Connection, chain: UUID, noted: Head | None = None) -> Verdict:
    """Look at every row of a chain, and at the operations in the journal that it sealed.

    The transaction must see one state of the database throughout.
    """
    walk = _Walk()
    for row in every(connection, chain):
        _look(walk, row)
        if row.action == Action.WRITES_SEALED and row.details is not None:
            _compare(walk, row, connection)
        if noted is not None and row.seq == noted.seq and row.hash != noted.hash:
            walk.blame(row.seq, "it is not the row that was noted: the chain was written anew")
    if noted is not None and walk.verdict.rows < noted.seq:
        walk.blame(walk.verdict.rows + 1, "it is missing: the chain was longer when its end was noted")
    for seq in sorted(walk.erased - walk.permitted)[:1]:
        walk.blame(seq, "its details are gone, and no erasure says so")
    return replace(walk.verdict, erased=len(walk.erased))


def _look(walk: _Walk, row: Row) -> None:
    expected = walk.verdict.rows + 1
    if row.seq != expected:
        walk.blame(expected, "it is missing")
    elif row.previous != walk.previous:
        walk.blame(row.seq, "it does not follow the row before it")
    elif row.hash != audit_chain.hash_of(row):
        walk.blame(row.seq, "it was altered")
    if row.salt is None:
        walk.erased.add(row.seq)
    elif row.digest != audit_chain.digest(row.salt, row.details):
        walk.blame(row.seq, "its details were altered")
    if row.action == Action.PERSON_ERASED and row.details is not None:
        walk.permitted.update(row.details["audit"])
    walk.previous = row.hash
    walk.verdict = replace(walk.verdict, rows=row.seq, head=Head(seq=row.seq, hash=row.hash))


def _compare(walk: _Walk, row: Row, connection: Connection) -> None:
    """Hold the journal to what was sealed, as long as it has it: its weeks are dropped as a whole."""
    sealed: list[list[Any]] = row.details["operations"]
    known = {UUID(line[0]): line for line in sealed}
    there = {UUID(line[0]): line for line in sealing.lines(connection, list(known))}
    for operation_id, line in known.items():
        if operation_id not in there:
            if partitions.is_there(connection, "operation", ids.moment(operation_id)):
                walk.blame(row.seq, f"operation {operation_id}, which it sealed, is missing in the journal")
        elif there[operation_id] != line:
            walk.blame(row.seq, f"operation {operation_id} was altered in the journal after it was sealed")
