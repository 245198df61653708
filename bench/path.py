"""Measure the whole path over HTTP: mixed writes at 16 connections, single writes on an idle stack, and reads.

Starts a stack of its own on free ports. Every figure is the median of several rounds, with the spread beside it, and
stands next to what the same PostgreSQL does in the same run with one bare insert and commit, for machines differ.
"""

import random
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import Engine, text

from bench.load import Client, Figure, member, person, report, role, stack, tenant, title
from services.directory import database

CONNECTIONS = 16
ROUNDS = 5
ROUND_SECONDS = 4.0
SINGLE_WRITES = 100
RESULTS = Path(__file__).parent / "results.md"


def main() -> None:
    """Measure, print, and write bench/results.md."""
    with stack() as (address, engine):
        secret = tenant(engine, "bench")
        figures = [
            *_idle(Client(address, secret)),
            _mixed(address, secret),
            _bare(engine),
        ]
    report("Last results of `make bench`", figures, RESULTS)


def _idle(client: Client) -> list[Figure]:
    """Measure one request at a time; the first ones warm everything up."""
    ids = [str(client.send("POST", "/Users", person())["id"]) for _ in range(20)]
    target = ids[0]
    return [
        _times("create a user, idle, p50", lambda: client.send("POST", "/Users", person())),
        _times("patch a user, idle, p50", lambda: client.send("PATCH", f"/Users/{target}", title())),
        _times("get a user, idle, p50", lambda: client.send("GET", f"/Users/{target}")),
    ]


def _times(name: str, request: Callable[[], object]) -> Figure:
    rounds = []
    for _ in range(ROUNDS):
        times = []
        for _ in range(SINGLE_WRITES):
            begin = time.perf_counter()
            request()
            times.append((time.perf_counter() - begin) * 1000)
        rounds.append(statistics.median(times))
    return Figure(name=name, unit="ms", rounds=tuple(rounds))


def _mixed(address: str, secret: str) -> Figure:
    """Measure creates, patches and member changes, 2 : 2 : 1, on all connections at once."""
    clients = [Client(address, secret) for _ in range(CONNECTIONS)]
    ids = [str(clients[0].send("POST", "/Users", person())["id"]) for _ in range(200)]
    groups = [str(clients[0].send("POST", "/Groups", role())["id"]) for _ in range(10)]
    rates = []
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for number in range(ROUNDS):
            begin = time.perf_counter()
            until = begin + ROUND_SECONDS
            work = [pool.submit(_play, c, ids, groups, number * 100 + n, until) for n, c in enumerate(clients)]
            writes = sum(each.result() for each in work)
            rates.append(writes / (time.perf_counter() - begin))
    return Figure(name=f"mixed writes, {CONNECTIONS} connections", unit="writes/s", rounds=tuple(rates))


def _play(client: Client, ids: list[str], groups: list[str], seed: int, until: float) -> int:
    chosen, done = random.Random(seed), 0  # noqa: S311 - a repeatable mix, not a secret.
    while time.perf_counter() < until:
        match chosen.randrange(5):
            case 0 | 1:
                client.send("POST", "/Users", person())
            case 2 | 3:
                client.send("PATCH", f"/Users/{chosen.choice(ids)}", title())
            case _:
                client.send("PATCH", f"/Groups/{chosen.choice(groups)}", member(chosen.choice(ids)))
        done += 1
    return done


def _bare(engine: Engine) -> Figure:
    """Measure one connection that inserts one row and commits, again and again: the price of durability here."""
    with database.autocommit(engine) as connection:
        connection.execute(text("CREATE TABLE bare (id bigint, body text)"))
        rates = []
        for _ in range(ROUNDS):
            begin, done = time.perf_counter(), 0
            while time.perf_counter() < begin + ROUND_SECONDS / 4:
                connection.execute(text("INSERT INTO bare VALUES (:id, :body)"), {"id": done, "body": "x" * 500})
                done += 1
            rates.append(done / (time.perf_counter() - begin))
    return Figure(name="bare insert and commit, 1 connection", unit="commits/s", rounds=tuple(rates))


if __name__ == "__main__":
    main()
