"""Know the connections of a process: which ones wait, since when, and which to close when there are too many.

Whoever connects and says nothing, or says it byte by byte, keeps a place that others need. So the headers of a request
must be whole in time, and beyond a number of connections the one that has waited the longest makes place.
"""

import errno
import socket
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from gunicorn.http.errors import NoMoreData

from shared import arrivals

SEND_SECONDS = 60.0
"""A client that takes nothing for so long is given up: no identity provider waits for longer itself."""


class Connection:
    """A client's socket that knows whether a request is on its way; all else is the socket's own.

    While a request is awaited, `recv` ends in time: after `idle_seconds` without a byte, and so many `header_seconds`
    after the first one, or after the connection was made.
    """

    def __init__(self, client: Any, header_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._client, self._header_seconds, self._clock = client, header_seconds, clock
        self._waited = arrivals.waiting_seconds(client)
        self._until: float | None = clock() + header_seconds
        self.is_idle = True
        self.has_asked = False
        self.is_leaving = False

    def take_waited(self) -> float:
        """Return the seconds that the first request waited to be accepted; the requests after it did not."""
        waited, self._waited = self._waited, 0.0
        return waited

    def begin_waiting(self, idle_seconds: float) -> None:
        """Wait for a request from now on; for the first one no longer than its headers may take."""
        self.is_idle = True
        if self.has_asked:
            self._until = self._clock() + idle_seconds

    def end_waiting(self) -> None:
        """A request is there: its body has the time that its answer has."""
        self.is_idle, self.has_asked, self._until = False, True, None
        self._client.settimeout(None)

    def recv(self, *arguments: Any) -> bytes:
        """Receive, and note that something came. Raises NoMoreData, which gunicorn ends a connection on."""
        if self._until is not None:
            self._client.settimeout(max(0.001, self._until - self._clock()))
        try:
            received: bytes = self._client.recv(*arguments)
        except TimeoutError as error:
            raise NoMoreData from error
        if self.is_idle:
            self.is_idle = False
            self._until = None if self._until is None else self._clock() + self._header_seconds
        if self._until is not None and self._clock() > self._until:
            raise NoMoreData
        return received

    def sendall(self, *arguments: Any) -> None:
        """Send all of it, to a client that takes it. Raises OSError as if it had hung up when it does not."""
        self._client.settimeout(SEND_SECONDS)
        try:
            self._client.sendall(*arguments)
        except TimeoutError as error:
            raise BrokenPipeError(errno.EPIPE, "the client takes nothing") from error
        finally:
            self._client.settimeout(None)

    def hang_up(self) -> None:
        """Let whoever reads from it see its end; what has arrived by now is read before."""
        self.is_leaving = True
        try:
            self._client.shutdown(socket.SHUT_RD)
        except OSError:  # The client was faster.
            return

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


class Connections:
    """All connections of a process. Strangers are those that have never sent a whole request."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._strangers: OrderedDict[object, Connection] = OrderedDict()
        self._guests: OrderedDict[object, Connection] = OrderedDict()

    def add(self, key: object, connection: Connection) -> None:
        """Add a connection; if there are too many then, one that waits makes place: a stranger, the oldest one."""
        self._strangers[key] = connection
        if len(self._strangers) + len(self._guests) > self._most:
            self._make_place()

    def find(self, key: object) -> Connection:
        """Return a connection that has not ended."""
        return self._strangers.get(key) or self._guests[key]

    def note_request(self, key: object) -> None:
        """Note that a whole request came over a connection just now."""
        connection = self._strangers.pop(key, None) or self._guests.pop(key)
        self._guests[key] = connection

    def remove(self, key: object) -> None:
        """Forget a connection that has ended."""
        if self._strangers.pop(key, None) is None:
            self._guests.pop(key, None)

    def hang_up_idle_ones(self) -> None:
        """Hang up each on which no request is coming."""
        for connection in [*self._strangers.values(), *self._guests.values()]:
            if connection.is_idle:
                connection.hang_up()

    def _make_place(self) -> None:
        for connection in self._strangers.values():
            if not connection.is_leaving:
                connection.hang_up()
                return
        for connection in self._guests.values():
            if connection.is_idle and not connection.is_leaving:
                connection.hang_up()
                return
