"""Hold a recorded run against the promises: a pure function of what clients saw and what was there at the end.

The journal says in which order operations took effect; replaying what each of them was to do, in that order, says what
every resource must be and which version every answer must have had. Each rule is one function of the table CHECKS.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

from tests.faults import knowing, model, reads
from tests.faults.knowing import Known
from tests.faults.model import Model
from tests.faults.records import Attempt, Do, Journaled, Resource, Run, Usage, Verdict, Violation

OURS = frozenset({"gateway", "worker", "beat"})
SLACK_FILES = 40
"""What pools may grow to and keep for good. Of a gateway these are 16 connections to Redis, and ten of Celery's.

Each renewed process of the worker's pool keeps what it shares with its parent. What leaks grows with each fault.
"""
SLACK_CONNECTIONS = 20
SLACK_MEGABYTES = 60.0
GROWTH = 1.5


Check = Callable[[Known], Iterable[Violation]]


def check(run: Run) -> list[Violation]:
    """Return every broken promise of a run, in the order of time."""
    known = knowing.arrange(run)
    return sorted((found for rule in CHECKS for found in rule(known)), key=lambda violation: violation.at)


def p99(attempts: Iterable[Attempt]) -> float:
    """Return the seconds within which 99 of 100 attempts were answered."""
    seconds = sorted(attempt.seconds for attempt in attempts)
    return seconds[min(len(seconds) - 1, int(len(seconds) * 0.99))] if seconds else 0.0


def _acknowledged_is_settled(known: Known) -> Iterator[Violation]:
    """I1, first half: a 2xx has an operation that is settled with that status, its own or an earlier attempt's."""
    for attempt in known.writes:
        if attempt.verdict is Verdict.OK and not any(
            operation.status == attempt.status for operation in knowing.settled_of(known, attempt)
        ):
            yield knowing.broken("I1", attempt, f"{attempt.status} without a settled operation")


def _refusals_are_earned(known: Known) -> Iterator[Violation]:
    """I1, too: nothing is refused but the repetition of what had been applied, for what is asked is always sound."""
    for attempt in known.run.attempts:
        if attempt.verdict is Verdict.ERROR and not _is_given_up(known, attempt):
            yield knowing.broken("I1", attempt, f"answered with {attempt.status}: {attempt.error}")
        if attempt.verdict is Verdict.REFUSED and not _is_repetition(known, attempt):
            yield knowing.broken("I1", attempt, f"refused with {attempt.status}: {attempt.error}")


def _is_given_up(known: Known, attempt: Attempt) -> bool:
    """Whether a 500 says that an operation is dead, while there is a reason for it."""
    is_dead = any(operation.state == "dead" for operation in known.operations.get(attempt.request_id, ()))
    return is_dead and any(Verdict.ERROR in window.allows for window in knowing.around(known, attempt))


def _is_repetition(known: Known, attempt: Attempt) -> bool:
    expected = {Do.CREATE: 409, Do.DELETE: 404}.get(attempt.do)
    earlier = [operation for operation in knowing.settled_of(known, attempt) if (operation.status or 500) < 300]
    return attempt.attempt > 1 and attempt.status == expected and bool(earlier)


def _visible(known: Known) -> Iterator[Violation]:
    """I1, second half, and I3: each resource is what its lane's operations make of it, as its version says."""
    for lane, operations in known.lanes.items():
        applied = knowing.applied(known, operations)
        if not applied:
            continue
        last = model.replay(applied, known.ids[applied[0].tenant])[-1]
        found = known.run.resources.get(lane)
        if last.is_there != (found is not None):
            yield knowing.broken("I1", applied[-1], "deleted, but there" if found else "not there, though it must be")
        elif found is not None:
            yield from _differences(found, last, applied[-1])


def _differences(found: Resource, wanted: Model, attempt: Attempt) -> Iterator[Violation]:
    if found.version != wanted.version:
        yield knowing.broken("I3", attempt, f"version {found.version} after {wanted.version} applied operations")
    if found.title != wanted.title:
        yield knowing.broken("I1", attempt, f"title {found.title}, not {wanted.title}")
    if found.members != wanted.members:
        lost, foreign = len(wanted.members - found.members), len(found.members - wanted.members)
        yield knowing.broken("group", attempt, f"{lost} members are missing, {foreign} should not be there")


def _nobody_made_it(known: Known) -> Iterator[Violation]:
    """I3, too: whatever is there was created by an operation that took effect."""
    for resource_id in known.run.resources.keys() - known.lanes.keys():
        yield Violation(invariant="I3", text=f"{resource_id} is there, and no operation created it")


def _effects_are_real(known: Known) -> Iterator[Violation]:
    """I3, too: exactly what changed something is in the history, and nothing that was not applied."""
    for operation in known.run.journal:
        is_applied = operation.state == "settled" and (operation.status or 500) < 300
        if operation.effect is not None and not is_applied:
            yield Violation(invariant="I3", text=f"{operation.id} is {operation.state}, and took effect")
    for operations in known.lanes.values():
        version = 0
        for operation, attempt, state in knowing.replayed(known, operations):
            if (operation.effect is not None) != (state.version > version):
                yield knowing.broken("I3", attempt, "what it changed is not what the history says")
            version = state.version


def _versions_in_order(known: Known) -> Iterator[Violation]:
    """I3 and I4: every answer has the version that the order of its lane gives it."""
    for operations in known.lanes.values():
        for operation, attempt, state in knowing.replayed(known, operations):
            told = {operation.version, attempt.version if attempt.verdict is Verdict.OK else None} - {None}
            if not told <= {state.version}:
                yield knowing.broken(
                    "I4", attempt, f"answered with version {told}, which the lane's order makes {state.version}"
                )


def _unavailable_is_never_applied(known: Known) -> Iterator[Violation]:
    """I2: what was answered with 503 or 429 is cancelled, or was never accepted; and it says when to come again."""
    for attempt in known.run.attempts:
        if attempt.verdict not in {Verdict.UNAVAILABLE, Verdict.BUSY, Verdict.UNREACHABLE}:
            continue
        if any(operation.state != "cancelled" for operation in known.operations.get(attempt.request_id, ())):
            yield knowing.broken("I2", attempt, f"{attempt.status}, but applied or still to be")
        if attempt.verdict is not Verdict.UNREACHABLE and not (attempt.retry_after or "").isdigit():
            yield knowing.broken("I2", attempt, f"{attempt.status} without a whole Retry-After")


def _applied_once(known: Known) -> Iterator[Violation]:
    """I3: an operation leaves one entry with each resource, and every operation was somebody's request."""
    for operation_id in known.run.twice:
        yield Violation(invariant="I3", text=f"operation {operation_id} took effect more than once")
    for operation in known.run.journal:
        if operation.request_id not in known.by_request:
            yield Violation(invariant="I3", text=f"operation {operation.id} was never asked for")


def _lanes_in_order(known: Known) -> Iterator[Violation]:
    """I4: operations take effect in the order of their lane, which is the order in which clients were answered."""
    for operations in known.lanes.values():
        for before, after in pairwise(operation for operation in operations if operation.effect is not None):
            assert before.effect is not None
            assert after.effect is not None
            if before.effect > after.effect or before.position > after.position:
                yield Violation(invariant="I4", text=f"{after.id} took effect before {before.id}, earlier in its lane")
        applied = [(operation, attempt) for operation in operations for attempt in knowing.attempt_of(known, operation)]
        yield from _answered_before(applied)


def _answered_before(applied: Sequence[tuple[Journaled, Attempt]]) -> Iterator[Violation]:
    """What was acknowledged before another was sent has the lower place in the lane."""
    latest_start = 0.0
    for _, attempt in applied:
        if attempt.verdict is Verdict.OK and attempt.end < latest_start:
            yield knowing.broken("I4", attempt, "a request that was sent after this answer came has an earlier place")
        latest_start = max(latest_start, attempt.start)


def _nothing_waits(known: Known) -> Iterator[Violation]:
    """I5: once all is well, nothing is pending for longer than the sweeper's period and two seconds."""
    for overdue in known.run.overdue:
        text = f"operation {overdue.operation_id} was pending for {overdue.seconds:.1f} s though all was well"
        yield Violation(invariant="I5", text=text, at=overdue.at)
    for operation in known.run.journal:
        if operation.state == "pending":
            yield Violation(invariant="I5", text=f"operation {operation.id} is pending at the end")


def _answered_in_time(known: Known) -> Iterator[Violation]:
    """I6: every request is answered by the deadline and a second."""
    limit = known.run.limits.deadline_seconds + 1
    for attempt in known.run.attempts:
        if attempt.seconds > limit:
            yield knowing.broken("I6", attempt, f"answered after {attempt.seconds:.1f} s")


def _nothing_is_kept(known: Known) -> Iterator[Violation]:
    """I7: memory, files and connections of each role return to what they were."""
    before = {usage.role: usage for usage in known.run.before}
    for usage in known.run.after:
        if usage.role in before:
            yield from _growth(before[usage.role], usage)


def _growth(before: Usage, after: Usage) -> Iterator[Violation]:
    for name, was, now, limit in (
        ("files", before.files, after.files, before.files + SLACK_FILES),
        ("connections", before.connections, after.connections, before.connections + SLACK_CONNECTIONS),
        ("MB", before.megabytes, after.megabytes, before.megabytes * GROWTH + SLACK_MEGABYTES),
    ):
        if now > limit:
            yield Violation(invariant="I7", text=f"{after.role} held {was:.0f} {name}, and holds {now:.0f}")


def _nobody_dies(known: Known) -> Iterator[Violation]:
    """A process of ours ends only when it is told to, whatever is sent to it."""
    for death in known.run.deaths:
        if death.role in OURS:
            yield Violation(invariant="crash", text=death.ending, at=death.at)


def _all_gets_well(known: Known) -> Iterator[Violation]:
    """After a fault was healed everything works again, by itself."""
    for sentence in known.run.unwell:
        yield Violation(invariant="well", text=sentence)


def _promised_answers(known: Known) -> Iterator[Violation]:
    """While a fault lasts a client sees nothing but what the fault's record allows, and 2xx at all other times."""
    for attempt in known.run.attempts:
        if attempt.verdict in {Verdict.OK, Verdict.REFUSED, Verdict.ERROR}:
            continue
        around = knowing.around(known, attempt)
        if not any(attempt.verdict in window.allows for window in around):
            names = ", ".join(sorted({window.fault for window in around})) or "no fault at all"
            reason = attempt.status or attempt.error
            yield knowing.broken("reach", attempt, f"{attempt.verdict} ({reason}) during {names}")


CHECKS: tuple[Check, ...] = (
    _acknowledged_is_settled,
    _refusals_are_earned,
    _visible,
    _versions_in_order,
    _unavailable_is_never_applied,
    _applied_once,
    _lanes_in_order,
    _effects_are_real,
    reads.nothing_old,
    reads.nothing_foreign,
    _nobody_made_it,
    _nothing_waits,
    _answered_in_time,
    _nothing_is_kept,
    _nobody_dies,
    _all_gets_well,
    _promised_answers,
)
