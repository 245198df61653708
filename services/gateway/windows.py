"""Count by key within sliding windows, in this process, with what is known of the others; nothing here waits.

A window's count and the part of the one before that a sliding window still reaches are added up. Windows begin with the
clock, alike in all processes, so that `sharing` can add their counts up in Redis. While that is out of reach each
process has its share of a limit.
"""

import math
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from limits import RateLimitItem

MOST_KEYS = 20_000
"""Keys that are remembered, at most: whoever has more of them than that loses the oldest."""


@dataclass
class _Window:
    """The counts of one key: of the window that is open, and of the one before."""

    number: int
    own: int = 0
    others: int = 0
    before: int = 0
    shared: int = 0
    """How much of `own` the others know of."""


@dataclass(frozen=True, kw_only=True)
class Unshared:
    """What the others do not know of yet."""

    key: str
    number: int
    more: int


class Windows:
    """The counts of one limit; `processes` tells by how many it is divided, 1 while the counts are shared."""

    def __init__(
        self, item: RateLimitItem, processes: Callable[[], int] = lambda: 1, clock: Callable[[], float] = time.time
    ) -> None:
        self.item = item
        self._processes, self._clock = processes, clock
        self._lock = threading.Lock()
        self._windows: dict[str, _Window] = {}

    def take(self, key: str) -> bool:
        """Count one more, unless the limit is reached: then return False, and count nothing."""
        with self._lock:
            window, passed = self._at(key)
            if _weighed(window, passed) + 1 > self._amount():
                return False
            window.own += 1
            return True

    def add(self, key: str) -> None:
        """Count one more, whatever the limit is."""
        with self._lock:
            self._at(key)[0].own += 1

    def is_full(self, key: str) -> bool:
        """Whether the limit is reached; asking counts nothing."""
        if key not in self._windows:
            return False
        with self._lock:
            return _weighed(*self._at(key)) + 1 > self._amount()

    def retry_after(self, key: str) -> int:
        """Return in how many whole seconds one more is below the limit again."""
        with self._lock:
            window, passed = self._at(key)
            seconds, room = self.item.get_expiry(), self._amount() - 1
        now = window.own + window.others
        next_one = 1 - passed + _decayed(now, room)
        wait = _decayed(window.before, room - now) - passed if now <= room else next_one
        return min(2 * seconds, max(1, math.ceil(wait * seconds)))

    def unshared(self, most: int) -> list[Unshared]:
        """Return what the others do not know of yet; the largest counts first."""
        with self._lock:
            fresh = [
                Unshared(key=key, number=window.number, more=window.own - window.shared)
                for key, window in self._windows.items()
                if window.own > window.shared
            ]
        return sorted(fresh, key=lambda each: -each.more)[:most]

    def note(self, told: Unshared, total: int) -> None:
        """Note what all processes counted, this one's included."""
        with self._lock:
            window = self._windows.get(told.key)
            if window is not None and window.number == told.number:
                window.shared += told.more
                window.others = max(window.others, total - window.shared)

    def _at(self, key: str) -> tuple[_Window, float]:
        """Return the window that is open now, and how much of it has passed, between 0 and 1."""
        number, passed = divmod(self._clock() / self.item.get_expiry(), 1)
        window = self._windows.get(key)
        if window is None or window.number != number:
            is_next = window is not None and window.number == number - 1
            before = window.own + window.others if window is not None and is_next else 0
            window = _Window(number=int(number), before=before)
            self._windows.pop(key, None)
            self._windows[key] = window
            if len(self._windows) > MOST_KEYS:
                self._forget(int(number))
        return window, passed

    def _forget(self, number: int) -> None:
        """Drop what counts for nothing any more, and then the oldest."""
        old: Iterable[str] = [key for key, window in self._windows.items() if window.number < number - 1]
        for key in old or list(self._windows)[: MOST_KEYS // 10]:
            del self._windows[key]

    def _amount(self) -> int:
        return max(1, math.ceil(self.item.amount / self._processes()))


def _weighed(window: _Window, passed: float) -> int:
    return window.own + window.others + math.floor(window.before * (1 - passed))


def _decayed(count: int, room: float) -> float:
    """Return after which part of the next window what is left of a count fits in."""
    return 1 - max(0.0, room) / count if count > room else 0.0
