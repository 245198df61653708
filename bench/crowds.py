"""Crowds that cost others nothing, or should: idle and slow connections, and somebody who guesses tokens.

Each runs in a process of its own, which would else share the interpreter with the client that is measured.
"""

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from multiprocessing.synchronize import Event

from services.directory import token_secrets

IDLE, DRIPPING, BODIES, READERS = 1_000, 300, 200, 100
GUESSES_A_MINUTE = 10_000
GUESSER = "198.51.100.7"
DRIP_SECONDS = 0.5
START_SECONDS = 120.0
SETTLING_SECONDS = 3.0
SMALLEST, ASKED = 4_096, 20
"""The buffer of a client that reads nothing, and how many answers of some 30 KB it asks for."""

_processes = get_context("spawn")
_START = "{} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n"


@contextmanager
def beside(name: str, address: str, secret: str) -> Iterator[None]:
    """Have a crowd there for the duration of the block; it has come whole when the block begins."""
    stop, is_there = _processes.Event(), _processes.Event()
    process = _processes.Process(target=_run, args=(name, address, secret, stop, is_there))
    process.start()
    try:
        if not is_there.wait(START_SECONDS):
            raise TimeoutError(f"{name} did not come")
        yield
    finally:
        stop.set()
        process.join()
    if process.exitcode:
        raise RuntimeError(f"{name} ended with {process.exitcode}")


def _run(name: str, address: str, secret: str, stop: Event, is_there: Event) -> None:
    CROWDS[name](address, secret, stop, is_there)


def _idle(address: str, _: str, stop: Event, is_there: Event) -> None:
    """Say nothing; whoever is hung up on comes again."""
    _stay(address, IDLE, b"", b"", stop, is_there)


def _dripping(address: str, secret: str, stop: Event, is_there: Event) -> None:
    """Send headers that never end."""
    _stay(
        address, DRIPPING, _START.format("GET /rest/scim/v2/Users", secret).encode(), b"X-Drip: 1\r\n", stop, is_there
    )


def _bodies(address: str, secret: str, stop: Event, is_there: Event) -> None:
    """Send bodies that never end; their tenant is another one than that of who is measured."""
    start = _START.format("POST /rest/scim/v2/Users", secret) + "Content-Length: 1000000\r\n\r\n{"
    _stay(address, BODIES, start.encode(), b" ", stop, is_there)


def _readers(address: str, secret: str, stop: Event, is_there: Event) -> None:
    """Ask for more than the buffers between the two can hold, and read nothing of it."""
    asked = _START.format("GET /rest/scim/v2/Schemas", secret).encode() + b"\r\n"
    with ExitStack() as opened:
        for _ in range(READERS):
            connection = opened.enter_context(_connected(address, receive=SMALLEST))
            connection.sendall(asked * ASKED)
        time.sleep(SETTLING_SECONDS)
        is_there.set()
        stop.wait()


def _guesser(address: str, _: str, stop: Event, is_there: Event) -> None:
    """Send wrong tokens at an even pace, over connections that are kept; each is answered before the next is sent."""
    pause = 60 / GUESSES_A_MINUTE
    with _connected(address) as connection:
        connection.settimeout(60)
        due = time.monotonic()
        while not stop.is_set():
            start = _START.format("GET /rest/scim/v2/Users", token_secrets.generate())
            connection.sendall(f"{start}X-Forwarded-For: {GUESSER}\r\n\r\n".encode())
            if not connection.recv(65_536):
                raise ConnectionError("the guesser was hung up on")
            is_there.set()
            due = max(due + pause, time.monotonic() - 1)
            time.sleep(max(0.0, due - time.monotonic()))


Crowd = Callable[[str, str, Event, Event], None]
CROWDS: Mapping[str, Crowd] = {
    f"{IDLE} idle connections": _idle,
    f"{DRIPPING} with headers that never end": _dripping,
    f"{BODIES} with bodies that never end": _bodies,
    f"{READERS} that read no answer": _readers,
    f"{GUESSES_A_MINUTE} wrong tokens a minute": _guesser,
}


def _stay(address: str, number: int, start: bytes, more: bytes, stop: Event, is_there: Event) -> None:
    """Keep so many connections, which begin with something and go on with more of it until told to stop."""
    with ExitStack() as opened:
        there = [opened.enter_context(_begun(address, start)) for _ in range(number)]
        is_there.set()
        while not stop.wait(DRIP_SECONDS):
            for place, each in enumerate(there):
                if not _goes_on(each, more):
                    there[place] = opened.enter_context(_begun(address, start))


def _begun(address: str, start: bytes) -> socket.socket:
    connection = _connected(address)
    connection.sendall(start)
    connection.settimeout(0)
    return connection


def _goes_on(connection: socket.socket, more: bytes) -> bool:
    """Send some more, of which the other side may take nothing; return whether it has not hung up."""
    try:
        if more:
            connection.send(more)
        return bool(more) or connection.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def _connected(address: str, receive: int = 0) -> socket.socket:
    """Connect; the buffer for what is received is as large as this, or as the system has it."""
    host, _, port = address.rpartition(":")
    connection = socket.socket()
    if receive:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    connection.settimeout(60)
    connection.connect((host, int(port)))
    return connection
