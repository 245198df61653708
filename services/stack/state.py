"""Keep `stack.json`: what runs in a data folder, for `muster down`, for the next start, and for every other command."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil

from services.stack.errors import StackError
from shared.settings import STACK_FILE, Settings

CLOCK_STEP = 2.0
SHARED_SETTINGS = (
    "database_url",
    "broker_url",
    "public_url",
    "portal_url",
    "gateway_bind",
    "portal_bind",
    "flower_bind",
)


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A process that cannot be mistaken: its id, and when it started."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> Self:
        """Mark a process that runs now."""
        return cls(pid=pid, started=psutil.Process(pid).create_time())

    def is_running(self) -> bool:
        """Whether this very process still runs."""
        try:
            process = psutil.Process(self.pid)
            is_same = abs(process.create_time() - self.started) < CLOCK_STEP
            return is_same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


@dataclass(frozen=True, kw_only=True)
class State:
    """What stack.json holds: the settings that other commands need, the supervisor, and its children by name."""

    settings: Mapping[str, str]
    supervisor: Mark
    children: Mapping[str, Mark] = field(default_factory=dict)


def of(settings: Settings) -> State:
    """Return the state of a stack that this process is about to start."""
    shared = {name: getattr(settings, name) for name in SHARED_SETTINGS}
    return State(settings=shared, supervisor=Mark.of(os.getpid()))


def read(data: Path) -> State | None:
    """Return the state in a data folder, if it has one."""
    path = data / STACK_FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return _parsed(json.loads(content))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StackError(
            f"{path} is not a file of muster: move it away, or choose another folder with --data"
        ) from None


def write(data: Path, state: State) -> None:
    """Put the state in place in one step, readable by its owner only."""
    fresh = data / f"{STACK_FILE}.new"
    values = {
        "settings": dict(state.settings),
        **asdict(state.supervisor),
        "children": {name: asdict(mark) for name, mark in state.children.items()},
    }
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(values, file, indent=2)
    fresh.replace(data / STACK_FILE)


def remove(data: Path) -> None:
    """Remove the state of a stack that has stopped."""
    (data / STACK_FILE).unlink(missing_ok=True)


def _parsed(values: dict[str, Any]) -> State:
    return State(
        settings=dict(values["settings"]),
        supervisor=_mark(values),
        children={name: _mark(mark) for name, mark in values["children"].items()},
    )


def _mark(values: dict[str, Any]) -> Mark:
    return Mark(pid=int(values["pid"]), started=float(values["started"]))
