"""What a run writes down: every attempt at a request, every fault, and what was there at the end; as JSON lines."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
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


def write(path: Path, seed: int, run: Run, violations: Iterable[Violation]) -> None:
    """Write a run as JSON lines, each with its kind."""
    with path.open("w") as file:

        def line(kind: str, record: Any) -> None:
            file.write(json.dumps({"kind": kind, **asdict(record)}, default=sorted) + "\n")

        file.write(json.dumps({"kind": "run", "seed": seed, **asdict(run.limits)}) + "\n")
        for kind, records in (
            ("fault", run.windows),
            ("attempt", run.attempts),
            ("operation", run.journal),
            ("resource", run.resources.values()),
            ("usage before", run.before),
            ("usage after", run.after),
            ("overdue", run.overdue),
            ("death", run.deaths),
            ("violation", violations),
        ):
            for record in records:
                line(kind, record)
