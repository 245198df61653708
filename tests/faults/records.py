"""What a run writes down: every attempt at a request, every fault, and what was there at the end; as JSON lines."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any


class Do(StrEnum):
    """What a request is to do."""

    CREATE = "create"
    SET = "set"
    ADD = "add"
    REMOVE = "remove"
    DELETE = "delete"
    READ = "read"


class Verdict(StrEnum):
    """What the client knows after an attempt."""

    OK = "ok"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    BUSY = "busy"
    UNREACHABLE = "unreachable"
    """Nobody listened, so nothing was sent."""
    UNKNOWN = "unknown"
    ERROR = "error"


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request of a client's sequence; `slot` names its resource, before and after that has an id."""

    number: int
    do: Do
    resource_type: str
    slot: str
    values: tuple[str, ...] = ()
    """The title of SET, or the slots of the members of ADD and REMOVE."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One time that a request was sent; an unknown outcome is followed by another attempt at the same request."""

    request_id: str
    client: int
    tenant: str
    number: int
    attempt: int
    do: Do
    resource_type: str
    slot: str
    values: tuple[str, ...]
    resource_id: str | None
    start: float
    end: float
    status: int | None
    verdict: Verdict
    version: int | None = None
    retry_after: str | None = None
    error: str | None = None

    @property
    def is_write(self) -> bool:
        """Whether it was to change something."""
        return self.do is not Do.READ

    @property
    def seconds(self) -> float:
        """How long its client waited."""
        return self.end - self.start


@dataclass(frozen=True, kw_only=True)
class Window:
    """One time that a fault was injected: from its beginning until all was well again."""

    fault: str
    start: float
    healed: float
    end: float
    allows: tuple[Verdict, ...]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Journaled:
    """An operation as the journal has it at the end."""

    id: str
    request_id: str
    tenant: str
    lane: str
    seq: int
    position: int
    method: str
    state: str
    status: int | None
    starts: int
    version: int | None
    effect: int | None = None
    """The number of what it left in its resource's history, if it changed anything: these rise as effects happen."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource as a GET shows it at the end."""

    id: str
    resource_type: str
    version: int
    title: str | None
    members: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Overdue:
    """An operation that was pending for too long although all was well."""

    operation_id: str
    at: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What the processes of one role hold, all together."""

    role: str
    megabytes: float
    files: int
    connections: int


@dataclass(frozen=True, kw_only=True)
class Death:
    """A process of ours that ended though nobody had told it to."""

    role: str
    at: float
    ending: str


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the checker measures a run by."""

    deadline_seconds: float
    sweep_seconds: float


@dataclass(frozen=True, kw_only=True)
class Run:
    """All that is known of a run."""

    limits: Limits
    attempts: tuple[Attempt, ...] = ()
    windows: tuple[Window, ...] = ()
    journal: tuple[Journaled, ...] = ()
    resources: Mapping[str, Resource] = field(default_factory=dict)
    """By id; what a GET does not show is not there."""
    twice: tuple[str, ...] = ()
    """Operations that left more than one entry in the history of one resource."""
    overdue: tuple[Overdue, ...] = ()
    deaths: tuple[Death, ...] = ()
    unwell: tuple[str, ...] = ()
    """What did not come back in time after a fault was healed."""
    before: tuple[Usage, ...] = ()
    after: tuple[Usage, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Violation:
    """A promise that was not kept: which invariant, when, and how."""

    invariant: str
    text: str
    at: float = 0.0


_LISTS: Mapping[str, tuple[str, type[Any]]] = {
    "fault": ("windows", Window),
    "attempt": ("attempts", Attempt),
    "operation": ("journal", Journaled),
    "usage before": ("before", Usage),
    "usage after": ("after", Usage),
    "overdue": ("overdue", Overdue),
    "death": ("deaths", Death),
}
"""What a line of a history holds, by its kind, and where a run has it."""

_TYPES: Mapping[str, Any] = {
    "do": Do,
    "verdict": Verdict,
    "values": tuple,
    "allows": lambda names: tuple(map(Verdict, names)),
}

_TEXTS = ("twice", "unwell")
"""The same for what is a text only; the kind is called as the run calls it."""


def write(path: Path, seed: int, run: Run, violations: Iterable[Violation]) -> None:
    """Write a run as JSON lines, each with its kind."""
    with path.open("w") as file:

        def line(kind: str, record: Mapping[str, Any]) -> None:
            file.write(json.dumps({"kind": kind, **record}, default=sorted) + "\n")

        line("run", {"seed": seed, **asdict(run.limits)})
        for kind, (name, _) in _LISTS.items():
            for record in getattr(run, name):
                line(kind, asdict(record))
        for kind in _TEXTS:
            for text in getattr(run, kind):
                line(kind, {"text": text})
        for resource in run.resources.values():
            line("resource", asdict(resource))
        for violation in violations:
            line("violation", asdict(violation))


def read(path: Path) -> Run:
    """Read a run that was written, without the judgement. Raises ValueError when it is none."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in path.read_text().splitlines():
        record = json.loads(line)
        found[record.pop("kind")].append(record)
    if unknown := found.keys() - {*_LISTS, *_TEXTS, "run", "resource", "violation"}:
        raise ValueError(f"no line of a history is of these kinds: {', '.join(sorted(unknown))}")
    if len(found["run"]) != 1:
        raise ValueError("one line of a history has the limits of its run")
    limits = Limits(**{f.name: found["run"][0][f.name] for f in fields(Limits)})
    resources = [Resource(**each | {"members": frozenset(each["members"])}) for each in found["resource"]]
    lists: dict[str, Any] = {
        **{name: tuple(each(**_typed(record)) for record in found[kind]) for kind, (name, each) in _LISTS.items()},
        **{kind: tuple(record["text"] for record in found[kind]) for kind in _TEXTS},
    }
    return Run(limits=limits, resources={each.id: each for each in resources}, **lists)


def _typed(record: dict[str, Any]) -> dict[str, Any]:
    """Return what JSON made texts and lists of as what it was."""
    return {name: _TYPES[name](value) if name in _TYPES else value for name, value in record.items()}
