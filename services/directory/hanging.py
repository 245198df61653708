"""End this process when what it runs hangs, even in code that never lets another thread run.

PostgreSQL ends the transaction of a process that says nothing for a few seconds, so its lane goes on. But the process
itself would be lost for work, and a few such operations would take all of a worker's processes.
"""

import faulthandler
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS = 30.0
"""More than an operation can take while its statements end in time."""

_STANDARD_ERROR = 2


@contextmanager
def watched(seconds: float = SECONDS) -> Iterator[Callable[[], None]]:
    """End the process when the block tells of no progress for so long; where it was goes to standard error.

    The kernel's timer does it: a thread would need the interpreter's lock, and takes longer to start than many writes
    to apply. One block at a time may be watched in a process.
    """
    faulthandler.register(signal.SIGALRM, file=_STANDARD_ERROR, all_threads=False, chain=True)

    def go_on() -> None:
        signal.setitimer(signal.ITIMER_REAL, seconds)

    go_on()
    try:
        yield go_on
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
