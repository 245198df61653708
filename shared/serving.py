"""Serve with gunicorn's gevent worker, and leave without losing a request that is on its way.

Asked to stop, a process goes on accepting until its queue of new connections is empty, answers everything that is under
way and asks each client to close its connection. One on which no request is coming is hung up after a moment. What the
application runs beside its requests ends after the last of them.
"""

import os
import socket
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import gevent
from gevent.pool import Pool
from gevent.server import StreamServer
from gunicorn.http.errors import LimitRequestLine
from gunicorn.workers.ggevent import GeventWorker

from shared import readiness

CHUNK = 8_192
LONGEST_REST = 131_072
"""Of what follows a request line that is too long, so many bytes are read, at most, before the connection is closed."""
LOOK_SECONDS = 0.2
LINGER_SECONDS = 3.0
"""A client that sends one request after the other over a connection has sent another one within this."""


class Connection:
    """A client's socket that knows whether a request is on its way; all else is the socket's own."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.is_idle = True

    def recv(self, *arguments: Any) -> bytes:
        """Receive, and note that something came."""
        received: bytes = self._client.recv(*arguments)
        self.is_idle = False
        return received

    def hang_up(self) -> None:
        """Let whoever reads from it see its end; what has arrived by now is read before."""
        try:
            self._client.shutdown(socket.SHUT_RD)
        except OSError:  # The client was faster.
            return

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


@dataclass(frozen=True)
class Place:
    """Where a listener listened; it may be closed before the requests of its last connections begin."""

    name: Any

    def getsockname(self) -> Any:
        """Return the address, as the listener itself would."""
        return self.name


def answer(status: str, media_type: str, body: bytes) -> bytes:
    """Return a whole HTTP answer, after which the connection is closed."""
    head = (
        f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Worker(GeventWorker):  # type: ignore[misc]
    """gunicorn's process of one application, with a way to end that no client notices."""

    too_long: ClassVar[bytes]
    """The whole answer to a request line that is too long."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._connections: dict[object, Connection] = {}

    def run(self) -> None:
        """Serve until a stop is asked for, then end what is under way."""
        pools = {listener: Pool(self.worker_connections) for listener in self.sockets}
        servers = [self._serve(listener, pool) for listener, pool in pools.items()]
        readiness.tell(os.environ)
        while self.alive:
            self.notify()
            gevent.sleep(LOOK_SECONDS)
        for server in servers:
            _close(server)
        self._end(pools.values())
        self._application.extensions["running"].stop()

    def load_wsgi(self) -> None:
        """Load the application, with a word of ours before each answer."""
        super().load_wsgi()
        self._application: Any = self.wsgi
        self.wsgi: Any = self._answer

    def handle(self, listener: Place, client: Any, address: Any) -> None:
        """Serve a connection, and remember it meanwhile."""
        greenlet = gevent.getcurrent()
        connection = self._connections[greenlet] = Connection(client)
        try:
            super().handle(listener, connection, address)
        finally:
            del self._connections[greenlet]

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Answer what never becomes a request; a line that is too long has an answer of ours."""
        if not isinstance(exc, LimitRequestLine):
            super().handle_error(req, client, addr, exc)
            return
        self.log.warning("request line too long")
        try:
            _say_and_linger(client, self.too_long)
        except OSError:  # The client has hung up.
            return

    @contextmanager
    def timeout_ctx(self) -> Iterator[None]:
        """Bound the time until the next request is there; gunicorn enters this between the requests of a connection."""
        connection = self._connections[gevent.getcurrent()]
        connection.is_idle = True
        with super().timeout_ctx():
            yield
        connection.is_idle = False

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer, and close the connection if a stop was asked for: gunicorn decides that before the work begins."""

        def start(*arguments: Any) -> Any:
            if not self.alive:
                start_response.__self__.force_close()
            return start_response(*arguments)

        answer: Iterable[bytes] = self._application(environ, start)
        return answer

    def _serve(self, listener: Any, pool: Pool) -> StreamServer:
        listener.setblocking(1)
        place = Place(listener.getsockname())
        server = StreamServer(listener, handle=partial(self.handle, place), spawn=pool)
        if self.cfg.workers > 1:
            server.max_accept = 1  # Else one process takes what its idle siblings could.
        server.start()
        return server

    def _end(self, pools: Collection[Pool]) -> None:
        """Wait for the last connection, though not for ever: before gunicorn kills this process it goes by itself."""
        began = time.monotonic()
        while any(pools) and time.monotonic() - began < self.cfg.graceful_timeout - LINGER_SECONDS:
            if time.monotonic() - began > LINGER_SECONDS:
                self._hang_up_idle_ones()
            self.notify()
            gevent.sleep(LOOK_SECONDS)
        if any(pools):
            self.log.warning("connections cut off")

    def _hang_up_idle_ones(self) -> None:
        for connection in list(self._connections.values()):
            if connection.is_idle:
                connection.hang_up()


def _say_and_linger(client: Any, answer: bytes) -> None:
    """Say something, and read on for a while: to close before the client is done would take the answer from it."""
    client.settimeout(LINGER_SECONDS)
    client.sendall(answer)
    client.shutdown(socket.SHUT_WR)
    for _ in range(LONGEST_REST // CHUNK):
        if not client.recv(CHUNK):
            return


def _close(server: StreamServer) -> None:
    """Stop accepting, after what has connected by now: closing a listener resets what waits in its queue."""
    server.stop_accepting()
    while not server.full():
        accepted: Any = server.do_read()
        if accepted is None:
            break
        server.do_handle(*accepted)
    server.close()
