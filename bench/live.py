"""Open many live pages of a connection at once, and tell when each of them shows a step."""

import re
import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

REACHED = b'class="has"'
PATIENCE = 60.0
_PART = re.compile(rb"event: part\r?\n(.*?)\r?\n\r?\n", re.DOTALL)


@dataclass
class _Page:
    """A page: what came and was not read yet, and how many steps it shows, since when."""

    reply: bytes = b""
    steps: int = -1
    since: float = 0.0


class Watchers:
    """Live pages, each a connection of its own."""

    def __init__(self, address: str, path: str, sessions: Sequence[str], each: int) -> None:
        host, _, port = address.rpartition(":")
        self._selector = selectors.DefaultSelector()
        self._pages: list[_Page] = []
        for session in sessions:
            for _ in range(each):
                opened = socket.create_connection((host, int(port)))
                request = f"GET {path} HTTP/1.1\r\nHost: {address}\r\nCookie: muster-session={session}\r\n\r\n"
                opened.sendall(request.encode())
                page = _Page()
                self._pages.append(page)
                self._selector.register(opened, selectors.EVENT_READ, page)
            self.until(0)

    def __enter__(self) -> "Watchers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for key in list(self._selector.get_map().values()):
            self._selector.unregister(key.fileobj)
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()

    def __len__(self) -> int:
        return len(self._pages)

    def until(self, steps: int) -> list[float]:
        """Wait until every page shows so many steps; return when each did."""
        began = time.perf_counter()
        while any(page.steps < steps for page in self._pages):
            assert time.perf_counter() - began < PATIENCE, f"pages that show no {steps} steps"
            for key, _ in self._selector.select(1.0):
                self._read(key.fileobj, key.data)
        return [page.since for page in self._pages]

    def _read(self, opened: object, page: _Page) -> None:
        assert isinstance(opened, socket.socket)
        received, now = opened.recv(65_536), time.perf_counter()
        assert received, "a stream ended"
        page.reply += received
        while (found := _PART.search(page.reply)) is not None:
            page.reply = page.reply[found.end() :]
            steps = found[1].count(REACHED)
            if steps > page.steps:
                page.steps, page.since = steps, now
