"""Let one of those who want to know the same thing at the same time look, and the others wait for what it finds.

When what is remembered of a busy token ends, all requests under way would look it up at once.
"""

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager


class OneAtATime:
    """Lets one in at a time for each key; nothing is kept of a key that nobody looks for."""

    def __init__(self) -> None:
        self._locks: dict[Hashable, threading.Lock] = {}

    @contextmanager
    def looking(self, key: Hashable) -> Iterator[None]:
        """Wait until nobody else is in the block for this key; who waited looks first whether it is known by now."""
        lock = self._locks.setdefault(key, threading.Lock())
        try:
            with lock:
                yield
        finally:
            # Somebody may wait for it still, and somebody else take a new one: then both look, and none is wrong.
            self._locks.pop(key, None)
