"""Choose the addresses to listen on, and say clearly when one is taken."""

import errno
import os
import socket
from collections.abc import Mapping
from contextlib import ExitStack

from services.stack.errors import StackError

BACKLOG = 2048


def choose(binds: Mapping[str, str]) -> dict[str, str]:
    """Return an address to listen on, as host:port, for each wanted one; port 0 becomes a free port.

    The keys are the options that the user can change them with. Raises StackError when one cannot be had.
    """
    with ExitStack() as held:
        return {option: _reserve(bind, option, held) for option, bind in binds.items()}


def listen(bind: str) -> socket.socket:
    """Return a socket that listens on an address; connections wait in its queue until somebody takes them."""
    host, port = split(bind)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        raise StackError(_reason(bind, error)) from None


def split(bind: str) -> tuple[str, int]:
    """Return the host and the port of an address like 127.0.0.1:8080 or [::1]:8080."""
    host, _, port = bind.rpartition(":")
    if not host or not port.isascii() or not port.isdigit():
        raise StackError(f"{bind!r} is not an address to listen on: write host:port")
    return host.strip("[]"), int(port)


def with_port(bind: str, port: int | None) -> str:
    """Return the address with another port, unless that is None."""
    return bind if port is None else f"{bind.rpartition(':')[0]}:{port}"


def _reserve(bind: str, option: str, held: ExitStack) -> str:
    host, port = split(bind)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = held.enter_context(socket.create_server((host, port), family=family))
    except (OSError, OverflowError) as error:
        raise StackError(f"{_reason(bind, error)}: choose another port with {option}") from None
    return with_port(bind, listener.getsockname()[1])


def _reason(bind: str, error: Exception) -> str:
    code = error.errno if isinstance(error, OSError) else None
    if code == errno.EADDRINUSE:
        return f"{bind} is taken by another program"
    return f"cannot listen on {bind} ({os.strerror(code) if code else error})"
