"""What a client may read: nothing older than what anybody was shown before, and nothing that nobody had asked for."""

from collections import defaultdict
from collections.abc import Iterator

from tests.faults import knowing
from tests.faults.knowing import Known
from tests.faults.records import Attempt, Do, Verdict, Violation

Shown = tuple[float, int]
"""When somebody was shown a version, and which."""


def nothing_old(known: Known) -> Iterator[Violation]:
    """I1: a read that begins after an answer, to a write or to another read, shows at least that version."""
    answers: dict[str, list[Shown]] = defaultdict(list)
    for attempt in known.run.attempts:
        if attempt.resource_id is not None and attempt.version is not None and attempt.verdict is Verdict.OK:
            answers[attempt.resource_id].append((attempt.end, attempt.version))
    for read in _reads(known):
        least = max((version for end, version in answers[read.resource_id or ""] if end <= read.start), default=0)
        if read.version is not None and read.version < least:
            yield knowing.broken("I1", read, f"version {read.version} was read after {least} had been shown")


def nothing_foreign(known: Known) -> Iterator[Violation]:
    """I1: a read shows a version that a write made which had been sent by then, and nothing that is deleted."""
    sent, deleted = _sent(known), _deleted(known)
    for read in _reads(known):
        lane = read.resource_id or ""
        if read.version is not None and read.end < sent.get((lane, read.version), float("inf")):
            yield knowing.broken("I1", read, f"version {read.version} was read before anybody had asked for it")
        if deleted.get(lane, float("inf")) <= read.start:
            yield knowing.broken("I1", read, "was read after its deletion had been acknowledged")


def _reads(known: Known) -> Iterator[Attempt]:
    return (each for each in known.run.attempts if each.do is Do.READ and each.verdict is Verdict.OK)


def _sent(known: Known) -> dict[tuple[str, int], float]:
    """Return when the write was sent that made each version of each resource."""
    sent: dict[tuple[str, int], float] = {}
    for lane, operations in known.lanes.items():
        for _, attempt, state in knowing.replayed(known, operations):
            sent.setdefault((lane, state.version), attempt.start)
    return sent


def _deleted(known: Known) -> dict[str, float]:
    """Return when each deletion was acknowledged."""
    return {
        attempt.resource_id: attempt.end
        for attempt in known.writes
        if attempt.do is Do.DELETE and attempt.verdict is Verdict.OK and attempt.resource_id is not None
    }
