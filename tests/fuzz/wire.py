"""Speak HTTP over a socket as bytes, so that what is wrong with a request reaches the server, and time the answers."""

import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

PATIENCE = 60.0
"""Seconds after which nothing is coming any more; what takes more than one of them is looked at already."""

BODILESS = frozenset({204, 304})
CHUNK = 65_536
EVENTS = "text/event-stream"
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


class NoAnswerError(Exception):
    """The server hung up without a whole answer, or said what is no HTTP."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer, and the seconds from the last byte of its request to its own first one."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


class Wire:
    """A connection that is kept from one request to the next, and made anew when the server ends it."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._address = host, int(port)
        self._socket: socket.socket | None = None
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._rest = None, b""

    def ask(self, request: bytes) -> Answer:
        """Send one whole request, and return its answer. Raises NoAnswerError."""
        is_fresh = self._socket is None
        try:
            return self._asked(request)
        except NoAnswerError:
            self.close()
            if is_fresh:
                raise
        # The server may have ended a connection that was kept, before it saw this request.
        try:
            return self._asked(request)
        except NoAnswerError:
            self.close()
            raise

    def shout(self, sent: bytes) -> tuple[list[int], float]:
        """Send bytes over a connection of their own, and nothing after; return the statuses that come back, and when.

        Raises NoAnswerError for what comes back and is no HTTP.
        """
        with socket.create_connection(self._address, timeout=PATIENCE) as connection:
            _send(connection, sent)
            begun = time.perf_counter()
            _end(connection)
            received = _everything(connection)
            seconds = time.perf_counter() - begun
        statuses = [int(each) for each in _STATUS.findall(received)]
        if received and not _STATUS.match(received):
            raise NoAnswerError(f"this is no HTTP: {received[:80]!r}")
        return statuses, seconds

    def _asked(self, request: bytes) -> Answer:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=PATIENCE)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _send(self._socket, request)
        begun = time.perf_counter()
        answer = self._read(is_head=request.startswith(b"HEAD "), begun=begun)
        if answer.headers.get("connection", "").lower() == "close" or _is_endless(answer.headers):
            self.close()
        return answer

    def _read(self, *, is_head: bool, begun: float) -> Answer:
        head = self._until(b"\r\n\r\n")
        seconds = time.perf_counter() - begun
        status = _STATUS.match(head)
        if status is None:
            raise NoAnswerError(f"this is no HTTP: {head[:80]!r}")
        if status[1] == b"100":
            return self._read(is_head=is_head, begun=begun)
        pairs = (line.partition(": ") for line in head.decode("latin-1").split("\r\n")[1:])
        headers = {key.lower(): value for key, _, value in pairs if key}
        is_bare = is_head or int(status[1]) in BODILESS or _is_endless(headers)
        body = b"" if is_bare else self._body(headers)
        return Answer(status=int(status[1]), headers=headers, body=body, seconds=seconds)

    def _body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return self._exactly(int(headers["content-length"]))
        parts = []
        while size := int(self._until(b"\r\n"), 16):
            parts.append(self._exactly(size + 2)[:-2])
        self._until(b"\r\n")
        return b"".join(parts)

    def _until(self, end: bytes) -> bytes:
        while end not in self._rest:
            self._rest += self._received()
        found, _, self._rest = self._rest.partition(end)
        return found + end

    def _exactly(self, size: int) -> bytes:
        while len(self._rest) < size:
            self._rest += self._received()
        found, self._rest = self._rest[:size], self._rest[size:]
        return found

    def _received(self) -> bytes:
        assert self._socket is not None
        try:
            chunk = self._socket.recv(CHUNK)
        except OSError as error:
            raise NoAnswerError(f"the connection broke: {type(error).__name__}") from error
        if not chunk:
            raise NoAnswerError("the connection was closed")
        return chunk


def _is_endless(headers: Mapping[str, str]) -> bool:
    """Whether an answer goes on for as long as somebody looks at it, as that of a live page does."""
    return headers.get("content-type", "").startswith(EVENTS)


def _send(connection: socket.socket, sent: bytes) -> None:
    """Send as much as the server takes: it may have answered, and hung up, before the end."""
    try:
        connection.sendall(sent)
    except OSError:
        return


def _end(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        return


def _everything(connection: socket.socket) -> bytes:
    received = []
    try:
        while chunk := connection.recv(CHUNK):
            received.append(chunk)
            if b"\r\nContent-Type: " + EVENTS.encode() in received[0]:
                break
    except ConnectionError:
        pass
    return b"".join(received)
