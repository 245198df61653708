"""Plays Entra ID: how it connects, which objects it knows again, and the order of what it sends in a cycle."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace

from services.simulator import client, matching, play, profiles
from services.simulator.client import Target
from services.simulator.entra_bodies import Dialect
from services.simulator.entra_groups import Groups
from services.simulator.entra_users import Users
from services.simulator.matching import MatchError
from services.simulator.people import Company
from services.simulator.play import Cycle, Player, TargetError
from services.simulator.progress import Display
from services.simulator.report import Report
from services.simulator.session import Session

# Microsoft documents no User-Agent of its provisioning service; this one can be told from the real one in a log.
HEADERS: Mapping[str, str] = {"User-Agent": "Microsoft-Entra-Provisioning (simulated)"}


@dataclass(frozen=True, kw_only=True)
class Plan(play.Plan):
    """What to provision, and in which dialect."""

    dialect: Dialect = Dialect.DEFAULT


def provision(target: Target, plan: Plan, display: Display | None = None) -> Report:
    """Provision as Entra ID does. Raises TargetError if the target cannot be provisioned at all."""
    player = Player(
        profile=profiles.ENTRA,
        headers=HEADERS,
        encode=client.with_plus,
        connect=_connect,
        cycle=lambda opened: _cycle(opened, plan.dialect),
        seen=play.as_it_is,
    )
    return play.provision(target, plan, player, display)


def _connect(opened: Session, company: Company) -> Session:
    """Do what Entra does when the admin presses Test connection and saves: ask for nobody, then for the schemas."""
    opened.display.phase("connect", 2)
    nobody = {"filter": f'userName eq "{uuid.uuid4()}"'}
    answer = opened.client.once("test connection", "GET", opened.client.request_target("/Users", nobody))
    play.require_service(opened.target, answer)
    opened.display.step()
    opened.client.expect("read schemas", "GET", "/Schemas", subject="schemas")
    opened.display.step()
    return replace(opened, is_known=_is_known(opened, company))


def _is_known(opened: Session, company: Company) -> bool:
    """Tell whether an earlier run left its first person, who never leaves."""
    first = next(iter(company.people.values()), None)
    if first is None:
        return False
    condition = matching.external_id_condition(first.external_id)
    try:
        return matching.find(opened, "user", "/Users", condition) is not None
    except MatchError as error:
        raise TargetError(f"{opened.target.base} cannot filter by externalId: {condition}") from error


def _cycle(opened: Session, dialect: Dialect) -> Cycle:
    users, groups = Users(session=opened, dialect=dialect), Groups(session=opened, dialect=dialect)

    def run(company: Company, is_initial: bool) -> None:
        """References come after all that they refer to has an id."""
        users.provision(company)
        groups.provision(company)
        groups.move_members(company, is_initial=is_initial)
        users.reference_managers(company, is_initial=is_initial)

    return run
