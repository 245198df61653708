"""Measure what idle and slow connections, and somebody who guesses tokens, do to everybody else.

With and without a crowd alternate in one run, for machines are busier at one time than at another. What counts is how
many times longer a probe and a write take beside the crowd, round by round: a moment of noise is in one of them.
"""

import http.client
import time
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from bench import crowds
from bench.load import Client, Figure, person, report, stack, tenant, title

ROUNDS = 7
REQUESTS = 200
WARMING = 20
RESULTS = Path(__file__).parent / "siege.md"
SETTINGS = {"MUSTER_TRUSTED_PROXIES": "1", "MUSTER_WRONG_TOKENS_PER_MINUTE": "60"}
SHARES = {"p50": 0.5, "p99": 0.99}


@dataclass
class Times:
    """The milliseconds of probes and writes, by round."""

    probes: list[list[float]] = field(default_factory=list)
    writes: list[list[float]] = field(default_factory=list)


def main() -> None:
    """Measure, print, and write bench/siege.md."""
    figures: list[Figure] = []
    with stack(SETTINGS) as (address, engine):
        client, secret = Client(address, tenant(engine, "single")), tenant(engine, "crowd")
        target = str(client.send("POST", "/Users", person())["id"])
        for _ in range(WARMING):
            client.send("PATCH", f"/Users/{target}", title())
        for name in crowds.CROWDS:
            alone, besieged = measure(name, address, secret, lambda: client.send("PATCH", f"/Users/{target}", title()))
            figures += _figures(name, "a probe (/readyz)", alone.probes, besieged.probes)
            figures += _figures(name, "a write", alone.writes, besieged.writes)
    report("Last results of `make siege`", figures, RESULTS)


def measure(
    name: str, address: str, secret: str, write: Callable[[], object], rounds: int = ROUNDS, requests: int = REQUESTS
) -> tuple[Times, Times]:
    """Return what takes how long without a crowd, and beside it; the two take turns."""
    alone, besieged = Times(), Times()
    for _ in range(rounds):
        for times, crowd in ((alone, nullcontext()), (besieged, crowds.beside(name, address, secret))):
            with crowd:
                times.probes.append(_timed(lambda: probe(address), requests))
                times.writes.append(_timed(write, requests))
    return alone, besieged


def probe(address: str) -> None:
    """Ask whether the gateway can work, over a connection of its own as a balancer does."""
    with closing(http.client.HTTPConnection(address, timeout=60)) as connection:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        said = response.read()
    assert response.status == 200, said


def percentile(taken: Sequence[float], share: float) -> float:
    """Return a percentile of times."""
    return sorted(taken)[min(len(taken) - 1, int(len(taken) * share))]


def _timed(request: Callable[[], object], requests: int) -> list[float]:
    taken = []
    for _ in range(requests):
        begun = time.perf_counter()
        request()
        taken.append((time.perf_counter() - begun) * 1000)
    return taken


def _figures(name: str, what: str, alone: list[list[float]], besieged: list[list[float]]) -> list[Figure]:
    found = []
    for label, share in SHARES.items():
        before, after = ([percentile(taken, share) for taken in rounds] for rounds in (alone, besieged))
        ratios = tuple(late / early for early, late in zip(before, after, strict=True))
        found.append(Figure(name=f"{what} beside {name}, {label}", unit="ms", rounds=tuple(after)))
        found.append(Figure(name="... to without", unit="times", rounds=ratios))
    return found


if __name__ == "__main__":
    main()
