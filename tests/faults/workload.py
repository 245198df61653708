"""The load of a run: seeded clients of two tenants, and the crowds that some faults call for."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.faults import requests
from tests.faults.client import PATIENCE, Client, Clock, Tenant
from tests.faults.records import Attempt

BUSY_CLIENTS = 12
OTHER_CLIENTS = 2
OTHER_PACE = 0.1
"""Seconds between two requests of a client of the other tenant, whose latency is compared."""
CROWD = 1000
"""Clients of a crowd are numbered from here."""


class Workload:
    """The clients of a run, and what they wrote down."""

    def __init__(
        self,
        *,
        address: str,
        deadline: float,
        seed: int,
        tenants: tuple[Tenant, Tenant],
        clients: tuple[int, int] = (BUSY_CLIENTS, OTHER_CLIENTS),
    ) -> None:
        self.address, self._deadline, self._seed = address, deadline, seed
        self.busy, self.other = tenants
        self._busy_clients, self._other_clients = clients
        self.clock = Clock()
        self.attempts: list[Attempt] = []
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._crowds = 0

    def prepare(self) -> None:
        """Make what the clients of each tenant share."""
        for tenant in (self.busy, self.other):
            self._client(0, tenant).run(requests.first(), threading.Event())

    def start(self) -> None:
        """Let all clients begin."""
        for number in range(1, self._busy_clients + 1):
            self._begin(number, self.busy, requests.of_client, self._stopped)
        for number in range(1, self._other_clients + 1):
            self._begin(number, self.other, requests.of_client, self._stopped, OTHER_PACE)

    @contextmanager
    def crowd(self, size: int, sequence: requests.Sequence, patience: float = PATIENCE) -> Iterator[None]:
        """Let so many more clients send, for the duration of the block; then each knows its last outcome, or gives up.

        They give up when they do not know it after so many seconds.
        """
        leaving = threading.Event()
        self._crowds += 1
        numbers = range(CROWD * self._crowds, CROWD * self._crowds + size)
        threads = [self._begin(number, self.busy, sequence, leaving, patience=patience) for number in numbers]
        try:
            yield
        finally:
            leaving.set()
            for thread in threads:
                thread.join()

    def stop(self) -> None:
        """Tell all clients to stop, and wait until each knows the outcome of its last request."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def counts(self) -> Mapping[str, int]:
        """Return how many attempts there were of each verdict so far."""
        counts: dict[str, int] = {}
        for attempt in tuple(self.attempts):
            counts[attempt.verdict] = counts.get(attempt.verdict, 0) + 1
        return counts

    def _begin(
        self,
        number: int,
        tenant: Tenant,
        sequence: requests.Sequence,
        stopped: threading.Event,
        pace: float = 0.0,
        patience: float = PATIENCE,
    ) -> threading.Thread:
        client = self._client(number, tenant)
        arguments = (sequence(self._seed, number), stopped, pace, patience)
        thread = threading.Thread(target=client.run, args=arguments, name=f"client-{number}", daemon=True)
        thread.start()
        self._threads.append(thread)
        return thread

    def _client(self, number: int, tenant: Tenant) -> Client:
        return Client(number, tenant, self.address, self._deadline, self.clock, self.attempts.append)
