"""Let beat go on when somebody sets the clock back.

Celery's scheduler remembers when each task ran last, by the clock on the wall. When that is set back by an hour, every
task ran last in the future, and none is due for an hour: nobody would sweep.
"""

from typing import Any

from celery.beat import PersistentScheduler

# An untyped class of theirs.
_Scheduler: Any = PersistentScheduler


class Scheduler(_Scheduler):  # type: ignore[misc]
    """Celery's scheduler, for which nothing ran last in the future."""

    def tick(self, *arguments: Any, **named: Any) -> Any:
        """Run what is due; what ran last in the future counts as run now."""
        ahead = [entry for entry in self.schedule.values() if entry.last_run_at > entry.default_now()]
        for entry in ahead:
            entry.last_run_at = entry.default_now()
        if ahead:
            self._heap = None
        return super().tick(*arguments, **named)
