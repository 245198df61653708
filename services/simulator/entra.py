"""Plays Entra ID: connects, provisions the company cycle by cycle, and checks what the directory then holds."""

import uuid
from dataclasses import dataclass, replace

from services.simulator import checking, entra_matching, evolution, people, session
from services.simulator.client import Answer, Target
from services.simulator.entra_bodies import Dialect
from services.simulator.entra_groups import Groups
from services.simulator.entra_matching import MatchError
from services.simulator.entra_users import Users
from services.simulator.people import Company
from services.simulator.progress import Display, Silent
from services.simulator.report import Recorder, Report
from services.simulator.session import Session

# Microsoft documents no User-Agent of its provisioning service; this one can be told from the real one in a log.
HEADERS = {"User-Agent": "Microsoft-Entra-Provisioning (simulated)"}
MEMBERSHIPS_EACH = 5


class TargetError(Exception):
    """The target cannot be provisioned at all; the text says what to do."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to provision and how; the same plan makes the same company and the same changes."""

    users: int = 200
    groups: int = 20
    memberships: int | None = None
    cycles: int = 2
    concurrency: int = 5
    seed: int = 1
    dialect: Dialect = Dialect.DEFAULT

    def company(self) -> Company:
        """Return the company as it is before the first cycle."""
        wanted = self.users * MEMBERSHIPS_EACH if self.memberships is None else self.memberships
        most = self.users * self.groups
        return people.found(self.seed, people=self.users, groups=self.groups, memberships=min(wanted, most))


def provision(target: Target, plan: Plan, display: Display | None = None) -> Report:
    """Run all cycles against the target, and the check.

    Raises TargetError if the target does not pass the test of the connection; failures later are in the report.
    """
    recorder = Recorder()
    shown = display or Silent()
    with session.opened(target, shown, recorder, headers=HEADERS, concurrency=plan.concurrency) as opened:
        _connect(opened)
        known = replace(opened, is_known=_is_known(opened, plan.company()))
        recorder.start()
        company = _run_cycles(known, plan)
        recorder.stop()
        differences = checking.compare(known, company)
    return recorder.report(differences, checking.counts(company))


def _run_cycles(opened: Session, plan: Plan) -> Company:
    company = plan.company()
    users = Users(session=opened, dialect=plan.dialect)
    groups = Groups(session=opened, dialect=plan.dialect)
    for cycle in range(1, plan.cycles + 1):
        if cycle > 1:
            company = evolution.evolve(company, cycle)
        _cycle(users, groups, company, is_initial=cycle == 1)
    return company


def _is_known(opened: Session, company: Company) -> bool:
    """Tell whether an earlier run left its first person, who never leaves."""
    first = next(iter(company.people.values()), None)
    if first is None:
        return False
    condition = entra_matching.external_id_condition(first.external_id)
    try:
        return entra_matching.find(opened, "user", "/Users", condition) is not None
    except MatchError as error:
        raise TargetError(f"{opened.target.base} cannot filter by externalId: {condition}") from error


def _cycle(users: Users, groups: Groups, company: Company, *, is_initial: bool) -> None:
    """References come after all that they refer to has an id."""
    users.provision(company)
    groups.provision(company)
    groups.move_members(company, is_initial=is_initial)
    users.reference_managers(company, is_initial=is_initial)


def _connect(opened: Session) -> None:
    """Do what Entra does when the admin presses Test connection and saves: ask for nobody, then for the schemas."""
    opened.display.phase("connect", 2)
    nobody = {"filter": f'userName eq "{uuid.uuid4()}"'}
    answer = opened.client.once("test connection", "GET", opened.client.request_target("/Users", nobody))
    if refusal := _refusal(opened.target, answer):
        raise TargetError(refusal)
    opened.display.step()
    opened.client.expect("read schemas", "GET", "/Schemas", subject="schemas")
    opened.display.step()


def _refusal(target: Target, answer: Answer) -> str | None:
    if answer.is_lost:
        return f"Nobody listens at {target.base} ({answer.reason}): start the service, or name another --url."
    if answer.status in (401, 403):
        return f"{target.base} refused the token ({answer.status}): pass a provisioning token that it knows, --token."
    if answer.status == 404:
        return f"There is no SCIM service at {target.base} (404): --url must end where /Users begins."
    if not answer.is_success or "totalResults" not in answer.resource():
        return f"{target.base} failed the test of the connection ({answer.status}): {answer.text()[:300]}"
    return None
