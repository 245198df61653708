"""Measure the portal: its pages with 100,000 employees and 2,000,000 changes, and how soon 200 open pages are told.

Each kind of page is asked for by one browser, in turn with the others. What a page weighs is what comes over the wire
the first time: the page, and all that it loads.
"""

import random
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import psutil
from sqlalchemy import Engine

from bench import portal_data
from bench.live import Watchers
from bench.load import Client, Figure, member, person, report, role, whole_stack
from services.directory import admins, database, portal_sessions, tokens
from services.directory.portal import cursors, streams
from services.directory.tokens import Principal
from services.stack.supervisor import Stack

WARM, PAGES = 6, 30
"""Pages of each kind, before it is measured and while it is."""

OPEN_PAGES = 200
PAGES_OF_A_SESSION = 20
CONNECTIONS = 3
"""Connections that are set up, each with five events."""

NOBODY = 'userName eq "nobody@bench.example"'
IDLE_SECONDS = 20.0
RESULTS = Path(__file__).parent / "portal.md"
_LOADED = re.compile(r'(?:src|href)="(/static/[^"]+)"')


def main() -> None:
    """Measure, print, and write bench/portal.md."""
    with whole_stack() as (stack, engine):
        idle = _idle(stack, "idle, nobody signed in")
        made = portal_data.fill(engine, "bench")
        with _browser(stack, _sessions(engine, made, 1)[0]) as browser:
            figures = [*_pages(browser, stack), _heaviest(browser), *_live(stack, engine, made), idle]
    report("Last results of `make bench-portal`", figures, RESULTS)


def _pages(browser: httpx.Client, stack: Stack) -> Iterator[Figure]:
    """Measure each kind of page in turn with the others, and what it costs; a bare answer tells how busy others are."""
    chosen = random.Random(7)  # noqa: S311 - a repeatable choice, not a secret.
    kinds = {"bare answer (/healthz)": lambda _: "/healthz", **_kinds()}
    for make in [*kinds.values()] * WARM:
        _time(browser, make(chosen))
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(PAGES):
        for name, make in kinds.items():
            times[name].append(_time(browser, make(chosen)))
    for name, make in kinds.items():
        for word, share in (("p50", 0.5), ("p95", 0.95)):
            yield Figure(name=f"{name}, {word}", unit="ms", rounds=(_percentile(times[name], share),))
        yield Figure(name=f"{name}, processor", unit="ms", rounds=(_cost(browser, stack, make, chosen),))


def _cost(browser: httpx.Client, stack: Stack, make: Callable[[random.Random], str], chosen: random.Random) -> float:
    """Return how many milliseconds of a core portal and database take for a page, however busy the machine is."""
    before = _used(stack, "portal") + _used(stack, "postgres")
    for _ in range(PAGES):
        _time(browser, make(chosen))
    return 1000 * (_used(stack, "portal") + _used(stack, "postgres") - before) / PAGES


def _used(stack: Stack, name: str) -> float:
    """Return the seconds of a core that the processes of a part have taken so far."""
    process = psutil.Process(stack.child(name).pid)
    return sum(sum(each.cpu_times()[:2]) for each in (process, *process.children(recursive=True)))


def _kinds() -> dict[str, Callable[[random.Random], str]]:
    """Return what is asked for, by its name."""
    return {
        "list": lambda _: "/employees",
        "list, deep inside": lambda c: f"/employees?after={cursors.of_employee(portal_data.place(_number(c)))}",
        "list of the inactive": lambda _: "/employees?status=inactive",
        "filter by a name": lambda chosen: f"/employees?q={portal_data.given(_number(chosen))}",
        "filter by two words": lambda c: f"/employees?q={quote(portal_data.name(_number(c)))}",
        "filter by two letters": lambda chosen: f"/employees?q={portal_data.given(_number(chosen))[:2]}",
        "filter by three letters": lambda chosen: f"/employees?q={portal_data.given(_number(chosen))[:3]}",
        "filter by what all have": lambda _: "/employees?q=bench.example",
        "filter by an employee number": lambda chosen: f"/employees?q=E{_number(chosen)}",
        "filter by what nobody has": lambda chosen: f"/employees?q=zz{_number(chosen)}",
        "View": lambda chosen: f"/employees/{portal_data.made_id(_number(chosen))}",
        "View, History": lambda chosen: f"/employees/{portal_data.made_id(_number(chosen))}/history",
        "View, Roles": lambda chosen: f"/employees/{portal_data.made_id(_number(chosen))}/roles",
        "Why, by a name": lambda c: f"/provisioning/why?q={quote(portal_data.name(_number(c)))}",
        "Why, by a user name": lambda c: f"/provisioning/why?q={quote(portal_data.user_name(_number(c)))}",
        "Why, by an external id": lambda chosen: f"/provisioning/why?q=ext-{_number(chosen)}",
        "Why, by an id": lambda chosen: f"/provisioning/why?q={portal_data.made_id(_number(chosen))}",
        "Why, by a request": lambda chosen: f"/provisioning/why?q=bench-{_number(chosen)}-w1",
        "Why, of nobody": lambda chosen: f"/provisioning/why?q=nobody{_number(chosen)}@bench.example",
        "operations": lambda _: "/provisioning/operations",
        "cycles": lambda _: "/provisioning/cycles",
    }


def _number(chosen: random.Random) -> int:
    return chosen.randint(1, portal_data.EMPLOYEES)


def _time(browser: httpx.Client, path: str) -> float:
    begin = time.perf_counter()
    response = browser.get(path)
    taken = (time.perf_counter() - begin) * 1000
    assert response.status_code == 200, (path, response.status_code)
    return taken


def _heaviest(browser: httpx.Client) -> Figure:
    """Weigh a page of each kind with all that it loads, as it comes over the wire; return the heaviest."""
    chosen = random.Random(7)  # noqa: S311 - a repeatable choice, not a secret.
    weights = {name: _weight(browser, make(chosen)) / 1000 for name, make in _kinds().items()}
    heaviest = max(weights, key=lambda name: weights[name])
    return Figure(name=f"heaviest page with all it loads ({heaviest})", unit="KB", rounds=(weights[heaviest],))


def _weight(browser: httpx.Client, path: str) -> int:
    page = browser.get(path)
    parts = [browser.get(each) for each in sorted(set(_LOADED.findall(page.text)))]
    assert parts, "a page loads its style"
    return sum(each.num_bytes_downloaded for each in (page, *parts))


def _live(stack: Stack, engine: Engine, made: Principal) -> Iterator[Figure]:
    """Set connections up before many open pages, and measure from each request until each page shows it."""
    secrets = _sessions(engine, made, OPEN_PAGES // PAGES_OF_A_SESSION)
    rounds: list[list[float]] = []
    for number in range(CONNECTIONS):
        with database.transaction(engine) as connection:
            secret = tokens.create(connection, made.tenant_id, f"connection {number}")
            principal = tokens.authenticate(connection, secret)
            assert principal is not None, "it has just been made"
        client = Client(stack.settings.gateway_bind, secret)
        path = f"/provisioning/connections/{principal.token_id}/progress/live"
        with Watchers(stack.settings.portal_bind, path, secrets, PAGES_OF_A_SESSION) as watchers:
            watchers.until(0)
            if number == 0:
                open_pages = _idle(stack, f"idle, {len(watchers)} open pages")
            rounds.append(list(_set_up(client, watchers)))
        time.sleep(3 * streams.ALIVE_SECONDS)  # By then it is known that they were closed.
    for word, share in (("p50", 0.5), ("p99", 0.99), ("the last page", 1.0)):
        yield Figure(
            name=f"an event shows on {OPEN_PAGES} pages, {word}",
            unit="ms",
            rounds=tuple(_percentile(each, share) for each in rounds),
        )
    yield open_pages


def _set_up(client: Client, watchers: Watchers) -> Iterator[float]:
    """Send what an identity provider sends first, and yield how many milliseconds later each page shows it."""
    made: dict[str, str] = {}

    def create(path: str, body: dict[str, object]) -> None:
        made[path] = str(client.send("POST", path, body)["id"])

    steps: tuple[Callable[[], object], ...] = (
        lambda: client.send("GET", "/Users?startIndex=1&count=2"),
        lambda: client.send("GET", f"/Users?filter={quote(NOBODY)}"),
        lambda: create("/Users", person()),
        lambda: create("/Groups", role()),
        lambda: client.send("PATCH", f"/Groups/{made['/Groups']}", member(made["/Users"])),
    )
    for number, step in enumerate(steps, start=1):
        time.sleep(random.random())  # noqa: S311 - not in step with what is written down twice a second.
        begin = time.perf_counter()
        step()
        yield from ((moment - begin) * 1000 for moment in watchers.until(number))


def _idle(stack: Stack, name: str) -> Figure:
    """Measure the share of a core that the portal takes while nothing happens."""
    began, before = time.perf_counter(), _used(stack, "portal")
    time.sleep(IDLE_SECONDS)
    share = (_used(stack, "portal") - before) / (time.perf_counter() - began)
    return Figure(name=f"portal, {name}", unit="% of a core", rounds=(100 * share,))


def _sessions(engine: Engine, made: Principal, count: int) -> list[str]:
    """Sign an admin in so many times; return the sessions' secrets."""
    with database.transaction(engine) as connection:
        email = f"admin{count}@bench.example"
        admins.create(connection, made.tenant_id, email)
        admin = admins.find(connection, email)
        assert admin is not None, "it has just been made"
        return [portal_sessions.begin(connection, admin) for _ in range(count)]


def _browser(stack: Stack, secret: str) -> httpx.Client:
    cookies = {"muster-session": secret}
    return httpx.Client(base_url=stack.settings.portal_url, cookies=cookies, timeout=60)


def _percentile(times: list[float], share: float) -> float:
    found = sorted(times)
    return found[min(len(found) - 1, int(len(found) * share))]


if __name__ == "__main__":
    main()
