"""Keep the rules of regions as they were saved, each time a row; the newest are in force, and move people (`moves`).

Whoever saves tells which rules were seen: those of somebody else who was faster are not overwritten unseen.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, func, insert, select, update

from services.directory import ids as identifiers
from services.directory import portal_tables, region_rules, tenants
from services.directory.region_rules import Rule
from services.directory.region_tables import region_rules as table

BY_ADMIN = "admin "
"""How the name begins of an admin who saved them: an id follows, for these rows are kept."""


class StaleRulesError(ValueError):
    """Somebody else saved rules since these were looked at; the text says so."""


@dataclass(frozen=True, kw_only=True)
class Saved:
    """Rules as somebody saved them, and how far they moved people."""

    id: UUID
    number: int
    rules: Sequence[Rule]
    saved_by: str
    saved_at: datetime
    known_at: datetime | None
    """Since when no drain goes by older ones."""
    done_up_to: UUID | None
    """Up to which employee it was looked who is to move."""
    moves: int
    ended_at: datetime | None
    """When everybody had been looked at, or others were saved."""


def newest(connection: Connection, tenant_id: UUID) -> Saved | None:
    """Return the rules in force, or None when nobody ever saved any."""
    row = connection.execute(_select(tenant_id).order_by(table.c.number.desc()).limit(1)).mappings().one_or_none()
    return None if row is None else _saved(row)


def of_ids(connection: Connection, tenant_id: UUID, rules_ids: Collection[UUID]) -> dict[UUID, Saved]:
    """Return rules by their ids: those by which somebody was moved."""
    if not rules_ids:
        return {}
    rows = connection.execute(_select(tenant_id).where(table.c.id.in_(rules_ids))).mappings()
    return {row["id"]: _saved(row) for row in rows}


def ids(connection: Connection, tenant_id: UUID) -> Collection[UUID]:
    """Return the ids of all rules that a tenant ever had."""
    return connection.scalars(select(table.c.id).where(table.c.tenant_id == tenant_id)).all()


def save(connection: Connection, tenant_id: UUID, rules: Sequence[Rule], seen: int, by: str) -> Saved:
    """Put rules in force, in place of those with the number `seen` (0: of none).

    Raises StaleRulesError. The rules were checked before.
    """
    tenants.renew_catalogue(connection, tenant_id)
    before = newest(connection, tenant_id)
    number = before.number if before else 0
    if number != seen:
        raise StaleRulesError("Somebody else saved other rules in the meantime")
    superseded = update(table).where(table.c.tenant_id == tenant_id, table.c.ended_at.is_(None))
    connection.execute(superseded.values(ended_at=func.clock_timestamp()))
    made = {"id": identifiers.new(), "tenant_id": tenant_id, "number": number + 1, "saved_by": by}
    connection.execute(insert(table).values(**made, rules=region_rules.document(rules)))
    found = newest(connection, tenant_id)
    assert found is not None, "they have just been saved"
    return found


def begin_again(connection: Connection, tenant_id: UUID) -> Saved | None:
    """Let everybody be looked at once more by the rules in force; return them, or None when there are none."""
    tenants.renew_catalogue(connection, tenant_id)
    found = newest(connection, tenant_id)
    if found is not None:
        anew = update(table).where(table.c.id == found.id)
        connection.execute(anew.values(known_at=None, done_up_to=None, ended_at=None))
    return found


def savers(connection: Connection, tenant_id: UUID, saved_by: Collection[str]) -> dict[str, str]:
    """Return what those are called who saved rules."""
    admins = portal_tables.admin
    found = {name: identifiers.parse(name.removeprefix(BY_ADMIN)) for name in saved_by if name.startswith(BY_ADMIN)}
    wanted = [id_ for id_ in found.values() if id_ is not None]
    rows = connection.execute(
        select(admins.c.id, admins.c.email).where(admins.c.tenant_id == tenant_id, admins.c.id.in_(wanted))
    )
    emails = {row.id: row.email for row in rows}
    gone = "an admin who was removed"
    return {name: emails.get(found[name], gone) if name in found else f"{name} (operator)" for name in saved_by}


def forget(connection: Connection, tenant_id: UUID, names: Collection[str]) -> None:
    """Take the names of a person who is erased out of what rules compare with."""
    folded = {name.casefold() for name in names}
    for row in connection.execute(_select(tenant_id)).mappings():
        rules = [
            {**rule, "value": "erased" if rule["value"].casefold() in folded else rule["value"]}
            for rule in row["rules"]
        ]
        if rules != row["rules"]:
            tenants.renew_catalogue(connection, tenant_id)
            connection.execute(update(table).where(table.c.id == row["id"]).values(rules=rules))


def _select(tenant_id: UUID) -> Select[Any]:
    names = ("id", "number", "rules", "saved_by", "saved_at", "known_at", "done_up_to", "moves", "ended_at")
    return select(*(table.c[name] for name in names)).where(table.c.tenant_id == tenant_id)


def _saved(row: Any) -> Saved:
    return Saved(**{**row, "rules": region_rules.read(row["rules"])})
