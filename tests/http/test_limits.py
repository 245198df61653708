"""Limits of requests: how fast, how many at once, how large, and how often wrong; told as SCIM errors with a time."""

import http.client
import os
import select
import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest
from sqlalchemy import Engine

from services.directory import clients, database, token_secrets, tokens
from services.directory.tokens import Terms
from services.gateway import errors
from services.stack import children, state
from services.stack.supervisor import Stack
from shared.scim import messages
from shared.settings import Settings
from tests import conftest, stacks
from tests.factories import Client, Tenant, patch, person, replace

RATE, BURST, AT_ONCE, WRONG, HEADERS = 1, 60, 4, 20, 8192
TRIES = 3000
MOST_SECONDS = 60


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with limits that a test can reach: 60 requests in a minute, two gateway processes."""
    environ = conftest.environment() | {
        "MUSTER_REQUESTS_PER_SECOND": str(RATE),
        "MUSTER_BURST_SECONDS": str(BURST),
        "MUSTER_TENANT_CONCURRENCY": str(AT_ONCE),
        "MUSTER_WRONG_TOKENS_PER_MINUTE": str(WRONG),
        "MUSTER_MAX_HEADER_BYTES": str(HEADERS),
        "MUSTER_METRICS_TOKEN": conftest.METRICS_TOKEN,
        "MUSTER_TRUSTED_PROXIES": "1",
        "MUSTER_GATEWAY_PROCESSES": "2",
    }
    data = tmp_path_factory.mktemp("limited")
    with stacks.lean(data, environ) as running:
        yield running


@pytest.fixture(scope="module")
def settings(own_stack: Stack) -> Settings:
    return own_stack.settings


@pytest.fixture
def tenant(own_engine: Engine) -> Tenant:
    return conftest.make_tenant(own_engine)


@pytest.fixture
def busy(settings: Settings, tenant: Tenant) -> Iterator[Client]:
    with Client(settings.public_url, tenant) as http_client:
        yield http_client


@pytest.fixture
def bystander(settings: Settings, own_engine: Engine) -> Iterator[Client]:
    with Client(settings.public_url, conftest.make_tenant(own_engine)) as http_client:
        yield http_client


_addresses = iter(range(1, 250))


def address() -> dict[str, str]:
    """Return the header by which a proxy tells of a client that nobody has heard of yet."""
    return {"X-Forwarded-For": f"198.51.100.{next(_addresses)}"}


def wrong() -> dict[str, str]:
    return {"Authorization": f"Bearer {token_secrets.generate()}"}


def assert_told(response: httpx.Response, status: int) -> None:
    """Assert that a response is a SCIM error that says when to come again."""
    assert response.status_code == status
    assert response.headers["Content-Type"] == messages.MEDIA_TYPE
    assert response.json()["schemas"] == [messages.ERROR]
    assert response.json()["status"] == str(status)
    assert 1 <= int(response.headers["Retry-After"]) <= max(2 * BURST, errors.TOO_LARGE_SECONDS)
    assert "X-Request-ID" in response.headers


def until_refused(send: Callable[[], httpx.Response]) -> tuple[int, httpx.Response]:
    """Send until something is refused for its number; return how many were not, and the refusal."""
    for accepted in range(TRIES):
        response = send()
        if response.status_code == 429:
            return accepted, response
    raise AssertionError("nothing was refused")


def counted(settings: Settings, limit: str) -> float:
    text = httpx.get(
        f"{settings.public_url}/metrics", headers={"Authorization": f"Bearer {conftest.METRICS_TOKEN}"}
    ).text
    name = f'muster_requests_limited_total{{limit="{limit}"}} '
    return sum(float(line.removeprefix(name)) for line in text.splitlines() if line.startswith(name))


def test_a_token_that_sends_too_fast_is_refused_and_nobody_else_and_no_leaver(
    busy: Client, bystander: Client, settings: Settings, own_engine: Engine, tenant: Tenant
) -> None:
    stays, leaves, off, gone = (busy.create_user()["id"] for _ in range(4))
    before = counted(settings, "rate")

    accepted, refused = until_refused(lambda: busy.get("/Users?count=0"))
    write = busy.patch(f"/Users/{stays}", json=patch(replace("title", "x")))
    bulk = busy.post("/Bulk", json={})
    leaver = busy.patch(f"/Users/{leaves}", json=patch(replace("active", value=False)))
    replaced = busy.put(f"/Users/{off}", json=person(active=False))
    deleted = busy.delete(f"/Users/{gone}")
    large = busy.patch(f"/Users/{stays}", json=patch(replace("active", value=False), replace("title", "x" * 20_000)))
    other = conftest.another_token(own_engine, tenant)

    # Some of what two processes let in they do not know of each other yet.
    assert RATE * BURST - 4 <= accepted <= 2 * RATE * BURST
    for each in (refused, write, bulk, large):
        assert_told(each, 429)
    assert f"{RATE} requests a second" in refused.json()["detail"]
    assert [each.status_code for each in (leaver, replaced, deleted)] == [200, 200, 204]
    assert bystander.get("/Users").status_code == 200
    with Client(settings.public_url, other) as colleague:
        seen = colleague.get(f"/Users/{stays}").json()
    assert (seen.get("title"), seen["active"]) == (None, True)
    assert children.until(lambda: counted(settings, "rate") >= before + 4, MOST_SECONDS)


def test_the_limit_is_one_for_both_processes(busy: Client, settings: Settings) -> None:
    """Each request is a connection of its own, which goes to whichever process is free."""
    headers = dict(busy.headers)

    accepted, _ = until_refused(lambda: httpx.get(f"{settings.public_url}/rest/scim/v2/Users?count=0", headers=headers))

    assert RATE * BURST <= accepted < 2 * RATE * BURST


def test_a_tenant_has_so_many_requests_under_way_and_no_more(
    busy: Client, bystander: Client, settings: Settings, own_engine: Engine
) -> None:
    """Requests whose bodies do not come are under way; one process has at most its number of them."""
    places = AT_ONCE * settings.gateway_processes
    leaver = busy.create_user()["id"]
    head = (
        f"POST /rest/scim/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {busy.tenant.secret}\r\n"
        "Content-Type: application/scim+json\r\nContent-Length: 1000\r\n\r\n{"
    )
    with ExitStack() as opened:
        sockets = [opened.enter_context(_connect(settings, head.encode())) for _ in range(places + 1)]

        assert children.until(lambda: bool(_answered(sockets)), MOST_SECONDS)
        refused = http.client.HTTPResponse(_answered(sockets)[0])
        refused.begin()
        detail = refused.read()
        left = busy.patch(f"/Users/{leaver}", json=patch(replace("active", value=False)))

        assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
        assert b"requests under way" in detail
        assert left.status_code == 200
        assert bystander.get("/Users").status_code == 200

    assert children.until(lambda: busy.get("/Users?count=0").status_code == 200, MOST_SECONDS)


def test_an_address_that_guesses_is_refused_and_tokens_that_were_right_are_not(
    settings: Settings, busy: Client, own_engine: Engine
) -> None:
    here, elsewhere = address(), address()
    url = f"{settings.public_url}/rest/scim/v2/Users?count=0"
    with database.transaction(own_engine) as connection:
        made, secret = clients.create_with_secret(
            connection, busy.tenant.principal.tenant_id, "x", Terms(lifetime=None)
        )

    def token(**headers: str) -> httpx.Response:
        given = {"grant_type": "client_credentials", "client_id": str(made), "client_secret": secret}
        return httpx.post(f"{settings.public_url}/oauth/token", data=given, headers=headers)

    access = [token(**here).json()["access_token"] for _ in range(20)]
    right = {"Authorization": f"Bearer {busy.tenant.secret}"}
    known = [httpx.get(url, headers=right | here).status_code for _ in range(20)]
    asked = [httpx.get(url, headers={"Authorization": f"Bearer {each}"} | here).status_code for each in access[:10]]
    answers: Counter[int] = Counter()
    refusal: httpx.Response | None = None
    for _ in range(5 * WRONG):
        answer = httpx.get(url, headers=wrong() | here)
        answers[answer.status_code] += 1
        refusal = answer if answer.status_code == 429 else refusal

    assert refusal is not None
    assert_told(refusal, 429)
    assert WRONG <= answers[401] <= 2 * WRONG
    assert set(answers) == {401, 429}
    # What was right before, what we signed, another address, and what needs no token.
    assert set(known) | set(asked) == {200}
    for _ in range(10):
        assert httpx.get(url, headers=right | here).status_code == 200
        assert httpx.get(url, headers={"Authorization": f"Bearer {access.pop()}"} | here).status_code == 200
        assert token(**here).status_code == 200
    assert httpx.get(url, headers=wrong() | elsewhere).status_code == 401
    assert httpx.get(f"{settings.public_url}/readyz", headers=here).status_code == 200
    assert children.until(lambda: counted(settings, "wrong tokens") > 0, MOST_SECONDS)


def test_an_address_with_a_port_is_that_address_and_what_is_none_is_in_no_network(
    settings: Settings, busy: Client, own_engine: Engine
) -> None:
    """Azure's gateways write the port beside it, which is another one each time."""
    url = f"{settings.public_url}/rest/scim/v2/Users?count=0"
    with database.transaction(own_engine) as connection:
        terms = Terms(networks=["203.0.113.0/24"])
        secret = tokens.create(connection, busy.tenant.principal.tenant_id, "bound", terms=terms)

    def ask(written: str) -> int:
        headers = {"Authorization": f"Bearer {secret}", "X-Forwarded-For": written}
        return httpx.get(url, headers=headers).status_code

    assert [ask(each) for each in ("203.0.113.7:4711", "::ffff:203.0.113.7", "[::ffff:203.0.113.7]:1")] == [200] * 3
    assert [ask(each) for each in ("unknown", "198.51.100.7:4711", "_x")] == [403] * 3

    ports = iter(range(1024, 65_536))
    accepted, refused = until_refused(
        lambda: httpx.get(url, headers=wrong() | {"X-Forwarded-For": f"203.0.113.9:{next(ports)}"})
    )
    assert WRONG <= accepted <= 2 * WRONG
    assert_told(refused, 429)


def test_guessing_the_secret_of_a_client_is_guessing(settings: Settings) -> None:
    here = address()
    given = {"grant_type": "client_credentials", "client_id": "01a20a49-a7b3-7142-9afb-9c2853eadbfb"}

    def guess() -> httpx.Response:
        secret = token_secrets.generate(token_secrets.CLIENT_PREFIX)
        return httpx.post(f"{settings.public_url}/oauth/token", data=given | {"client_secret": secret}, headers=here)

    accepted, refused = until_refused(guess)

    assert WRONG <= accepted <= 2 * WRONG
    assert_told(refused, 429)


@pytest.mark.parametrize(
    "headers",
    [{"X-One": "x" * HEADERS}, {f"X-{n}": "x" * 100 for n in range(90)}, {f"X-{n}": "x" for n in range(101)}],
    ids=["one", "together", "many"],
)
def test_headers_that_are_too_large_are_refused_as_a_scim_error(
    settings: Settings, busy: Client, headers: dict[str, str]
) -> None:
    connection = http.client.HTTPConnection(settings.gateway_bind, timeout=30)
    own = {"Authorization": f"Bearer {busy.tenant.secret}"}

    connection.request("GET", "/rest/scim/v2/Users", headers=own | headers)
    response = connection.getresponse()
    told = httpx.Response(response.status, headers=response.getheaders(), content=response.read())
    connection.close()

    assert (told.status_code, told.json()["schemas"]) == (431, [messages.ERROR])
    assert int(told.headers["Retry-After"]) > 0
    assert busy.get("/Users", headers={"X-One": "x" * (HEADERS - 1000)}).status_code == 200
    assert children.until(lambda: counted(settings, "headers") > 0, MOST_SECONDS)


def test_endless_headers_are_refused_before_they_end(settings: Settings) -> None:
    host, _, port = settings.gateway_bind.rpartition(":")
    line, sent = b"X-More: " + b"x" * 100 + b"\r\n", 0
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        connection.settimeout(0)
        answer = b""
        while not answer and sent < 100 * HEADERS:
            try:
                sent += connection.send(line)
                answer = connection.recv(100)
            except BlockingIOError:
                continue

    assert answer.startswith(b"HTTP/1.1 431 ")


def test_a_body_that_is_too_large_says_when_to_come_again(busy: Client, settings: Settings) -> None:
    refused = busy.post("/Users", content=b" " * (settings.max_body_bytes + 1))

    assert_told(refused, 413)


def test_limits_hold_while_redis_is_frozen_and_nobody_waits_for_it(
    own_stack: Stack, busy: Client, settings: Settings
) -> None:
    """Reads need no Redis; they are counted and refused as before, by each process for itself."""
    found = state.read(own_stack.data)
    assert found is not None
    valkey = found.children["valkey"].pid
    assert busy.get("/Users?count=0").status_code == 200

    os.kill(valkey, signal.SIGSTOP)
    try:
        accepted, refused = until_refused(lambda: busy.get("/Users?count=0"))
    finally:
        os.kill(valkey, signal.SIGCONT)

    assert accepted <= 2 * RATE * BURST
    assert_told(refused, 429)


def _connect(settings: Settings, start: bytes) -> socket.socket:
    host, _, port = settings.gateway_bind.rpartition(":")
    connection = socket.create_connection((host, int(port)), timeout=60)
    connection.sendall(start)
    return connection


def _answered(sockets: list[socket.socket]) -> list[socket.socket]:
    return select.select(sockets, [], [], 0)[0]
