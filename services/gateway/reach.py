"""Know whether the bell works, so that few requests wait for a Redis that does not answer or a worker that is away.

Redis is never needed: who cannot ring drains the shard, who is not told looks into the journal. But each attempt at a
Redis that is frozen takes a second, and several of them one after the other make a write slow that need not be.
"""

import threading
import time
from collections.abc import Callable

PAUSE_SECONDS = 0.5
"""After a failure Redis is left alone for so long; then one attempt shows how it is."""

ATTEMPT_SECONDS = 5.0
"""An attempt that takes longer is not waited for: another one may begin."""

DEAF_SECONDS = 2.0
"""For so long after rings that nobody heard, the next ones are not waited for as long."""

DEAF_RINGS = 2
"""One after the other; a worker that is only slow hears one of them."""


class Reach:
    """Whether Redis is in reach, as the last attempt of this process showed it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self.is_lost = False
        """Whether the last attempt failed."""
        self._next_at = 0.0

    def attempt(self, action: Callable[[], bool]) -> bool:
        """Do something with Redis, and return whether it succeeded; False at once while Redis is out of reach."""
        if not self._is_worth_trying():
            return False
        is_done = action()
        self._note(is_done=is_done)
        return is_done

    def _is_worth_trying(self) -> bool:
        with self._lock:
            if not self.is_lost:
                return True
            if self._clock() < self._next_at:
                return False
            self._next_at = self._clock() + ATTEMPT_SECONDS
            return True

    def _note(self, *, is_done: bool) -> None:
        with self._lock:
            self.is_lost = not is_done
            self._next_at = self._clock() + PAUSE_SECONDS


class Hearing:
    """Whether a worker hears the bell, as the last outcomes of this process showed it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._unheard, self._deaf_until = 0, 0.0

    def note(self, *, is_heard: bool) -> None:
        """Take note of an outcome: somebody who was rung for sent it, or this process had to see to it itself."""
        self._unheard = 0 if is_heard else self._unheard + 1
        self._deaf_until = self._clock() + DEAF_SECONDS if self._unheard >= DEAF_RINGS else 0.0

    def is_good(self) -> bool:
        """Whether there is reason to wait for a worker."""
        return self._clock() >= self._deaf_until
