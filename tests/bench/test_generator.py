"""The load generator against a server that answers in every way that HTTP knows, and fails when it is told to."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from bench.bodies import Once
from bench.generator import Load, LoadError, send

ANSWERS = {
    b"/length": b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nX-Ends-In: 0\r\n\r\nABCDEFG",
    # The head ends as the last chunk does.
    b"/chunked": b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nX-Id: 10\r\n\r\n1\r\nA\r\n0\r\n\r\n",
    b"/empty": b"HTTP/1.1 204 No Content\r\n\r\n",
    b"/refused": b"HTTP/1.1 409 Conflict\r\nContent-Length: 6\r\n\r\nin use",
}


class Server(threading.Thread):
    """Answers each path with its answer, one byte after the other, so that no read finds a whole one."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.address = ""
        self._is_ready = threading.Event()

    def __enter__(self) -> "Server":
        self.start()
        self._is_ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self.join()

    def run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._is_ready.set()
        await self._stopped.wait()
        server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await _head(reader):
            for byte in ANSWERS[head.split()[1]]:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0)
        writer.close()


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server of answers."""
    with Server() as running:
        yield running


@pytest.mark.parametrize("path", ["/length", "/chunked", "/empty"])
def test_every_answer_is_counted_once_however_its_end_is_told(server: Server, path: str) -> None:
    answered = send(_load(server, [path] * 60, connections=3))

    assert (answered.count, answered.failures, answered.sent) == (60, 0, 60)
    assert len(answered.milliseconds) == 60
    assert 0 < answered.percentile(50) <= answered.percentile(99)


def test_a_refusal_is_a_failure_and_the_first_one_is_kept(server: Server) -> None:
    answered = send(_load(server, ["/empty", "/refused", "/empty"], connections=1))

    assert (answered.count, answered.failures) == (2, 1)
    assert answered.sample.endswith("in use")


def test_nothing_but_refusals_is_no_result(server: Server) -> None:
    with pytest.raises(LoadError, match="409 Conflict"):
        send(_load(server, ["/refused"] * 3, connections=1))


def test_a_steady_rate_does_not_wait_for_answers(server: Server) -> None:
    load = _load(server, ["/length"] * 40, connections=4)

    answered = send(Load(**{**vars(load), "per_second": 200.0}))

    assert (answered.count, answered.failures) == (40, 0)


def _load(server: Server, paths: list[str], connections: int) -> Load:
    requests = Once(requests=[f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode() for path in paths])
    return Load(address=server.address, requests=requests, connections=connections, seconds=120, most=len(paths))
