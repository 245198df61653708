"""Ask a running stack to restart a part: one line over a socket in its data folder, one line back when it is done."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from services.stack import sockets
from services.stack.errors import StackError

SOCKET = "control.sock"
DONE = "done"
ASK_SECONDS = 1.0
ANSWER_SECONDS = 600.0
LONGEST = 1000


@contextmanager
def opened(data: Path) -> Iterator[socket.socket]:
    """Take requests for the duration of the block; only who may enter the folder can send any."""
    address = _address(data)
    address.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as requests:
        requests.bind(str(address))
        requests.listen()
        requests.settimeout(0)
        try:
            yield requests
        finally:
            address.unlink(missing_ok=True)


def answer(requests: socket.socket, restart: Callable[[str], None]) -> None:
    """Do what the next request asks for, if there is one; whoever asked may have gone meanwhile."""
    try:
        client, _ = requests.accept()
    except BlockingIOError:
        return
    with client:
        client.settimeout(ASK_SECONDS)
        try:
            name = client.recv(LONGEST).decode(errors="replace").strip()
            client.sendall(f"{_done(restart, name)}\n".encode())
        except OSError:
            return


def ask(data: Path, name: str) -> None:
    """Have the stack of a data folder restart a part, and return when it has.

    Raises StackError when no stack runs there, or with its own words when it could not.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_SECONDS)
        try:
            connection.connect(str(_address(data)))
        except OSError:
            raise StackError(f"no stack that is ready runs in {data}") from None
        connection.sendall(f"{name}\n".encode())
        with connection.makefile() as lines:
            said = lines.read().strip()
    if said != DONE:
        raise StackError(said or f"the stack in {data} stopped")


def _address(data: Path) -> Path:
    place = data.resolve()
    return sockets.reachable(place, SOCKET) / SOCKET


def _done(restart: Callable[[str], None], name: str) -> str:
    try:
        restart(name)
    except StackError as error:
        return str(error)
    return DONE
