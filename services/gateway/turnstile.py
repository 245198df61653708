"""Let requests in a few at a time as long as several tenants have some, so that nobody waits behind sixty of another's.

A process has one interpreter, and all share one database. A tenant alone is never kept waiting.
"""

import threading
import time
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from services.directory.recent_tenants import RecentTenants

PLACES = 4
"""Writes that are on their way at the same time, while several tenants have some. Each may have its share of them."""

STUCK_SECONDS = 0.2
"""A write that takes longer waits for something else than this process, and takes up no place."""

PATIENCE_SECONDS = 5.0
"""Nobody is kept out for longer, whatever the others do."""


class Turnstile:
    """Counts the writes of each tenant that are on their way; the others of a tenant go in in their order."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._inside: defaultdict[UUID, dict[threading.Event, float]] = defaultdict(dict)
        self._outside: OrderedDict[UUID, deque[threading.Event]] = OrderedDict()
        self._tenants = RecentTenants(clock)

    @contextmanager
    def passing(self, tenant_id: UUID, until: float) -> Iterator[None]:
        """Wait for a place, though not beyond a moment of the clock, and keep it for the duration of the block."""
        turn = self._enter(tenant_id)
        if not turn.wait(max(0.0, min(until - self._clock(), PATIENCE_SECONDS))):
            self._push_in(tenant_id, turn)
        try:
            yield
        finally:
            self._leave(tenant_id, turn)

    def _enter(self, tenant_id: UUID) -> threading.Event:
        turn = threading.Event()
        with self._lock:
            self._tenants.note([tenant_id])
            self._outside.setdefault(tenant_id, deque()).append(turn)
            self._call()
        return turn

    def _push_in(self, tenant_id: UUID, turn: threading.Event) -> None:
        """Go in without having been called: this one was kept out for long enough."""
        with self._lock:
            if not turn.is_set():
                self._let_in(tenant_id, turn)

    def _leave(self, tenant_id: UUID, turn: threading.Event) -> None:
        with self._lock:
            self._tenants.note([tenant_id])
            del self._inside[tenant_id][turn]
            if not self._inside[tenant_id]:
                del self._inside[tenant_id]
            self._call()

    def _call(self) -> None:
        """Let in all for whom there is a place, one of each tenant in turn."""
        waiting = deque(self._outside)
        while waiting:
            tenant_id = waiting.popleft()
            if self._has_place(tenant_id):
                self._let_in(tenant_id, self._outside[tenant_id][0])
                if tenant_id in self._outside:
                    waiting.append(tenant_id)

    def _let_in(self, tenant_id: UUID, turn: threading.Event) -> None:
        self._outside[tenant_id].remove(turn)
        if not self._outside[tenant_id]:
            del self._outside[tenant_id]
        self._inside[tenant_id][turn] = self._clock()
        turn.set()

    def _has_place(self, tenant_id: UUID) -> bool:
        """Whether a tenant is alone, or there is a free place, or it has less than its share of them."""
        tenants = self._tenants.count()
        if tenants <= 1:
            return True
        return self._moving(tenant_id) < max(1, PLACES // tenants) or sum(map(self._moving, self._inside)) < PLACES

    def _moving(self, tenant_id: UUID) -> int:
        """Return how many writes of a tenant are on their way and not stuck."""
        horizon = self._clock() - STUCK_SECONDS
        return sum(begun > horizon for begun in self._inside.get(tenant_id, {}).values())
