"""Decide when a program that ended is started again, and when it is given up."""

from dataclasses import dataclass

MOST_FAILURES = 5
STEADY_SECONDS = 10.0
FIRST_SECONDS = 0.2
LONGEST_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Lives:
    """How often a program ended early, in a row."""

    ends: int = 0
    failures: int = 0
    """Those that nobody from outside brought about."""

    def after(self, seconds: float, *, was_killed: bool) -> "Lives":
        """Return what is known after one more end of a program that ran for so many seconds."""
        before = Lives() if seconds >= STEADY_SECONDS else self
        return Lives(ends=before.ends + 1, failures=before.failures + (not was_killed))

    @property
    def delay(self) -> float:
        """The seconds until it is started again: doubling, bounded."""
        return float(min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** (self.ends - 1)))

    @property
    def are_over(self) -> bool:
        """Whether starting it again makes no sense: it ends early by itself, each time."""
        return self.failures >= MOST_FAILURES
