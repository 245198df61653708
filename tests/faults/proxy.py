"""A small TCP proxy that can be told to be a bad network: between the processes, and PostgreSQL and Redis.

It listens on ports of 127.0.0.1, goes to unix sockets, and takes orders on a socket of its own: one JSON line says
which toxics a proxy has from now on. They apply to connections that are open, too.

    python -m tests.faults.proxy CONTROL NAME=PORT=SOCKET ...
"""

import asyncio
import json
import random
import socket
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.toxics import Direction, Kind, Toxic

CHUNK = 65_536
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends a reset."""


@dataclass(eq=False)
class Link:
    """One client's connection, with the connection to the server behind it."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    passed: dict[Direction, int] = field(default_factory=lambda: dict.fromkeys(Direction, 0))

    def close(self) -> None:
        """Close both sides."""
        for side in (self.client, self.server):
            side.close()

    def reset(self) -> None:
        """End the client's side with a reset, and the server's side at once."""
        with suppress(OSError):
            self.client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        for side in (self.client, self.server):
            side.transport.abort()


class Proxy:
    """One port, the server behind it, and what is wrong in between."""

    def __init__(self, port: int, upstream: str) -> None:
        self._port, self._upstream = port, upstream
        self._toxics: tuple[Toxic, ...] = ()
        self._changed = asyncio.Event()
        self._links: set[Link] = set()
        self._listener: asyncio.Server | None = None

    async def listen(self) -> None:
        """Take connections from now on."""
        if self._listener is None:
            self._listener = await asyncio.start_server(self._connect, "127.0.0.1", self._port, backlog=256)

    async def close(self) -> None:
        """End everything, and return when nothing is left of it."""
        await self.poison([Toxic(kind=Kind.DOWN)])
        while self._links:
            await asyncio.sleep(0)

    async def poison(self, toxics: Iterable[Toxic]) -> None:
        """Have these toxics, and no others, from now on."""
        self._toxics = tuple(toxics)
        self._changed.set()
        self._changed = asyncio.Event()
        for toxic in self._toxics:
            if toxic.kind is Kind.DOWN:
                await self._go_down()
            if toxic.kind in {Kind.RESET_PEER, Kind.TIMEOUT}:
                for link in self._links:
                    asyncio.get_running_loop().call_later(toxic.milliseconds / 1000, self._end, link, toxic)
        if not any(toxic.kind is Kind.DOWN for toxic in self._toxics):
            await self.listen()

    async def _go_down(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for link in tuple(self._links):
            link.reset()

    def _end(self, link: Link, toxic: Toxic) -> None:
        if toxic in self._toxics:
            link.reset() if toxic.kind is Kind.RESET_PEER else link.close()

    async def _connect(self, from_client: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            from_server, server = await asyncio.open_unix_connection(self._upstream)
        except OSError:
            client.transport.abort()
            return
        link = Link(client=client, server=server)
        self._links.add(link)
        for toxic in self._toxics:
            if toxic.kind in {Kind.RESET_PEER, Kind.TIMEOUT}:
                asyncio.get_running_loop().call_later(toxic.milliseconds / 1000, self._end, link, toxic)
        try:
            await asyncio.gather(
                self._pump(link, from_client, server, Direction.UP),
                self._pump(link, from_server, client, Direction.DOWN),
            )
        finally:
            self._links.discard(link)
            link.close()

    async def _pump(
        self, link: Link, source: asyncio.StreamReader, target: asyncio.StreamWriter, direction: Direction
    ) -> None:
        """Carry what comes from one side to the other, for as long as both are there."""
        with suppress(OSError):
            while data := await source.read(CHUNK):
                toxics = [toxic for toxic in self._toxics if direction in toxic.directions]
                if toxics:
                    await self._spoil(link, data, target, direction)
                else:
                    target.write(data)
                    await target.drain()
        link.close()

    async def _spoil(self, link: Link, data: bytes, target: asyncio.StreamWriter, direction: Direction) -> None:
        """Carry a piece through all toxics that there are by then."""
        while held := self._holding(direction):
            await held.wait()
        size = len(data)
        for toxic in self._toxics:
            if direction not in toxic.directions:
                continue
            match toxic.kind:
                case Kind.LATENCY:
                    await asyncio.sleep((toxic.milliseconds + random.uniform(0, toxic.jitter)) / 1000)
                case Kind.SLICER:
                    size = toxic.size
                case Kind.LIMIT_DATA:
                    left = toxic.size - link.passed[direction]
                    link.passed[direction] += len(data)
                    data = data[: max(0, left)]
                case Kind.PARTITION | Kind.TIMEOUT | Kind.RESET_PEER | Kind.DOWN:
                    pass
        await self._write(target, data, size, direction)
        if any(toxic.kind is Kind.LIMIT_DATA and link.passed[direction] >= toxic.size for toxic in self._toxics):
            link.close()

    async def _write(self, target: asyncio.StreamWriter, data: bytes, size: int, direction: Direction) -> None:
        for begin in range(0, len(data), size):
            target.write(data[begin : begin + size])
            await target.drain()
            slicing = [t for t in self._toxics if t.kind is Kind.SLICER and direction in t.directions]
            if slicing:
                await asyncio.sleep(slicing[0].milliseconds / 1000)

    def _holding(self, direction: Direction) -> asyncio.Event | None:
        """Return what to wait for when nothing may pass now."""
        holds = {Kind.PARTITION, Kind.TIMEOUT}
        is_held = any(toxic.kind in holds and direction in toxic.directions for toxic in self._toxics)
        return self._changed if is_held else None


async def serve(control: Path, proxies: dict[str, Proxy]) -> None:
    """Run proxies, and take orders, until cancelled."""

    async def obey(orders: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        while line := await orders.readline():
            order = json.loads(line)
            await proxies[order["proxy"]].poison(Toxic.of(toxic) for toxic in order["toxics"])
            answers.write(b"done\n")
        answers.close()

    for proxy in proxies.values():
        await proxy.listen()
    async with await asyncio.start_unix_server(obey, control) as server:
        await server.serve_forever()


def command(control: Path, name: str, toxics: Iterable[Toxic]) -> None:
    """Tell a running proxy which toxics it has from now on."""
    order = {"proxy": name, "toxics": [toxic.document() for toxic in toxics]}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(control))
        connection.sendall(json.dumps(order).encode() + b"\n")
        assert connection.recv(16) == b"done\n", "the proxy did not understand"


def main(control: str, *places: str) -> None:
    """Run until killed."""
    proxies: dict[str, Proxy] = {}

    async def run() -> None:
        for place in places:
            name, port, upstream = place.split("=", 2)
            proxies[name] = Proxy(int(port), upstream)
        await serve(Path(control), proxies)

    asyncio.run(run())


if __name__ == "__main__":
    main(*sys.argv[1:])
