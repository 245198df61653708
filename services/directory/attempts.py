"""Follow one try at a batch: how long it takes, and which of its operations is at work."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from services.directory.journal import Operation

Watch = Callable[[], AbstractContextManager[Callable[[], None]]]
"""Watches a run until the block ends; what it gives is called whenever the run goes on."""


@contextmanager
def unwatched() -> Iterator[Callable[[], None]]:
    """Let a run take as long as it takes."""
    yield lambda: None


class Attempt:
    """One try at a batch; `at_work` is to blame if it fails, unless that is nobody."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self.go_on: Callable[[], None] = lambda: None
        self.at_work: Operation | None = None
        self.together: Sequence[Operation] = ()
        """Those that are applied by one statement: if it fails one of them is to blame, and nobody knows which."""
        self.is_begun = False
        """Whether it got as far as knowing what to apply."""

    @property
    def seconds(self) -> float:
        """How long it takes so far."""
        return time.monotonic() - self._begin

    def each(self, runs: Sequence[Sequence[Operation]]) -> Iterator[Sequence[Operation]]:
        """Yield operations as they are begun, some of them together; what fails after several is the fault of none."""
        for some in runs:
            self.at_work, self.together = (some[0], ()) if len(some) == 1 else (None, some)
            self.go_on()
            yield some
        self.together = ()
        if len(runs) > 1:
            self.at_work = None
