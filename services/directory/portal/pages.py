"""The registry of the portal's pages: which modules there are, and what the navigation shows. Others add a row."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from services.directory.permissions import Permission
from services.directory.portal import (
    account,
    answers,
    connections,
    deciding,
    employees,
    exporting,
    health,
    operations,
    progress,
    region_editing,
    regions,
    rhythms,
    roles,
    sign_in,
    workload,
)
from services.directory.portal.desk import Desk
from services.directory.portal.routes import Route
from services.directory.portal_sessions import Visitor

MODULES: tuple[Callable[[Desk], Iterable[Route]], ...] = (
    health.routes,
    sign_in.routes,
    account.routes,
    employees.routes,
    exporting.routes,
    operations.routes,
    connections.routes,
    progress.routes,
    answers.routes,
    rhythms.routes,
    workload.routes,
    deciding.routes,
    roles.routes,
    regions.routes,
    region_editing.routes,
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A page in the navigation, for those who may see it; `under` is the section, and what its addresses begin with."""

    section: str
    title: str
    endpoint: str
    icon: str
    needs: Permission
    begins: str


NAVIGATION = (
    Entry(
        section="People",
        title="Employees",
        endpoint="employees",
        icon="people",
        needs=Permission.VIEW,
        begins="/employees",
    ),
    Entry(
        section="Provisioning",
        title="Connections",
        endpoint="connections",
        icon="plug",
        needs=Permission.PROVISIONING,
        begins="/provisioning/connections",
    ),
    Entry(
        section="Provisioning",
        title="Why?",
        endpoint="why",
        icon="patch-question",
        needs=Permission.PROVISIONING,
        begins="/provisioning/why",
    ),
    Entry(
        section="Provisioning",
        title="Cycles",
        endpoint="cycles",
        icon="clock-history",
        needs=Permission.PROVISIONING,
        begins="/provisioning/cycles",
    ),
    Entry(
        section="Provisioning",
        title="Operations",
        endpoint="workload",
        icon="speedometer2",
        needs=Permission.PROVISIONING,
        begins="/provisioning/operations",
    ),
    Entry(
        section="Settings",
        title="Roles & Security",
        endpoint="roles",
        icon="shield-lock",
        needs=Permission.VIEW,
        begins="/settings/general/roles",
    ),
    Entry(
        section="Settings",
        title="Regions",
        endpoint="regions",
        icon="geo-alt",
        needs=Permission.VIEW,
        begins="/settings/general/regions",
    ),
)


def visible(visitor: Visitor) -> dict[str, list[Entry]]:
    """Return the navigation of a visitor, by sections."""
    sections: dict[str, list[Entry]] = {}
    for entry in NAVIGATION:
        if visitor.may(entry.needs):
            sections.setdefault(entry.section, []).append(entry)
    return sections
