"""Decide how long an operation waits before its next start, and what a failed start says about it."""

import random
from dataclasses import dataclass
from traceback import walk_tb

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

FIRST_SECONDS = 0.1
LONGEST_SECONDS = 60.0

# Classes and codes of PostgreSQL's errors that say nothing about the operation itself.
_PASSING_CLASSES = ("08", "40", "53", "57", "58")
_PASSING_CODES = frozenset({"55P03", "25P03", "25P04", "55006"})
# A statement that took too long (or was cancelled by hand) may do better next time; but one that takes too long each
# time must end. It counts, for whoever counts it could write that down: the database as a whole was not too slow.
_COUNTED_CODES = frozenset({"57014"})
_OURS = ("services.", "shared.")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Why a start failed, as the journal keeps it: the error's class and SQLSTATE, and never its text."""

    name: str
    is_passing: bool
    """Whether the same may succeed in a moment."""
    counts: bool
    """Whether the start is held against the operation, which is dead after too many of them."""
    where: str | None = None
    """For a bug, the innermost place in our own code that it came through."""


def delay(failures: int) -> float:
    """Return the seconds until the next start: doubling, with full jitter, bounded."""
    ceiling = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(failures, 20))
    return random.uniform(ceiling / 2, ceiling)  # noqa: S311 - jitter, not a secret.


def classify(error: Exception) -> Fault:
    """Tell a fault that passes (deadlock, lost connection, timeout) from a bug."""
    if isinstance(error, DBAPIError):
        code = getattr(error.orig, "sqlstate", None) or ""
        is_passing = error.connection_invalidated or not code or code[:2] in _PASSING_CLASSES or code in _PASSING_CODES
        name = f"{type(error.orig).__name__} {code}".strip()
        return _fault(error, name, is_passing=is_passing, counts=not is_passing or code in _COUNTED_CODES)
    is_passing = isinstance(error, PoolTimeoutError)
    return _fault(error, type(error).__name__, is_passing=is_passing, counts=not is_passing)


def _fault(error: Exception, name: str, *, is_passing: bool, counts: bool) -> Fault:
    return Fault(name=name, is_passing=is_passing, counts=counts, where=_where(error) if counts else None)


def _where(error: Exception) -> str | None:
    """Return module.function:line of the innermost frame of ours."""
    places = [
        f"{module}.{frame.f_code.co_qualname}:{line}"
        for frame, line in walk_tb(error.__traceback__)
        if (module := frame.f_globals.get("__name__", "")).startswith(_OURS)
    ]
    return places[-1] if places else None
