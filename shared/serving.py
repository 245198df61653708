"""Serve with gunicorn's gevent worker, and leave without losing a request that is on its way.

Asked to stop, a process goes on accepting until its queue of new connections is empty, answers everything that is under
way and asks each client to close its connection. One on which no request is coming is hung up after a moment. What the
application runs beside its requests ends after the last of them.
"""

import mmap
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
from gunicorn.http import message
from gunicorn.http import wsgi as answers
from gunicorn.http.errors import (
    ExpectationFailed,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.workers.ggevent import GeventWorker

from shared import metrics, readiness
from shared.arrivals import WAITED
from shared.connections import Connection, Connections

AROUND_FIELD = len(": \r\n")

SPARE = 100
"""Places for connections that have been hung up and have not ended yet."""

# It would keep the largest field a hundred times over before it refuses: the limit is one for all fields together.
message.Message.max_buffer_headers = property(lambda self: self.limit_request_field_size, lambda _, __: None)

# The name of a server tells whoever looks for servers with a known hole which ones to try.
answers.SERVER = "Muster"

LONGEST_REST = 131_072
"""Of what follows a request that is too long, so many bytes are read, at most, before the connection is closed."""
CHUNK = 8_192
LOOK_SECONDS = 0.2
LINGER_SECONDS = 3.0
"""A client that sends one request after the other over a connection has sent another one within this."""


def answer(status: str, media_type: str, body: bytes, *headers: str) -> bytes:
    """Return a whole HTTP answer, after which the connection is closed."""
    about = (f"Content-Type: {media_type}", f"Content-Length: {len(body)}", "Connection: close")
    return "\r\n".join((f"HTTP/1.1 {status}", *about, *headers, "\r\n")).encode() + body


@dataclass(frozen=True)
class Place:
    """Where a listener listened; it may be closed before the requests of its last connections begin."""

    name: Any

    def getsockname(self) -> Any:
        """Return the address, as the listener itself would."""
        return self.name


class Worker(GeventWorker):  # type: ignore[misc]
    """gunicorn's process of one application, with a way to end that no client notices."""

    line_too_long: ClassVar[bytes]
    """The whole answer to a request line that is too long."""
    headers_too_large: ClassVar[bytes]
    """The whole answer to headers that are too large."""
    unreadable: ClassVar[bytes]
    """The whole answer to what is no HTTP, or HTTP that no two servers read alike."""
    expecting: ClassVar[bytes]
    """The whole answer to an expectation that nobody here meets."""
    strangely_coded: ClassVar[bytes]
    """The whole answer to a transfer coding that nobody here knows."""
    failed: ClassVar[bytes]
    """The whole answer where the application itself has none."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._connections = Connections(self.worker_connections)
        # It is made before the fork, so that both processes see it.
        self._at_work = mmap.mmap(-1, 1)

    def run(self) -> None:
        """Serve until a stop is asked for, then end what is under way."""
        pools = {listener: Pool(self.worker_connections + SPARE) for listener in self.sockets}
        servers = [self._serve(listener, pool) for listener, pool in pools.items()]
        self._at_work[0] = True
        readiness.tell(os.environ)
        while self.alive:
            self.notify()
            gevent.sleep(LOOK_SECONDS)
        self.leave()
        for server in servers:
            _close(server)
        self._end(pools.values())
        self._application.extensions["running"].stop()

    def is_at_work(self) -> bool:
        """Whether it has begun to take connections; its first process asks that."""
        return bool(self._at_work[0])

    def leave(self) -> None:
        """End what would not end by itself; the last requests are answered afterwards."""

    def load_wsgi(self) -> None:
        """Load the application, with a word of ours before each answer."""
        super().load_wsgi()
        self._application: Any = self.wsgi
        self.wsgi: Any = self._answer

    def handle(self, listener: Place, client: Any, address: Any) -> None:
        """Serve a connection, and remember it meanwhile."""
        key = gevent.getcurrent()
        connection = Connection(client, self._application.config["header_seconds"])
        self._connections.add(key, connection)
        try:
            super().handle(listener, connection, address)
        finally:
            self._connections.remove(key)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        """Answer a request, whose headers are not too large together. Raises LimitRequestHeaders."""
        size = sum(len(name) + len(value) + AROUND_FIELD for name, value in req.headers)
        if size > self.cfg.limit_request_field_size:
            raise LimitRequestHeaders("all of them")
        super().handle_request(listener_name, req, sock, addr)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:  # noqa: ARG002 - gunicorn's.
        """Answer what never becomes a request, and log what kind of thing it was, though nothing of what was sent."""
        match exc:
            case LimitRequestLine():
                self.log.warning("request line too long")
                said = self.line_too_long
            case LimitRequestHeaders():
                self.log.warning("request headers too large")
                metrics.count(metrics.LIMITED, "headers")
                said = self.headers_too_large
            case ParseException():
                # Its text quotes the request: a token and values may stand where gunicorn looks for something else.
                self.log.warning("request cannot be read", extra={"error": type(exc).__name__})
                said = self._unread(exc)
            case _:
                self.log.error("request failed", exc_info=exc)
                said = self.failed
        try:
            _say_and_linger(client, said)
        except OSError:  # The client has hung up.
            return

    def _unread(self, error: ParseException) -> bytes:
        match error:
            case ExpectationFailed():
                return self.expecting
            case UnsupportedTransferCoding():
                return self.strangely_coded
            case _:
                return self.unreadable

    @contextmanager
    def timeout_ctx(self) -> Iterator[None]:
        """Bound the time until the next request is there; gunicorn enters this between the requests of a connection."""
        key = gevent.getcurrent()
        connection = self._connections.find(key)
        connection.begin_waiting(self.cfg.keepalive)
        yield
        connection.end_waiting()
        self._connections.note_request(key)

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer, and close the connection if a stop was asked for: gunicorn decides that before the work begins."""

        def start(*arguments: Any) -> Any:
            if not self.alive:
                start_response.__self__.force_close()
            return start_response(*arguments)

        environ[WAITED] = environ["gunicorn.socket"].take_waited()
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
                self._connections.hang_up_idle_ones()
            self.notify()
            gevent.sleep(LOOK_SECONDS)
        if any(pools):
            self.log.warning("connections cut off")


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
