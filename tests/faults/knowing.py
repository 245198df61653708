"""What is known of a recorded run, arranged so that the rules of the checker can look it up."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.faults import model
from tests.faults.model import Model
from tests.faults.records import Attempt, Journaled, Run, Violation, Window


@dataclass(frozen=True)
class Known:
    """A run, with what is looked up again and again."""

    run: Run
    writes: Sequence[Attempt]
    by_request: Mapping[str, Attempt]
    operations: Mapping[str, Sequence[Journaled]]
    """By the request id that they came with."""
    lanes: Mapping[str, Sequence[Journaled]]
    """What was settled, by lane, in order."""
    ids: Mapping[str, dict[str, str]]
    """By tenant, the ids of the slots."""


def arrange(run: Run) -> Known:
    operations: dict[str, list[Journaled]] = defaultdict(list)
    lanes: dict[str, list[Journaled]] = defaultdict(list)
    for operation in sorted(run.journal, key=lambda one: (one.lane, one.seq)):
        operations[operation.request_id].append(operation)
        if operation.state == "settled":
            lanes[operation.lane].append(operation)
    ids: dict[str, dict[str, str]] = defaultdict(dict)
    for attempt in run.attempts:
        if attempt.resource_id is not None:
            ids[attempt.tenant][attempt.slot] = attempt.resource_id
    return Known(
        run=run,
        writes=[attempt for attempt in run.attempts if attempt.is_write],
        by_request={attempt.request_id: attempt for attempt in run.attempts},
        operations=operations,
        lanes=lanes,
        ids=ids,
    )


def around(known: Known, attempt: Attempt) -> list[Window]:
    """Return the faults that an attempt lived through."""
    return [window for window in known.run.windows if window.start <= attempt.end and attempt.start <= window.end]


def settled_of(known: Known, attempt: Attempt) -> list[Journaled]:
    """Return what became of an attempt and of the earlier ones at the same request."""
    stem = attempt.request_id.rpartition(".")[0]
    return [
        operation
        for number in range(1, attempt.attempt + 1)
        for operation in known.operations.get(f"{stem}.{number}", ())
        if operation.state == "settled"
    ]


def applied(known: Known, operations: Iterable[Journaled]) -> list[Attempt]:
    return [attempt for operation in operations for attempt in attempt_of(known, operation)]


def attempt_of(known: Known, operation: Journaled) -> list[Attempt]:
    """Return the attempt that an operation came from, if it took effect."""
    found = known.by_request.get(operation.request_id)
    return [found] if found is not None and (operation.status or 500) < 300 else []


def replayed(known: Known, operations: Sequence[Journaled]) -> list[tuple[Journaled, Attempt, Model]]:
    """Return what took effect in a lane: operation, attempt, and the resource after it."""
    pairs = [(operation, attempt) for operation in operations for attempt in attempt_of(known, operation)]
    if not pairs:
        return []
    states = model.replay([attempt for _, attempt in pairs], known.ids[pairs[0][1].tenant])
    return [(operation, attempt, state) for (operation, attempt), state in zip(pairs, states, strict=True)]


def broken(invariant: str, attempt: Attempt, text: str) -> Violation:
    where = f"{attempt.do} {attempt.slot} ({attempt.request_id})"
    return Violation(invariant=invariant, text=f"{where}: {text}", at=attempt.end)
