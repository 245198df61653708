"""Know how fast operations are applied lately, to say how many of them a transaction may take."""

FIRST_GUESS_SECONDS = 0.001
WEIGHT = 0.2
"""Of the last batch; the rest is what was known before."""


class Pace:
    """The seconds that an operation takes, as this process has seen it."""

    def __init__(self) -> None:
        self._seconds = FIRST_GUESS_SECONDS

    def note(self, seconds: float, operations: int) -> None:
        """Remember how long a batch took."""
        self._seconds += WEIGHT * (seconds / operations - self._seconds)

    def within(self, seconds: float) -> int:
        """Return how many operations can be applied in so many seconds."""
        return int(seconds / self._seconds)
