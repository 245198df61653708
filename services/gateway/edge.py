"""One address in front of several gateways: pass each connection on to one that takes it.

It passes bytes on and knows no HTTP, but for one answer when no gateway is there. Another gateway is tried only while
nothing was sent: what one has received it may be doing already.
"""

import random
import signal
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import click
import gevent
from gevent import socket
from gevent.event import Event
from gevent.server import StreamServer

CONNECT_SECONDS = 1.0
PATIENCE_SECONDS = 20.0
"""A request waits so long for a gateway, which is longer than one needs to start."""

IDLE_SECONDS = 75.0
LINGER_SECONDS = 3.0
LEAVING_SECONDS = 35.0
PAUSE = 0.2
CHUNK = 65536
NOBODY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n"
    b"X-Muster: not sent on, so not applied\r\n\r\n"
)


class Relay:
    """A client's connection, and the one to the gateway that answers it."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._heard, self._is_asking = time.monotonic(), False

    def run(self, connect: Callable[[], Any]) -> None:
        """Pass bytes on in both directions, until one side has nothing more to say."""
        with self._client:
            self._client.settimeout(IDLE_SECONDS)
            first = _received(self._client)
            if not first:
                return
            self._client.settimeout(None)
            gateway = connect()
            if gateway is None:
                _send(self._client, NOBODY)
                return
            with gateway:
                for end in (self._client, gateway):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                asking = gevent.spawn(self._pump, self._client, gateway, first, is_asking=True)
                self._pump(gateway, self._client, b"", is_asking=False)
                asking.kill()

    def hang_up_if_idle(self) -> None:
        """End a connection whose last bytes were an answer, and are not of just now."""
        if not self._is_asking and time.monotonic() - self._heard > LINGER_SECONDS:
            _shut(self._client, socket.SHUT_RD)

    def _pump(self, source: Any, target: Any, first: bytes, *, is_asking: bool) -> None:
        chunk = first or _received(source)
        while chunk:
            self._heard, self._is_asking = time.monotonic(), is_asking
            if not _send(target, chunk):
                return
            chunk = _received(source)
        _shut(target, socket.SHUT_WR)


class Relays:
    """All connections of this process."""

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._running: set[Relay] = set()

    def serve(self, client: Any, _: object) -> None:
        """Serve one client."""
        relay = Relay(client)
        self._running.add(relay)
        try:
            relay.run(self._connect)
        finally:
            self._running.discard(relay)

    def end(self) -> None:
        """Wait until all have ended, and hang up those on which no request is under way."""
        began = time.monotonic()
        while self._running and time.monotonic() - began < LEAVING_SECONDS:
            for relay in list(self._running):
                relay.hang_up_if_idle()
            gevent.sleep(PAUSE)


@click.command()
@click.option("--listen", default="0.0.0.0:8080", show_default=True, help="Where clients connect, as host:port.")
@click.option("--to", multiple=True, required=True, help="A gateway, as host:port; a name may stand for several.")
def edge(listen: str, to: tuple[str, ...]) -> None:
    """Pass connections on to gateways: one address in front of several, also while they are restarted."""
    relays, stopping = Relays(partial(connect, to)), Event()
    server = StreamServer(_address(listen), relays.serve)
    server.start()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stopping.set)
    stopping.wait()
    server.close()
    relays.end()


def connect(gateways: tuple[str, ...]) -> Any:
    """Return a connection to a gateway that takes one, or None when none did for long; names are looked up anew."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        addresses = [address for gateway in gateways for address in _looked_up(gateway)]
        for address in random.sample(addresses, len(addresses)):
            try:
                connection = socket.create_connection(address, timeout=CONNECT_SECONDS)
            except OSError:
                continue
            connection.settimeout(None)
            return connection
        gevent.sleep(PAUSE)
    return None


def _looked_up(gateway: str) -> list[tuple[str, int]]:
    host, port = _address(gateway)
    try:
        return [(str(found[4][0]), port) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except OSError:
        return []


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise click.UsageError(f"{text!r} is not an address: write host:port")
    return host.strip("[]"), int(port)


def _received(source: Any) -> bytes:
    try:
        received: bytes = source.recv(CHUNK)
    except OSError:
        return b""
    return received


def _send(target: Any, chunk: bytes) -> bool:
    try:
        target.sendall(chunk)
    except OSError:
        return False
    return True


def _shut(end: Any, how: int) -> None:
    try:
        end.shutdown(how)
    except OSError:
        return
