"""A running embedded server: where it is, and how to stop it."""

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from services.stack import children
from services.stack.children import Child, Sink
from services.stack.errors import StackError

READY_SECONDS = 60.0
STOP_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server of ours; as a context manager it is stopped at the end of the block."""

    url: str
    child: Child
    is_ready: Callable[[], bool]

    @property
    def pid(self) -> int:
        """The process id of the server."""
        return self.child.pid

    def stop(self, sink: Sink = children.quiet) -> None:
        """Stop the server cleanly, once or often."""
        children.stop([self.child], STOP_SECONDS, sink)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def ready(server: Server) -> Server:
    """Wait until the server takes connections, and return it.

    Raises StackError with its last lines when it ends instead.
    """
    try:
        in_time = children.until(lambda: server.child.has_exited() or server.is_ready(), READY_SECONDS)
    except BaseException:
        server.stop()
        raise
    if server.child.has_exited():
        raise StackError(server.child.ending())
    if not in_time:
        server.stop()
        raise StackError(f"{server.child.program.name} was not ready within {READY_SECONDS:.0f} s")
    return server
