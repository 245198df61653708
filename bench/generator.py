"""Send load from a process of its own, with little more work than the sockets themselves, and tell how it was answered.

One process keeps all connections with asyncio: requests are whole byte strings, and of an answer only the status and
its end are read. What that process costs is measured with the rest, so that a report can say what the load itself took.
"""

import asyncio
import pickle
import resource
import subprocess
import sys
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_END = b"\r\n\r\n"
_LENGTH = b"content-length:"
_CHUNKED = b"transfer-encoding: chunked"
_LAST_CHUNK = b"\r\n0\r\n\r\n"
SAMPLE = 300
"""Characters of an unwanted answer that are kept."""

Requests = Callable[[], Iterator[bytes]]
"""Makes the requests to send, one after the other; it is called in the process that sends them."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is sent: where to, over how many connections, for how long, and whether at a rate or as fast as answered."""

    address: str
    requests: Requests
    connections: int
    seconds: float
    warmup_seconds: float = 0.0
    per_second: float | None = None
    """Requests begun in a second, whatever is answered; None sends the next one after each answer."""
    most: int | None = None
    """No more requests than this."""


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What came back within the time that counts."""

    count: int
    seconds: float
    milliseconds: "array[float]"
    """How long each took, in ascending order; at a rate, from when it was due."""
    failures: int
    sent: int
    """All requests, those of the time to warm up included."""
    sample: str
    """The first answer that was no success."""
    own_seconds: float
    """Processor time of the process that sent all this."""

    @property
    def per_second(self) -> float:
        return self.count / self.seconds if self.seconds else 0.0

    @property
    def own_share(self) -> float:
        """The part of one core that sending took."""
        return self.own_seconds / self.seconds if self.seconds else 0.0

    def percentile(self, percent: float) -> float:
        """Return a percentile by nearest rank, in milliseconds; 0 if nothing was answered."""
        if not self.milliseconds:
            return 0.0
        return self.milliseconds[min(len(self.milliseconds) - 1, int(len(self.milliseconds) * percent / 100))]


class LoadError(Exception):
    """Nothing useful can be measured: no answer was a success."""


def send(load: Load) -> Answered:
    """Send a load from a process of its own. Raises LoadError when nothing succeeds."""
    return send_all([load])[0]


def send_all(loads: list[Load]) -> list[Answered]:
    """Send several loads at once, all from one process. Raises LoadError when nothing of one succeeds."""
    argv = [sys.executable, "-m", "bench.sending"]
    done = subprocess.run(argv, cwd=ROOT, input=pickle.dumps(loads), capture_output=True, check=False)  # noqa: S603
    if done.returncode:
        raise LoadError(done.stderr.decode(errors="replace")[-SAMPLE:])
    found: list[Answered] = pickle.loads(done.stdout)  # noqa: S301 - from the process that was just started.
    for each in found:
        if not each.count:
            raise LoadError(f"{each.failures} failures: {each.sample or 'no answer'}")
    return found


def run(loads: list[Load]) -> list[Answered]:
    """Send several loads at once from this process."""
    return asyncio.run(_together(loads))


async def _together(loads: list[Load]) -> list[Answered]:
    return list(await asyncio.gather(*(_Sender(load).run() for load in loads)))


@dataclass
class _Sender:
    """Sends one load, and counts."""

    load: Load
    times: "array[float]" = field(default_factory=lambda: array("d"))
    failures: int = 0
    sample: str = ""
    is_counting: bool = False
    due: "deque[float]" = field(default_factory=deque)
    """When the requests that wait for a connection should have been sent."""
    idle: "list[_Connection]" = field(default_factory=list)
    sent: int = 0
    is_over: bool = False
    pending: int = 0

    async def run(self) -> Answered:
        self._requests = self.load.requests()
        self._done = asyncio.Event()
        host, _, port = self.load.address.rpartition(":")
        loop = asyncio.get_running_loop()
        made = [
            await loop.create_connection(lambda: _Connection(self), host, int(port))
            for _ in range(self.load.connections)
        ]
        self._connections = [connection for _, connection in made]
        ticking = self._begin()
        if self.load.warmup_seconds:
            await self._pause(self.load.warmup_seconds)
        begun, own = self._count()
        await self._pause(self.load.seconds)
        self.is_counting = False
        seconds, own_seconds = time.perf_counter() - begun, _processor_seconds() - own
        self.is_over = True
        if ticking is not None:
            ticking.cancel()
        await self._settle()
        return Answered(
            count=len(self.times),
            seconds=seconds,
            milliseconds=array("d", sorted(self.times)),
            failures=self.failures,
            sent=self.sent,
            sample=self.sample,
            own_seconds=own_seconds,
        )

    def _begin(self) -> "asyncio.Task[None] | None":
        if self.load.per_second is not None:
            self.idle = list(self._connections)
            return asyncio.create_task(self._tick(self.load.per_second))
        for connection in self._connections:
            self.next(connection)
        return None

    def _count(self) -> tuple[float, float]:
        self.is_counting = True
        return time.perf_counter(), _processor_seconds()

    async def _pause(self, seconds: float) -> None:
        """Wait for a while, or until all that may be sent was answered."""
        try:
            await asyncio.wait_for(self._done.wait(), seconds)
        except TimeoutError:
            return

    async def _settle(self) -> None:
        """Let what is under way end, for the next load is not to be measured together with it."""
        begin = time.perf_counter()
        while self.pending and time.perf_counter() < begin + 30:
            await asyncio.sleep(0.01)
        for connection in self._connections:
            connection.close()

    async def _tick(self, per_second: float) -> None:
        begin, number = time.perf_counter(), 0
        while True:
            now = time.perf_counter()
            while begin + number / per_second <= now:
                self.due.append(begin + number / per_second)
                number += 1
            while self.due and self.idle:
                self._send(self.idle.pop(), self.due.popleft())
            await asyncio.sleep(0.001)

    def next(self, connection: "_Connection") -> None:
        """Use a connection that is free."""
        if self.is_over:
            return
        if self.load.per_second is None:
            self._send(connection, time.perf_counter())
        elif self.due:
            self._send(connection, self.due.popleft())
        else:
            self.idle.append(connection)

    def _send(self, connection: "_Connection", since: float) -> None:
        payload = None if self.sent == self.load.most else next(self._requests, None)
        if payload is None:
            if not self.pending:
                self._done.set()
            return
        self.sent += 1
        self.pending += 1
        connection.send(payload, since)

    def answered(self, connection: "_Connection", status: bytes, head: bytes, since: float) -> None:
        """Note an answer, and go on."""
        self.pending -= 1
        if status[:1] != b"2":
            self.failures += 1
            self.sample = self.sample or head[:SAMPLE].decode(errors="replace")
        elif self.is_counting:
            self.times.append((time.perf_counter() - since) * 1000)
        self.next(connection)

    def lost(self, was_waiting: bool) -> None:
        """Note a connection that was closed; what was under way on it failed."""
        if was_waiting:
            self.pending -= 1
            self.failures += 1
            self.sample = self.sample or "the connection was closed"
        if not self.pending:
            self._done.set()


class _Connection(asyncio.Protocol):
    """One connection that is kept: sends a request, and finds the end of its answer."""

    def __init__(self, sender: _Sender) -> None:
        self._sender = sender
        self._received = bytearray()
        self._since: float | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def send(self, payload: bytes, since: float) -> None:
        self._since = since
        self._transport.write(payload)

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_end = self._received.find(_END)
        if head_end < 0 or self._since is None:
            return
        head = bytes(self._received[:head_end]).lower()
        if not _is_whole(self._received, head, head_end + len(_END)):
            return
        since, self._since = self._since, None
        whole = bytes(self._received)
        self._received.clear()
        self._sender.answered(self, head[9:12], whole, since)

    def connection_lost(self, _: Exception | None) -> None:
        was_waiting, self._since = self._since is not None, None
        self._sender.lost(was_waiting)


def _is_whole(received: bytearray, head: bytes, body: int) -> bool:
    at = head.find(_LENGTH)
    if at >= 0:
        end = head.find(b"\r", at)
        return len(received) - body >= int(head[at + len(_LENGTH) : end if end >= 0 else None])
    if _CHUNKED in head:
        return received.endswith(_LAST_CHUNK) and len(received) > body
    return True  # 204 and 304 have neither.


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
