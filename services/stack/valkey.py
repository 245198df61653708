"""Start an embedded Valkey that keeps nothing: it only carries wake-ups, which may be lost at any time."""

import socket
from pathlib import Path

from services.stack import binaries, children, sockets
from services.stack.children import Child, Program, Sink
from services.stack.servers import Server, ready

NAME = "valkey"
SOCKET = "valkey.sock"
OPTIONS = {
    "--port": "0",
    "--unixsocket": SOCKET,
    "--unixsocketperm": "700",
    "--save": "",
    "--appendonly": "no",
    "--maxmemory": "256mb",
    "--maxmemory-policy": "noeviction",
    # No message of ours is larger than 64 KB, and whoever reads one holds it in memory.
    "--proto-max-bulk-len": "1mb",
    "--loglevel": "warning",
}


def start(folder: Path, sink: Sink = children.quiet) -> Server:
    """Start the server in its folder and wait until it answers."""
    return ready(launch(folder, sink))


def launch(folder: Path, sink: Sink = children.quiet) -> Server:
    """Start the server in its folder without waiting for it."""
    folder = folder.resolve()
    folder.mkdir(mode=0o700, exist_ok=True)
    options = tuple(part for option in OPTIONS.items() for part in option)
    child = Child(Program(name=NAME, argv=(str(binaries.valkey()), *options), folder=folder), sink)
    address = str(sockets.reachable(folder, SOCKET) / SOCKET)
    return Server(url=url(folder), child=child, is_ready=lambda: _is_ready(address))


def url(folder: Path) -> str:
    """Return the URL of the server of a folder, as kombu reads it."""
    return f"redis+socket://{sockets.reachable(folder.resolve(), SOCKET) / SOCKET}?virtual_host=0"


def _is_ready(address: str) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1)
        try:
            connection.connect(address)
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
