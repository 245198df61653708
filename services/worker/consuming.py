"""Tell of tasks in time for whoever watches them, and not after each of them.

Celery sends the events of a task at once, one by one. For wakes, which come by the dozen, that was a third of what its
main process did, and it is what hands them out.
"""

import time
from typing import Any

from celery.worker.consumer import Consumer as CeleryConsumer

TELL_SECONDS = 0.5
"""An event is told after so long, with all others of that time; many at once are told earlier."""

# An untyped class of theirs.
_Consumer: Any = CeleryConsumer


class Consumer(_Consumer):  # type: ignore[misc]
    """Takes messages from the queue."""

    _told_by = 0.0

    def on_send_event_buffered(self) -> None:
        """See to it that an event is sent in a moment; when a lost connection forgets it, the next event does."""
        now = time.monotonic()
        if self.hub and now >= self._told_by:
            self._told_by = now + TELL_SECONDS
            self.hub.call_later(TELL_SECONDS, self._flush_events)
