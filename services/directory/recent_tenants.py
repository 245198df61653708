"""Remember which tenants had writes lately: as long as it is only one, nobody need be spared its haste."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from uuid import UUID

REMEMBERED_SECONDS = 10.0
"""For so long after a write its tenant counts as one that has writes: some send one after the other."""


class RecentTenants:
    """The tenants that had writes lately, as this process knows it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._seen: OrderedDict[UUID, float] = OrderedDict()

    def note(self, tenant_ids: Iterable[UUID]) -> None:
        """Remember that these tenants have writes now."""
        now = self._clock()
        with self._lock:
            for tenant_id in tenant_ids:
                self._seen[tenant_id] = now
                self._seen.move_to_end(tenant_id)

    def count(self) -> int:
        """Return how many tenants had writes lately."""
        horizon = self._clock() - REMEMBERED_SECONDS
        with self._lock:
            while self._seen and next(iter(self._seen.values())) < horizon:
                self._seen.popitem(last=False)
            return len(self._seen)

    def are_several(self) -> bool:
        """Whether more than one tenant had writes lately."""
        return self.count() > 1
