"""Measure what one tenant's flood does to another tenant, which sends one write at a time.

The two states, alone and beside the flood, alternate in one run, for machines are busier at one time than at another.
The flood comes from a process of its own: it would share the interpreter with the client that is measured.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from bench.figures import Figure
from bench.load import Client, patch, person, report, stack, tenant, title
from services.directory import database

ROUNDS = 5
WRITES = 80
CONNECTIONS = 64
SETTLING_SECONDS = 1.5
RESULTS = Path(__file__).parent / "fairness.md"

_processes = get_context("spawn")


@dataclass(frozen=True, kw_only=True)
class State:
    """What was measured in one state: the milliseconds of each write, by round, and the flood's writes a second."""

    name: str
    headers: dict[str, str] | None = None
    """What the flood sends; None when there is no flood."""
    rounds: list[list[float]] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """Return a percentile over all rounds."""
        times = sorted(time for each in self.rounds for time in each)
        return times[min(len(times) - 1, int(len(times) * share))]

    def tell(self) -> None:
        """Print the last round."""
        last = State(name=self.name, rounds=self.rounds[-1:])
        rate = f", flood {self.rates[-1]:.0f}/s" if self.rates else ""
        print(f"{self.name}: p50 {last.percentile(0.5):.1f} ms, p99 {last.percentile(0.99):.1f} ms{rate}", flush=True)

    def figures(self, alone: "State") -> list[Figure]:
        """Return the figures of this state, and their ratios to the client alone."""
        shares = {"p50": 0.5, "p99": 0.99}
        found = [
            Figure(name=f"one write at a time, {self.name}, {name}", unit="ms", rounds=(self.percentile(share),))
            for name, share in shares.items()
        ]
        if self is not alone:
            found += [
                Figure(name=f"... to alone, {name}", unit="times", rounds=(self.percentile(s) / alone.percentile(s),))
                for name, s in shares.items()
            ]
            found.append(Figure(name="... the flood meanwhile", unit="writes/s", rounds=tuple(self.rates)))
        return found


def main() -> None:
    """Measure, print, and write bench/fairness.md."""
    alone = State(name="alone")
    waiting = State(name=f"beside {CONNECTIONS} connections", headers={})
    queued = State(name=f"beside {CONNECTIONS} connections that do not wait", headers={"Prefer": "respond-async"})
    leavers: list[float] = []
    with stack() as (address, engine):
        single, noisy = Client(address, tenant(engine, "single")), tenant(engine, "noisy")
        target = str(single.send("POST", "/Users", person())["id"])
        for _ in range(20):
            single.send("PATCH", f"/Users/{target}", title())
        for _ in range(ROUNDS):
            for state in (alone, waiting, alone, queued):
                with _flood(address, noisy, state):
                    state.rounds.append(_single(single, target))
                    if state is queued:
                        leavers.append(_leaver(Client(address, noisy)))
                _forget(engine)
                state.tell()
    figures = [*alone.figures(alone), *waiting.figures(alone), *queued.figures(alone)]
    figures.append(Figure(name="a leaver of the tenant that does not wait", unit="ms", rounds=tuple(leavers)))
    report("Last results of `make fairness`", figures, RESULTS)


def _leaver(client: Client) -> float:
    """Return the milliseconds until somebody is gone whom nothing else is pending for."""
    gone = str(client.send("GET", "/Users?count=1&sortBy=meta.created")["Resources"][0]["id"])
    begin = time.perf_counter()
    client.send("PATCH", f"/Users/{gone}", patch({"op": "replace", "path": "active", "value": False}))
    return (time.perf_counter() - begin) * 1000


def _forget(engine: Engine) -> None:
    """Drop what the flood left pending, so that the next state begins with nothing."""
    with database.transaction(engine) as connection:
        connection.execute(text("UPDATE operation SET state = 'cancelled' WHERE state = 'pending'"))


def _single(client: Client, target: str) -> list[float]:
    """Return the milliseconds that writes take, one after the other: every other one creates somebody."""
    times = []
    for number in range(WRITES):
        begin = time.perf_counter()
        if number % 2:
            client.send("POST", "/Users", person())
        else:
            client.send("PATCH", f"/Users/{target}", title())
        times.append((time.perf_counter() - begin) * 1000)
    return times


@contextmanager
def _flood(address: str, secret: str, state: State) -> Iterator[None]:
    """Flood for the duration of the block, unless the state is to be alone."""
    if state.headers is None:
        yield
        return
    stop, counts = _processes.Event(), _processes.Queue()
    process = _processes.Process(target=_send, args=(address, secret, state.headers, stop, counts))
    process.start()
    before, begin = counts.get(), time.perf_counter()
    yield
    stop.set()
    state.rates.append((counts.get() - before) / (time.perf_counter() - begin))
    process.join()


def _send(address: str, secret: str, headers: dict[str, str], stop: Event, counts: Any) -> None:
    """Send writes on all connections until told to stop."""
    done = [0] * CONNECTIONS
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        work = [pool.submit(_play, Client(address, secret), n, headers, stop, done) for n in range(CONNECTIONS)]
        time.sleep(SETTLING_SECONDS)
        counts.put(sum(done))
        stop.wait()
        counts.put(sum(done))
        for each in work:
            each.result()


def _play(client: Client, number: int, headers: dict[str, str], stop: Event, done: list[int]) -> None:
    """Send one write after the other; who is refused waits a moment."""
    target = str(client.send("POST", "/Users", person())["id"])
    while not stop.is_set():
        status, content = client.ask("PATCH", f"/Users/{target}", title(), headers)
        assert status in {200, 202, 429}, content
        if status == 429:
            stop.wait(1)
        else:
            done[number] += 1


if __name__ == "__main__":
    main()
