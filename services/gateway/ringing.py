"""Ring for writes off the path of their requests; those that come at the same time are rung for together.

While one ring is on its way the next shards gather, and each is rung for once. A Redis that is frozen or away keeps no
request waiting.
"""

import threading
from collections.abc import Callable, Sequence


class Ringer(threading.Thread):
    """Rings the bells of shards for the requests of this process."""

    def __init__(self, wake_all: Callable[[Sequence[int]], object]) -> None:
        super().__init__(name="ringer", daemon=True)
        self._wake_all = wake_all
        self._shards: set[int] = set()
        self._is_called = threading.Event()
        self._is_stopped = False

    def ring(self, shard: int) -> None:
        """See to it that a shard is rung for in a moment."""
        self._shards.add(shard)
        self._is_called.set()

    def run(self) -> None:
        while not self._is_stopped:
            self._is_called.wait()
            self._is_called.clear()
            self._ring()
        self._ring()

    def stop(self) -> None:
        """Stop, after the shards that were named before."""
        self._is_stopped = True
        self._is_called.set()

    def _ring(self) -> None:
        shards, self._shards = self._shards, set()
        if shards:
            self._wake_all(sorted(shards))
