"""Keep the regions of a tenant: a short list of names, of which HQ is always one.

An employee has a region's id, so that another name for it changes one row. HQ has none until somebody names it anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ARRAY, Connection, Text, bindparam, delete, select, text
from sqlalchemy.dialects.postgresql import insert

from services.directory import ids, region_saving, tenants
from services.directory.region_rules import HQ
from services.directory.region_tables import region

MOST_REGIONS = 100
LONGEST_NAME = 100
COUNTED = 10_000
"""More employees of one region than these are told as "more than"."""

_COUNT = text("""
SELECT wanted.id, (SELECT count(*) FROM (SELECT FROM employee e WHERE e.tenant_id = :tenant AND e.region = wanted.id
                                         AND e.deleted_at IS NULL LIMIT :most) AS counted) AS employees
FROM unnest(:ids) AS wanted(id)
""").bindparams(bindparam("ids", type_=ARRAY(Text)))


class RegionError(ValueError):
    """A region cannot be made, renamed or removed; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Region:
    """One region."""

    id: str
    name: str


def every(connection: Connection, tenant_id: UUID) -> Sequence[Region]:
    """Return the regions of a tenant: HQ, then the others by name."""
    rows = connection.execute(select(region.c.id, region.c.name).where(region.c.tenant_id == tenant_id))
    names = {HQ: HQ} | {row.id: row.name for row in rows}
    ordered = sorted(names.items(), key=lambda pair: (pair[0] != HQ, pair[1].casefold()))
    return [Region(id=id_, name=name) for id_, name in ordered]


def names(connection: Connection, tenant_id: UUID) -> dict[str, str]:
    """Return what regions are called, by their ids."""
    return {each.id: each.name for each in every(connection, tenant_id)}


def find(connection: Connection, tenant_id: UUID, region_id: str) -> Region | None:
    """Return one region, or None when the tenant has none with this id."""
    return next((each for each in every(connection, tenant_id) if each.id == region_id), None)


def find_named(connection: Connection, tenant_id: UUID, name: str) -> Region:
    """Return the region that is called so, whatever the case. Raises RegionError."""
    wanted = name.strip().casefold()
    found = next((each for each in every(connection, tenant_id) if each.name.casefold() == wanted), None)
    if found is None:
        raise RegionError(f"There is no region {_shown(name)}")
    return found


def create(connection: Connection, tenant_id: UUID, name: str) -> Region:
    """Make a region. Raises RegionError for a malformed or taken name, or when there are too many."""
    tenants.renew_catalogue(connection, tenant_id)
    there = every(connection, tenant_id)
    if len(there) >= MOST_REGIONS:
        raise RegionError(f"There are at most {MOST_REGIONS} regions")
    made = Region(id=str(ids.new()), name=_good_name(name, there))
    connection.execute(insert(region).values(tenant_id=tenant_id, id=made.id, name=made.name))
    return made


def rename(connection: Connection, tenant_id: UUID, region_id: str, name: str) -> Region:
    """Call a region otherwise, also HQ; who belongs to it stays. Raises RegionError."""
    tenants.renew_catalogue(connection, tenant_id)
    _find(connection, tenant_id, region_id)
    others = [each for each in every(connection, tenant_id) if each.id != region_id]
    renamed = Region(id=region_id, name=_good_name(name, others))
    named = insert(region).values(tenant_id=tenant_id, id=region_id, name=renamed.name)
    key = [region.c.tenant_id, region.c.id]
    connection.execute(named.on_conflict_do_update(index_elements=key, set_={"name": renamed.name}))
    return renamed


def remove(connection: Connection, tenant_id: UUID, region_id: str) -> Region:
    """Remove a region that nobody and no rule needs. Raises RegionError.

    While a drain may still go by older rules, it may put somebody there; then nothing is removed yet.
    """
    tenants.renew_catalogue(connection, tenant_id)
    found = _find(connection, tenant_id, region_id)
    if region_id == HQ:
        raise RegionError(f"{found.name} is the region of everybody whom no rule puts elsewhere, and stays")
    saved = region_saving.newest(connection, tenant_id)
    used = [number for number, rule in enumerate(saved.rules, start=1) if rule.region == region_id] if saved else []
    if used:
        raise RegionError(f"{found.name} is the region of rule {', '.join(map(str, used))}: change the rules first")
    if saved is not None and saved.known_at is None:
        raise RegionError("The rules were saved just now, and are not in force everywhere yet: try again in a moment")
    if counts(connection, tenant_id, [region_id])[region_id]:
        raise RegionError(f"There are employees in {found.name}: only an empty region can be removed")
    connection.execute(delete(region).where(region.c.tenant_id == tenant_id, region.c.id == region_id))
    return found


def counts(connection: Connection, tenant_id: UUID, region_ids: Sequence[str]) -> dict[str, int]:
    """Return how many employees are in regions, or one more than COUNTED."""
    rows = connection.execute(_COUNT, {"ids": list(region_ids), "tenant": tenant_id, "most": COUNTED + 1})
    return {row.id: row.employees for row in rows}


def _find(connection: Connection, tenant_id: UUID, region_id: str) -> Region:
    found = find(connection, tenant_id, region_id)
    if found is None:
        raise RegionError("There is no such region any more")
    return found


def _good_name(name: str, others: Sequence[Region]) -> str:
    made = " ".join(name.split())
    if not made.isprintable() or not 0 < len(made) <= LONGEST_NAME:
        raise RegionError(f"A region's name has 1 to {LONGEST_NAME} characters that can be printed")
    if made.casefold() in {each.name.casefold() for each in others} or made.lower() in {o.name.lower() for o in others}:
        raise RegionError(f"There is a region {_shown(made)} already")
    return made


def _shown(name: str) -> str:
    return repr(name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}...")
