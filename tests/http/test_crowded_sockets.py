"""Connections that say nothing, or little by little: they keep nobody else from being answered, and are closed."""

import errno
import http.client
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import chain

import httpx
import pytest

from bench import crowds, siege
from services.directory import database
from services.stack import children
from shared.settings import Settings
from tests import conftest, stacks
from tests.factories import Client, patch, replace

MOST, HEADER_SECONDS = 1000, 3
MOST_SECONDS = 60
ROUNDS, REQUESTS = 2, 12
MOST_TIMES = 8
DRIP = b"X-Drip: 1\r\n"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A stack whose gateway has places for so many connections."""
    environ = conftest.environment() | {
        "MUSTER_MAX_CONNECTIONS": str(MOST),
        "MUSTER_HEADER_SECONDS": str(HEADER_SECONDS),
    }
    with stacks.lean(tmp_path_factory.mktemp("crowded"), environ) as running:
        yield running.settings


@pytest.fixture
def own_client(settings: Settings) -> Iterator[Client]:
    pool = database.connect(settings.database_url, process="test")
    with Client(settings.public_url, conftest.make_tenant(pool)) as http:
        yield http
    pool.dispose()


@contextmanager
def crowd(settings: Settings, number: int, start: bytes = b"") -> Iterator[list[socket.socket]]:
    """Open so many connections, which say no more than a beginning."""
    host, _, port = settings.gateway_bind.rpartition(":")
    with ExitStack() as opened:
        sockets = []
        for _ in range(number):
            sockets.append(opened.enter_context(socket.create_connection((host, int(port)), timeout=60)))
            if start:
                sockets[-1].sendall(start)
        yield sockets


def closed(sockets: list[socket.socket]) -> int:
    """Return how many the other side has closed."""
    poll = select.poll()
    for each in sockets:
        poll.register(each, select.POLLIN)
    return len(poll.poll(0))


def assert_answered(settings: Settings, client: Client) -> None:
    """Assert that probes, reads and writes are answered, over new connections and over one that is kept."""
    assert httpx.get(f"{settings.public_url}/readyz", timeout=30).status_code == 200
    created = client.create_user()
    headers = dict(client.headers)
    with httpx.Client(base_url=client.base_url, headers=headers, timeout=30) as fresh:
        assert fresh.get(f"/Users/{created['id']}").json() == created
        assert fresh.delete(f"/Users/{created['id']}").status_code == 204


def test_a_thousand_idle_sockets_and_more_keep_nobody_from_being_answered(
    settings: Settings, own_client: Client
) -> None:
    own_client.create_user()

    with crowd(settings, MOST + 200) as idle:
        for _ in range(10):
            assert_answered(settings, own_client)
        # Whoever came last has a place all the same; those who came first made it.
        assert closed(idle[:200]) >= 200
        assert children.until(lambda: closed(idle) == len(idle), MOST_SECONDS)


def test_headers_that_come_byte_by_byte_keep_nobody_from_being_answered(settings: Settings, own_client: Client) -> None:
    """They are closed though something comes all the time: what counts is when they are whole."""
    own_client.create_user()
    start = b"POST /rest/scim/v2/Users HTTP/1.1\r\nHost: x\r\n"

    with crowd(settings, 300, start) as slow:
        is_over = threading.Event()
        dripping = threading.Thread(target=_drip, args=(slow, is_over))
        dripping.start()
        try:
            for _ in range(10):
                assert_answered(settings, own_client)
            assert children.until(lambda: closed(slow) == len(slow), MOST_SECONDS)
        finally:
            is_over.set()
            dripping.join()


def test_bodies_that_do_not_come_keep_nobody_from_being_answered(settings: Settings, own_client: Client) -> None:
    """Those of strangers are refused before their bodies; those of clients have their request's deadline."""
    start = "POST /rest/scim/v2/Users HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nAuthorization: Bearer {}\r\n\r\n"
    secret = own_client.tenant.secret

    with crowd(settings, 200, start.format("x").encode()) as strangers:
        assert children.until(lambda: closed(strangers) == len(strangers), MOST_SECONDS)
        assert {each.recv(12) for each in strangers} == {b"HTTP/1.1 401"}
        with crowd(settings, 200, start.format(secret).encode() + b"{"):
            for _ in range(5):
                assert_answered(settings, own_client)


@pytest.mark.parametrize("crowd_of", [name for name in crowds.CROWDS if "idle" not in name])
def test_others_are_answered_nearly_as_fast_as_without_a_crowd(
    settings: Settings, own_client: Client, crowd_of: str
) -> None:
    """`make siege` measures by how much; here a crowd of the same tenant must not make it a different thing."""
    user = own_client.create_user()["id"]
    write = partial(own_client.patch, f"/Users/{user}", json=patch(replace("title", "x")))

    alone, beside = siege.measure(crowd_of, settings.gateway_bind, own_client.tenant.secret, write, ROUNDS, REQUESTS)

    for before, after in ((alone.probes, beside.probes), (alone.writes, beside.writes)):
        took, takes = (siege.percentile([*chain(*rounds)], 0.5) for rounds in (before, after))
        assert takes < MOST_TIMES * took
    assert own_client.get(f"/Users/{user}").json()["title"] == "x"


def test_a_connection_that_is_used_is_not_closed_between_its_requests(settings: Settings, own_client: Client) -> None:
    """It waits for longer than headers may take, and makes place only when nobody else can."""
    kept = http.client.HTTPConnection(settings.gateway_bind, timeout=60)
    kept.request("GET", "/healthz")
    assert kept.getresponse().read() == b'{"status":"alive"}'
    used = kept.sock

    with crowd(settings, MOST + 50) as idle:
        assert children.until(lambda: closed(idle) == len(idle), MOST_SECONDS)
        assert_answered(settings, own_client)

    kept.request("GET", "/healthz")
    assert kept.getresponse().read() == b'{"status":"alive"}'
    assert kept.sock is used
    kept.close()


def _drip(sockets: list[socket.socket], is_over: threading.Event) -> None:
    while not is_over.wait(0.2):
        for each in sockets:
            try:
                each.send(DRIP)
            except OSError as error:
                if error.errno not in {errno.EPIPE, errno.ECONNRESET}:  # It was closed, as it should be.
                    raise
