"""Plays Okta: how it connects, what it imports, and the order of what it sends in a cycle.

After developer.okta.com/docs/reference/scim/scim-20.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from services.simulator import client, evolution, play, profiles
from services.simulator.client import Target
from services.simulator.okta_bodies import Mode
from services.simulator.okta_groups import Groups
from services.simulator.okta_users import Users
from services.simulator.people import Company, Presence
from services.simulator.play import Cycle, Player
from services.simulator.progress import Display
from services.simulator.report import Report
from services.simulator.session import Session

HEADERS: Mapping[str, str] = {"User-Agent": "Okta SCIM Client 1.0.0", "Accept-Charset": "utf-8"}
PAGE = 100


@dataclass(frozen=True, kw_only=True)
class Plan(play.Plan):
    """What to provision, and by which kind of application."""

    mode: Mode = Mode.TEMPLATE


def provision(target: Target, plan: Plan, display: Display | None = None) -> Report:
    """Provision as Okta does. Raises TargetError if the target cannot be provisioned at all."""
    player = Player(
        profile=profiles.OKTA,
        headers=HEADERS,
        encode=client.with_percent,
        connect=_connect,
        cycle=lambda opened: _cycle(opened, plan.mode),
        seen=_without_deletion,
    )
    return play.provision(target, plan, player, display)


def _without_deletion(company: Company) -> Company:
    """Return the company as Okta has it: who is deleted there is disabled in the directory, and stays."""
    gone = [person for person in company.people.values() if person.is_deleted]
    return company.replace_people(replace(person, presence=Presence.DISABLED) for person in gone)


def _connect(opened: Session, company: Company) -> Session:
    """Do what Okta does when the admin tests the connector and imports: two users, the configuration, everything."""
    opened.display.phase("connect", 4)
    query = {"startIndex": "1", "count": "2"}
    answer = opened.client.once("test connection", "GET", opened.client.request_target("/Users", query))
    play.require_service(opened.target, answer)
    opened.display.step()
    opened.client.expect("read configuration", "GET", "/ServiceProviderConfig", subject="configuration")
    opened.display.step()
    _import_users(opened)
    opened.display.step()
    _link_groups(opened, company)
    opened.display.step()
    return opened


def _import_users(opened: Session) -> None:
    """Know those again whom an earlier run left, also those who are hired later; the others are matched one by one."""
    for user in opened.client.pages("import users", "/Users", {}, PAGE):
        if user.get("externalId"):
            opened.memory.user_ids[user["externalId"]] = str(user["id"])


def _link_groups(opened: Session, company: Company) -> None:
    """Link the groups of an earlier run by any of the names that they may have had."""
    names = {name: key for key, group in company.groups.items() for name in evolution.names_of(company, group)}
    for group in opened.client.pages("import groups", "/Groups", {}, PAGE):
        if key := names.get(str(group.get("displayName"))):
            opened.memory.group_ids[key] = str(group["id"])


def _cycle(opened: Session, mode: Mode) -> Cycle:
    users, groups = Users(session=opened, mode=mode), Groups(session=opened, mode=mode)

    def run(company: Company, _is_initial: bool) -> None:
        """People come before the groups that they are members of."""
        users.provision(company)
        groups.provision(company)

    return run
