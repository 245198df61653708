"""Forecast whether Entra ID puts a connection into quarantine, by the rules that Microsoft publishes.

Source: "Application provisioning in quarantine status", learn.microsoft.com/entra/identity/app-provisioning/
application-provisioning-quarantine-status (4 March 2025), which says that its logic is subject to change. Entra counts
objects that failed, and keeps them over cycles until they succeed; here requests of one cycle are counted. So this is
an estimate, and Entra's own status is in its admin center.
"""

from dataclasses import dataclass
from enum import StrEnum

from services.directory.cycles import Cycle

SOURCE = "https://learn.microsoft.com/entra/identity/app-provisioning/application-provisioning-quarantine-status"
EVALUATED_FROM = 5_000
"""Failures from which on Entra looks at their proportion; those of references are left out."""

PROPORTION = 0.4
MOST_FAILURES = 40_000
MOST_WITH_REFERENCES = 60_000
NEAR = 0.5
"""From this part of a threshold on it is worth a warning."""


class Risk(StrEnum):
    """How near a quarantine is."""

    NONE = "none"
    NEAR = "near"
    LIKELY = "likely"
    AT_ONCE = "at once"


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What the last cycle means for a quarantine, and by which rule."""

    risk: Risk
    words: str
    failures: int
    """Without those of references."""
    proportion: float
    """Of all writes that are no references."""
    source: str = SOURCE


def forecast(cycle: Cycle | None, *, is_denied: bool) -> Forecast:
    """Return the forecast after a cycle; `is_denied` when its token does not work any more."""
    failures = 0 if cycle is None else cycle.failed - cycle.references_failed
    every = 0 if cycle is None else max(failures, cycle.writes - cycle.references_failed)
    proportion = failures / every if every else 0.0
    risk, words = _judged(failures, proportion, 0 if cycle is None else cycle.failed, is_denied=is_denied)
    return Forecast(risk=risk, words=words, failures=failures, proportion=round(proportion, 3))


def _judged(failures: int, proportion: float, with_references: int, *, is_denied: bool) -> tuple[Risk, str]:
    if is_denied:
        return Risk.AT_ONCE, "The token is refused. Entra quarantines for bad credentials at once, whatever the number."
    if failures > MOST_FAILURES or with_references > MOST_WITH_REFERENCES:
        return Risk.LIKELY, f"More than {MOST_FAILURES} failures, or {MOST_WITH_REFERENCES} with those of references."
    if failures >= EVALUATED_FROM and proportion > PROPORTION:
        return Risk.LIKELY, f"{EVALUATED_FROM} failures or more, and more than {PROPORTION:.0%} of all."
    is_near = failures >= NEAR * EVALUATED_FROM and proportion > NEAR * PROPORTION
    if is_near or failures >= NEAR * MOST_FAILURES or with_references >= NEAR * MOST_WITH_REFERENCES:
        return Risk.NEAR, "More than half way to a threshold: mend the most frequent failures first."
    return Risk.NONE, f"Below {EVALUATED_FROM} failures Entra does not evaluate them, but for bad credentials."
