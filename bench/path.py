"""Measure the whole path over HTTP: mixed writes at 16 connections, single writes on an idle stack, and reads.

Starts a stack of its own on free ports. Every figure is the median of several rounds, with the spread beside it, and
stands next to what the same PostgreSQL does in the same run with one bare insert and commit, for machines differ.
"""

import http.client
import os
import platform
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, text

from services.directory import database, tenants, tokens
from services.stack import supervisor
from shared import settings
from shared.scim import messages
from shared.scim.schemas import enterprise, group, user

CONNECTIONS = 16
ROUNDS = 5
ROUND_SECONDS = 4.0
SINGLE_WRITES = 100
RESULTS = Path(__file__).parent / "results.md"

_numbers = count(1)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured figure: the median of the rounds, the lowest and the highest."""

    name: str
    unit: str
    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def spread(self) -> str:
        return f"{min(self.rounds):.1f} .. {max(self.rounds):.1f}"


class Client:
    """One connection with a token, kept open."""

    def __init__(self, address: str, secret: str) -> None:
        self._connection = http.client.HTTPConnection(address)
        self._headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/scim+json"}

    def send(self, method: str, path: str, body: object = None) -> dict[str, object]:
        """Send one request, and return the body of its answer. Raises AssertionError unless it is a success."""
        payload = None if body is None else orjson.dumps(body)
        self._connection.request(method, f"/rest/scim/v2{path}", payload, self._headers)
        response = self._connection.getresponse()
        content = response.read()
        assert 200 <= response.status < 300, content
        answer: dict[str, object] = orjson.loads(content) if content else {}
        return answer


def main() -> None:
    """Measure, print, and write bench/results.md."""
    console = Console()
    with _stack() as (address, secret, engine):
        figures = [
            *_idle(Client(address, secret)),
            _mixed(address, secret),
            _bare(engine),
        ]
    table = Table("what", "unit", "median", "lowest .. highest")
    for figure in figures:
        table.add_row(figure.name, figure.unit, f"{figure.median:.1f}", figure.spread)
    console.print(table)
    RESULTS.write_text(_document(figures))
    console.print(f"written to {RESULTS.relative_to(Path.cwd()) if RESULTS.is_relative_to(Path.cwd()) else RESULTS}")


@contextmanager
def _stack() -> Iterator[tuple[str, str, Engine]]:
    folder = Path(tempfile.mkdtemp(prefix="muster-bench-"))
    environ = {name: value for name, value in os.environ.items() if not name.startswith(settings.PREFIX)}
    try:
        with supervisor.running(folder, gateway_port=0, flower_port=0, environ=environ) as stack:
            engine = database.connect(stack.settings.database_url, process="bench")
            with database.transaction(engine) as connection:
                secret = tokens.create(connection, tenants.create(connection, "bench", None).id, "bench")
            yield stack.settings.gateway_bind, secret, engine
            engine.dispose()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _idle(client: Client) -> list[Figure]:
    """Measure one request at a time; the first ones warm everything up."""
    ids = [str(client.send("POST", "/Users", _person())["id"]) for _ in range(20)]
    target = ids[0]
    return [
        _times("create a user, idle, p50", lambda: client.send("POST", "/Users", _person())),
        _times("patch a user, idle, p50", lambda: client.send("PATCH", f"/Users/{target}", _title())),
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
    ids = [str(clients[0].send("POST", "/Users", _person())["id"]) for _ in range(200)]
    groups = [str(clients[0].send("POST", "/Groups", _group())["id"]) for _ in range(10)]
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
                client.send("POST", "/Users", _person())
            case 2 | 3:
                client.send("PATCH", f"/Users/{chosen.choice(ids)}", _title())
            case _:
                client.send("PATCH", f"/Groups/{chosen.choice(groups)}", _member(chosen.choice(ids)))
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


def _person() -> dict[str, object]:
    number = next(_numbers)
    name = f"person{number}@bench.example"
    return {
        "schemas": [user.URN, enterprise.URN],
        "externalId": f"bench-{number}",
        "userName": name,
        "active": True,
        "displayName": f"Person {number}",
        "name": {"givenName": "Person", "familyName": str(number)},
        "title": "Measurer",
        "emails": [{"primary": True, "type": "work", "value": name}],
        enterprise.URN: {"department": "Bench", "employeeNumber": str(number)},
    }


def _group() -> dict[str, object]:
    return {"schemas": [group.URN], "displayName": f"Bench {next(_numbers)}", "externalId": str(next(_numbers))}


def _title() -> dict[str, object]:
    return _patch({"op": "Replace", "path": "title", "value": f"Measurer {next(_numbers)}"})


def _member(member: str) -> dict[str, object]:
    return _patch({"op": "Add", "path": "members", "value": [{"$ref": None, "value": member}]})


def _patch(operation: dict[str, object]) -> dict[str, object]:
    return {"schemas": [messages.PATCH_OP], "Operations": [operation]}


def _document(figures: list[Figure]) -> str:
    lines = [
        "# Last results of `make bench`",
        "",
        f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, {os.cpu_count()} cores, everything on them.",
        "",
        "| what | unit | median | lowest .. highest |",
        "|---|---|---|---|",
        *(f"| {f.name} | {f.unit} | {f.median:.1f} | {f.spread} |" for f in figures),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
