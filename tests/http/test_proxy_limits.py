"""What the proxy waits for no longer, and what it says on the port without TLS."""

import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import conftest, proxies
from tests.proxies import CONFIGURATION, PATIENCE, Proxy

SECONDS = 10**9
"""Caddy's durations are in nanoseconds."""

DOMAINS = "localhost, second.localhost"
GREATEST = 64 * 2**20
"""Bytes of an answer that no buffers between a server and a client can hold."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """A proxy, and the socket at which a gateway would listen behind it."""

    proxy: Proxy
    gateway: socket.socket


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with _site(tmp_path_factory.mktemp("proxy"), CONFIGURATION) as found:
        yield found


@pytest.mark.parametrize("port", [":443", ":80"])
def test_the_times_are_those_of_both_ports(port: str) -> None:
    adapted = subprocess.run(
        [str(proxies.CADDY), "adapt", "--config", str(CONFIGURATION), "--adapter", "caddyfile"],
        capture_output=True, check=True, env=conftest.environment(),
    )  # fmt: skip

    [server] = [
        each for each in json.loads(adapted.stdout)["apps"]["http"]["servers"].values() if port in each["listen"]
    ]
    named = ("read_header_timeout", "read_timeout", "write_timeout", "idle_timeout")
    assert {name: server[name] // SECONDS for name in named if name in server} == {
        "read_header_timeout": 10,
        "read_timeout": 30,
        "write_timeout": 120,
        "idle_timeout": 120,
    }


def test_a_client_that_reads_no_answer_keeps_no_gateway(tmp_path: Path) -> None:
    with _site(tmp_path, _hurried(tmp_path, "write", "2m")) as found, proxies.tls(found.proxy) as client:
        client.sendall(b"GET /scim/v2/Users HTTP/1.1\r\nHost: localhost\r\n\r\n")
        found.gateway.settimeout(PATIENCE)
        connection, _ = found.gateway.accept()
        with connection:
            connection.settimeout(PATIENCE)
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % GREATEST)

            # Nobody reads: it is the proxy that hangs up, on both sides.
            with pytest.raises(ConnectionError):
                connection.sendall(b"x" * GREATEST)

        assert len(_all(client)) < GREATEST


def test_a_body_that_stops_half_way_is_answered_and_no_gateway_hears_of_it(tmp_path: Path) -> None:
    with _site(tmp_path, _hurried(tmp_path, "read_body", "30s")) as found, proxies.tls(found.proxy) as client:
        client.sendall(b"POST /scim/v2/Users HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345")
        client.settimeout(PATIENCE)
        answer = client.recv(65_536)

        _nobody_called(found)

    assert answer.startswith(b"HTTP/1.1 499 ")
    assert b"\r\nConnection: close\r\n" in answer
    assert not {b"server:", b"via:"} & {line.split(b" ")[0].lower() for line in answer.split(b"\r\n")}


def test_headers_that_do_not_come_are_not_waited_for_without_tls(site: Site) -> None:
    with _open(site.proxy) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")

        assert _all(connection) == b""


@pytest.mark.parametrize("host", DOMAINS.split(", "))
@pytest.mark.parametrize(
    "request_",
    [
        b"GET /rest/scim/v2/Users?count=1 HTTP/1.1\r\nAuthorization: Bearer x\r\n",
        b"POST /rest/scim/v2/Users?count=1 HTTP/1.1\r\nContent-Length: 0\r\n",
    ],
    ids=["GET", "POST"],
)
def test_what_comes_without_tls_is_told_the_way_and_no_gateway_hears_of_it(
    site: Site, request_: bytes, host: str
) -> None:
    status, headers = _asked(site.proxy, request_ + f"Host: {host}\r\n".encode())

    assert status == b"308"
    assert headers[b"location"] == f"https://{host}/rest/scim/v2/Users?count=1".encode()
    assert not {b"server", b"via"} & set(headers)
    _nobody_called(site)


def test_the_host_of_somebody_else_leads_nowhere(site: Site) -> None:
    status, headers = _asked(site.proxy, b"GET / HTTP/1.1\r\nHost: stranger.example\r\n")

    assert status == b"404"
    assert not {b"location", b"server", b"via"} & set(headers)
    _nobody_called(site)


@contextmanager
def _site(folder: Path, configuration: Path) -> Iterator[Site]:
    with socket.create_server(("127.0.0.1", 0)) as gateway:
        address = f"127.0.0.1:{gateway.getsockname()[1]}"
        with proxies.running(folder, address, address, configuration, DOMAINS) as proxy:
            yield Site(proxy=proxy, gateway=gateway)


def _hurried(folder: Path, name: str, time: str) -> Path:
    """Write the configuration down with one of its times as a second."""
    text = CONFIGURATION.read_text()
    assert text.count(f"\t{name} {time}\n") == 1
    path = folder / "Caddyfile"
    path.write_text(text.replace(f"\t{name} {time}\n", f"\t{name} 1s\n"))
    return path


def _asked(proxy: Proxy, request: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """Return the status and the headers that a request without TLS is answered with."""
    with _open(proxy) as connection:
        connection.sendall(request + b"Connection: close\r\n\r\n")
        lines = _all(connection).partition(b"\r\n\r\n")[0].split(b"\r\n")
    pairs = (line.split(b": ", 1) for line in lines[1:])
    return lines[0].split(b" ")[1], {name.lower(): value for name, value in pairs}


def _open(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.plain_port), timeout=PATIENCE)


def _all(connection: socket.socket) -> bytes:
    received: list[bytes] = []
    # What is hung up on in the middle may end without TLS's goodbye, or be reset.
    with suppress(ConnectionError, ssl.SSLEOFError):
        received.extend(iter(lambda: connection.recv(65_536), b""))
    return b"".join(received)


def _nobody_called(site: Site) -> None:
    site.gateway.settimeout(0.2)
    with pytest.raises(TimeoutError):
        site.gateway.accept()
