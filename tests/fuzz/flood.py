"""Send made-up requests to a stack over many connections, and keep what was wrong with the answers."""

import json
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from tests.fuzz import grammar, mutation, verdict
from tests.fuzz.grammar import Request
from tests.fuzz.material import Known
from tests.fuzz.verdict import LONGEST_SECONDS, Finding
from tests.fuzz.wire import Answer, NoAnswerError, Wire

CONNECTIONS = 6
PROGRESS_SECONDS = 30.0
BROKEN = 0.1
"""Which part of the requests is broken below HTTP; each takes a connection of its own."""

CROSSED, EARLIER = 0.15, 50
"""Which part of the requests is crossed with an earlier one, of how many."""

MOST_FINDINGS = 100
MOST_SUSPECTS = 500
TRIES = 5
LEAST, MOST_TIMES = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 60


@dataclass
class Outcome:
    """What came of a flood."""

    statuses: Counter[int] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    suspects: list[bytes] = field(default_factory=list)
    """What took too long once, beside all the others; whether it hangs is seen when it is sent alone."""
    sent: int = 0
    broken: int = 0

    def note(self, finding: Finding | None) -> None:
        """Keep a finding, unless there are so many already that nobody would read them."""
        if finding is not None and len(self.findings) < MOST_FINDINGS:
            self.findings.append(finding)


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is flooded: an address, secrets of which the first may do everything, and what is right there."""

    address: str
    secrets: tuple[str, ...]
    make: Callable[[Random, Known, tuple[str, ...]], Request] = grammar.request
    judge: Callable[[Answer, bytes], Finding | None] = verdict.of_answer


def run(
    target: Target,
    count: int,
    seed: int,
    is_over: Callable[[], bool] = lambda: False,
    tell: Callable[[int], object] = lambda _: None,
) -> Outcome:
    """Send so many requests, or fewer when it is over before; the same seed makes up the same ones."""
    parts, share = [Outcome() for _ in range(CONNECTIONS)], -(-count // CONNECTIONS)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        work = [
            pool.submit(_play, target, part, share, Random(f"{seed}/{number}"), is_over)
            for number, part in enumerate(parts)
        ]
        while wait(work, PROGRESS_SECONDS).not_done:
            tell(sum(part.sent for part in parts))
        for each in work:
            each.result()
    outcome = _sum(parts)
    outcome.findings += hanging(target, outcome.suspects)
    return outcome


def hanging(target: Target, suspects: list[bytes]) -> list[Finding]:
    """Return what takes too long each time that it is sent, with nothing else of ours under way.

    A machine that others keep busy makes everything slow, the least request too, which tells by how much.
    """
    return [
        Finding(what=f"takes more than {LONGEST_SECONDS:g} s each time", sent=each)
        for each in suspects
        if all(_alone(target, each) > max(LONGEST_SECONDS, MOST_TIMES * _alone(target, LEAST)) for _ in range(TRIES))
    ]


def _play(target: Target, outcome: Outcome, count: int, draw: Random, is_over: Callable[[], bool]) -> None:
    known, earlier = Known(), deque[Request](maxlen=EARLIER)
    with Wire(target.address) as wire:
        while outcome.sent < count and not is_over():
            request = target.make(draw, known, target.secrets)
            earlier.append(request)
            if draw.random() < CROSSED:
                request = mutation.mated(draw, request, draw.choice(earlier))
            if draw.random() < BROKEN:
                _shout(wire, mutation.broken(draw, request), outcome)
            else:
                _ask(wire, mutation.encoded(mutation.damaged(draw, request)), outcome, known, target)
            outcome.sent += 1


def _ask(wire: Wire, sent: bytes, outcome: Outcome, known: Known, target: Target) -> None:
    try:
        answer = wire.ask(sent)
    except NoAnswerError as error:
        outcome.note(Finding(what=f"no answer: {error}", sent=sent))
        return
    outcome.statuses[answer.status] += 1
    outcome.note(target.judge(answer, sent))
    _suspect(outcome, answer.seconds, sent)
    _learn(answer, known)


def _shout(wire: Wire, sent: bytes, outcome: Outcome) -> None:
    outcome.broken += 1
    try:
        statuses, seconds = wire.shout(sent)
    except (NoAnswerError, OSError) as error:
        outcome.note(Finding(what=f"no answer: {error}", sent=sent))
        return
    outcome.statuses.update(statuses)
    for status in statuses:
        complaint = verdict.of_status(status)
        outcome.note(Finding(what=f"{status}: {complaint}", sent=sent) if complaint else None)
    _suspect(outcome, seconds, sent)


def _suspect(outcome: Outcome, seconds: float, sent: bytes) -> None:
    if seconds > LONGEST_SECONDS and len(outcome.suspects) < MOST_SUSPECTS:
        outcome.suspects.append(sent)


def _learn(answer: Answer, known: Known) -> None:
    """Remember ids, cursors and places of results, so that later requests are about what there is."""
    location = answer.headers.get("location", "")
    if answer.status in {201, 202} and location:
        made = known.tokens if "/tokens/" in location else known.ids
        known.note(made if answer.status == 201 else known.results, location.rpartition("/")[2])
    if b'"nextCursor"' in answer.body:
        with suppress(ValueError, KeyError):
            known.note(known.cursors, json.loads(answer.body)["nextCursor"])


def _alone(target: Target, sent: bytes) -> float:
    """Return how long it takes when it is sent over a connection of its own, with nothing after it."""
    with Wire(target.address) as wire:
        try:
            return wire.shout(sent)[1]
        except (NoAnswerError, OSError):
            return 0.0


def _sum(parts: Sequence[Outcome]) -> Outcome:
    outcome = Outcome(sent=sum(part.sent for part in parts), broken=sum(part.broken for part in parts))
    for part in parts:
        outcome.statuses.update(part.statuses)
        outcome.suspects += part.suspects
        outcome.findings += part.findings
    return outcome
