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

PLACES = 2
"""Requests that are on their way at the same time while several tenants have some; each tenant may have one at least.

Two keep two cores busy, and let another tenant's single one wait for little (docs/decisions/0026-turns.md).
"""

STUCK_SECONDS = 0.5
"""A request that takes longer waits for something else than this process, and takes up no place.

When that holds of all, because a server is away, there is nothing to share: everybody goes in.
"""

STUCK_TIMES = 5
"""On a busy machine all requests take long: none is stuck before it took so many times as long as others did lately."""

LATELY = 0.1
"""How much one request counts in what is usual."""

PATIENCE_SHARE = 1 / 3
"""Nobody is kept out for more than this of the time that a request has, whatever the others do.

Two thirds are left for the write itself, beside all the others that were not kept out any longer.
"""


class Turn:
    """A request's place in the queue. What it waits at is made when it waits, and hardly any does."""

    __slots__ = ("_bell", "_is_set")

    def __init__(self) -> None:
        self._is_set = False
        self._bell: threading.Event | None = None

    def is_set(self) -> bool:
        """Whether it was called."""
        return self._is_set

    def set(self) -> None:
        """Call it."""
        self._is_set = True
        if self._bell is not None:
            self._bell.set()

    def wait(self, seconds: float) -> bool:
        """Wait until it is called, and return whether it was."""
        if not self._is_set and self._bell is None:
            self._bell = threading.Event()
        # Whoever calls now has either seen the bell, or left word before this look.
        return self._is_set or (self._bell is not None and self._bell.wait(seconds))


class Turnstile:
    """Counts the requests of each tenant that are on their way; the others of a tenant go in in their order."""

    def __init__(
        self,
        deadline_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        is_open: Callable[[], bool] = lambda: False,
    ) -> None:
        """`is_open` says when everybody goes in: without a worker requests wait and do no work, and share drains."""
        self._patience_seconds = deadline_seconds * PATIENCE_SHARE
        self._clock, self._lock, self._is_open = clock, threading.Lock(), is_open
        self._inside: defaultdict[UUID, dict[Turn, float]] = defaultdict(dict)
        self._outside: OrderedDict[UUID, deque[Turn]] = OrderedDict()
        self._first: set[Turn] = set()
        self._tenants = RecentTenants(clock)
        self._usual_seconds = 0.0

    @contextmanager
    def passing(self, tenant_id: UUID, until: float) -> Iterator[None]:
        """Wait for a place, though not beyond a moment of the clock, and keep it for the duration of the block."""
        turn = self.enter(tenant_id, until)
        try:
            yield
        finally:
            self.leave(tenant_id, turn)

    def enter(self, tenant_id: UUID, until: float) -> Turn:
        """Wait for a place, though not beyond a moment of the clock; whoever enters leaves."""
        return self._called(tenant_id, self._enter(tenant_id), until)

    def enter_first(self, tenant_id: UUID, until: float) -> Turn:
        """Enter as others do, but before all of the same tenant that wait: for who takes somebody's access away."""
        return self._called(tenant_id, self._enter_first(tenant_id), until)

    def leave(self, tenant_id: UUID, turn: Turn) -> None:
        """Give the place to the next, or stop waiting for one."""
        with self._lock:
            self._tenants.note([tenant_id])
            if not turn.is_set():
                # It was interrupted while it waited.
                self._let_in(tenant_id, turn)
            self._learn(self._clock() - self._inside[tenant_id].pop(turn))
            if not self._inside[tenant_id]:
                del self._inside[tenant_id]
            self._call()

    def is_shared(self) -> bool:
        """Whether several tenants have requests, so that each of them has to wait for the others."""
        return self._tenants.are_several()

    def _called(self, tenant_id: UUID, turn: Turn, until: float) -> Turn:
        try:
            self._wait(tenant_id, turn, min(until, self._clock() + self._patience_seconds))
        except BaseException:
            self.leave(tenant_id, turn)
            raise
        return turn

    def _enter(self, tenant_id: UUID) -> Turn:
        with self._lock:
            return self._queue(tenant_id, len(self._outside.get(tenant_id, ())))

    def _enter_first(self, tenant_id: UUID) -> Turn:
        """Queue behind those who are first, too."""
        with self._lock:
            turn = self._queue(tenant_id, sum(each in self._first for each in self._outside.get(tenant_id, ())))
            if not turn.is_set():
                self._first.add(turn)
        return turn

    def _queue(self, tenant_id: UUID, place: int) -> Turn:
        turn = Turn()
        self._tenants.note([tenant_id])
        self._outside.setdefault(tenant_id, deque()).insert(place, turn)
        self._call()
        return turn

    def _wait(self, tenant_id: UUID, turn: Turn, until: float) -> None:
        """Wait to be called, and go in all the same at the end; others may have become stuck meanwhile."""
        while not turn.wait(max(0.0, min(STUCK_SECONDS, until - self._clock()))):
            with self._lock:
                self._call()
                if self._clock() >= until and not turn.is_set():
                    self._let_in(tenant_id, turn)

    def _call(self) -> None:
        """Let in all for whom there is a place, one of each tenant in turn."""
        if not self._outside:
            return
        is_open = not self.is_shared() or self._is_open() or self._is_at_a_stand()
        waiting = deque(self._outside)
        while waiting:
            tenant_id = waiting.popleft()
            if is_open or self._has_place(tenant_id):
                self._let_in(tenant_id, self._outside[tenant_id][0])
                if tenant_id in self._outside:
                    waiting.append(tenant_id)

    def _let_in(self, tenant_id: UUID, turn: Turn) -> None:
        self._outside[tenant_id].remove(turn)
        if not self._outside[tenant_id]:
            del self._outside[tenant_id]
        self._inside[tenant_id][turn] = self._clock()
        self._first.discard(turn)
        turn.set()

    def _has_place(self, tenant_id: UUID) -> bool:
        """Whether there is a free place, or a tenant has less than its share of them."""
        share = max(1, PLACES // max(1, self._tenants.count()))
        return self._moving(tenant_id) < share or sum(map(self._moving, self._inside)) < PLACES

    def _is_at_a_stand(self) -> bool:
        return bool(self._inside) and not any(map(self._moving, self._inside))

    def _moving(self, tenant_id: UUID) -> int:
        """Return how many requests of a tenant are on their way and not stuck."""
        horizon = self._clock() - max(STUCK_SECONDS, STUCK_TIMES * self._usual_seconds)
        return sum(begun > horizon for begun in self._inside.get(tenant_id, {}).values())

    def _learn(self, seconds: float) -> None:
        """Take note of how long a request took; one that was stuck says little about the others."""
        self._usual_seconds += LATELY * (min(seconds, STUCK_SECONDS) - self._usual_seconds)
