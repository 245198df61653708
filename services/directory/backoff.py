"""Decide how long an operation waits before its next start, and which faults pass by themselves."""

import random
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

FIRST_SECONDS = 0.1
LONGEST_SECONDS = 60.0

# Classes and codes of PostgreSQL's errors that say nothing about the operation itself.
_PASSING_CLASSES = ("08", "40", "53", "57", "58")
_PASSING_CODES = frozenset({"55P03", "25P03", "25P04", "55006"})


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Why a start failed, as the journal keeps it."""

    name: str
    is_passing: bool
    """Whether it says nothing about the operation: such a start is not held against it."""


def delay(failures: int) -> float:
    """Return the seconds until the next start: doubling, with full jitter, bounded."""
    ceiling = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(failures, 20))
    return random.uniform(ceiling / 2, ceiling)  # noqa: S311 - jitter, not a secret.


def classify(error: Exception) -> Fault:
    """Tell a fault that passes (deadlock, lost connection, timeout) from a bug."""
    if isinstance(error, DBAPIError):
        code = getattr(error.orig, "sqlstate", None) or ""
        is_passing = error.connection_invalidated or not code or code[:2] in _PASSING_CLASSES or code in _PASSING_CODES
        return Fault(name=f"{type(error.orig).__name__} {code}".strip(), is_passing=is_passing)
    return Fault(name=type(error).__name__, is_passing=isinstance(error, PoolTimeoutError))
