"""One run, whichever identity provider is played: connect, provision the company cycle by cycle, then check."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from services.simulator import checking, evolution, people, session
from services.simulator.client import Answer, Encode, Target
from services.simulator.mapping import Profile
from services.simulator.people import Company
from services.simulator.progress import Display, Silent
from services.simulator.report import Recorder, Report
from services.simulator.session import Session

MEMBERSHIPS_EACH = 5

# Brings the directory up to date with the company; the flag tells whether this is the initial cycle.
Cycle = Callable[[Company, bool], None]


class TargetError(Exception):
    """The target cannot be provisioned at all; the text says what to do."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How large the company is and how long it is provisioned; the same plan makes the same changes."""

    users: int = 200
    groups: int = 20
    memberships: int | None = None
    cycles: int = 2
    concurrency: int = 5
    seed: int = 1

    def company(self) -> Company:
        """Return the company as it is before the first cycle."""
        wanted = self.users * MEMBERSHIPS_EACH if self.memberships is None else self.memberships
        most = self.users * self.groups
        return people.found(self.seed, people=self.users, groups=self.groups, memberships=min(wanted, most))


@dataclass(frozen=True, kw_only=True)
class Player:
    """An identity provider: what it sends of a person, how it connects, and how it provisions.

    `connect` returns the session with what it found out. `seen` is the company as this provider has it.
    """

    profile: Profile
    headers: Mapping[str, str]
    encode: Encode
    connect: Callable[[Session, Company], Session]
    cycle: Callable[[Session], Cycle]
    seen: Callable[[Company], Company]


def provision(target: Target, plan: Plan, player: Player, display: Display | None = None) -> Report:
    """Run all cycles against the target, and the check.

    Raises TargetError if the target does not pass the test of the connection; failures later are in the report.
    """
    recorder, company = Recorder(), plan.company()
    with session.opened(
        target,
        display or Silent(),
        recorder,
        profile=player.profile,
        headers=player.headers,
        encode=player.encode,
        concurrency=plan.concurrency,
    ) as opened:
        known = player.connect(opened, player.seen(company))
        recorder.start()
        company = player.seen(_run_cycles(player.cycle(known), plan, player, company))
        recorder.stop()
        differences = checking.compare(known, company)
    return recorder.report(differences, checking.counts(company))


def require_service(target: Target, answer: Answer) -> None:
    """Raise TargetError unless the answer is what the test of the connection should bring: a list."""
    if refusal := _refusal(target, answer):
        raise TargetError(refusal)


def as_it_is(company: Company) -> Company:
    """Return the company itself, for a provider that leaves nothing out."""
    return company


def _run_cycles(run: Cycle, plan: Plan, player: Player, company: Company) -> Company:
    for cycle in range(1, plan.cycles + 1):
        if cycle > 1:
            company = evolution.evolve(company, cycle)
        run(player.seen(company), cycle == 1)
    return company


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
