"""The proxy is a good network until it is told to be a bad one, and a good one again afterwards."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.stack import ports
from tests.faults.proxy import Proxy
from tests.faults.toxics import Direction, Kind, Toxic

TEXT = bytes(range(256)) * 40


@asynccontextmanager
async def echoing(socket: Path) -> AsyncIterator[tuple[Proxy, int]]:
    """Run a server that answers what it hears, and a proxy before it."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            writer.write(data)
        writer.close()
        await writer.wait_closed()

    port = ports.split(ports.choose({"a port": "127.0.0.1:0"})["a port"])[1]
    proxy = Proxy(port, str(socket))
    async with await asyncio.start_unix_server(echo, socket):
        await proxy.listen()
        yield proxy, port
        await proxy.close()


def run(socket: Path, act: Callable[[Proxy, int], Awaitable[None]]) -> None:
    """Run a test's steps with a proxy."""

    async def steps() -> None:
        async with echoing(socket) as (proxy, port):
            await act(proxy, port)

    asyncio.run(steps())


@pytest.mark.parametrize(
    "toxic",
    [
        None,
        Toxic(kind=Kind.LATENCY, milliseconds=5, jitter=5),
        Toxic(kind=Kind.SLICER, size=7),
        Toxic(kind=Kind.LIMIT_DATA, size=len(TEXT) + 1),
    ],
    ids=lambda toxic: toxic.kind if toxic else "none",
)
def test_everything_arrives_in_order(tmp_path: Path, toxic: Toxic | None) -> None:
    async def act(proxy: Proxy, port: int) -> None:
        await proxy.poison([toxic] if toxic else [])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

        writer.write(TEXT)

        assert await reader.readexactly(len(TEXT)) == TEXT
        writer.close()

    run(tmp_path / "echo", act)


@pytest.mark.parametrize("direction", [Direction.UP, Direction.DOWN])
def test_what_a_partition_held_back_arrives_when_it_is_healed(tmp_path: Path, direction: Direction) -> None:
    async def act(proxy: Proxy, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await proxy.poison([Toxic(kind=Kind.PARTITION, directions=(direction,))])
        writer.write(TEXT)
        answer = asyncio.ensure_future(reader.readexactly(len(TEXT)))
        done, _ = await asyncio.wait([answer], timeout=0.2)
        assert not done

        await proxy.poison([])

        assert await answer == TEXT
        writer.close()

    run(tmp_path / "echo", act)


def test_a_limit_ends_the_connection_after_so_many_bytes(tmp_path: Path) -> None:
    async def act(proxy: Proxy, port: int) -> None:
        await proxy.poison([Toxic(kind=Kind.LIMIT_DATA, directions=(Direction.DOWN,), size=100)])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

        writer.write(TEXT)

        assert await reader.read() == TEXT[:100]
        writer.close()

    run(tmp_path / "echo", act)


@pytest.mark.parametrize("kind", [Kind.RESET_PEER, Kind.DOWN])
def test_connections_are_reset(tmp_path: Path, kind: Kind) -> None:
    async def act(proxy: Proxy, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x")
        await reader.readexactly(1)

        await proxy.poison([Toxic(kind=kind)])

        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()

    run(tmp_path / "echo", act)


def test_a_timeout_closes_without_an_answer(tmp_path: Path) -> None:
    async def act(proxy: Proxy, port: int) -> None:
        await proxy.poison([Toxic(kind=Kind.TIMEOUT, milliseconds=50)])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

        writer.write(TEXT)

        assert await reader.read() == b""
        writer.close()

    run(tmp_path / "echo", act)


def test_nobody_listens_while_it_is_down_and_somebody_does_afterwards(tmp_path: Path) -> None:
    async def act(proxy: Proxy, port: int) -> None:
        await proxy.poison([Toxic(kind=Kind.DOWN)])
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)

        await proxy.poison([])

        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        writer.close()

    run(tmp_path / "echo", act)


def test_a_toxic_is_the_same_after_its_way_as_json() -> None:
    toxic = Toxic(kind=Kind.LATENCY, directions=(Direction.UP,), milliseconds=5, jitter=2)

    assert Toxic.of(dict(toxic.document())) == toxic
