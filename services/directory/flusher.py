"""Write down now and then what a process notes, off the path of its requests, and once more at its end."""

import threading
from abc import ABC, abstractmethod


class Flusher(ABC):
    """Has a thread that flushes every so many seconds until it is stopped.

    It is none itself: gevent puts another class in the place of threading's, and one that was derived from it before
    would wait for its end in vain.
    """

    def __init__(self, name: str, seconds: float) -> None:
        self.name, self._seconds, self._stopped = name, seconds, threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to flush."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, and write down what is left."""
        self._stopped.set()
        self.flush()

    def join(self, timeout: float | None = None) -> None:
        """Wait until the thread has ended, for so many seconds at most."""
        self._thread.join(timeout)

    def is_alive(self) -> bool:
        """Whether the thread has begun, and not ended."""
        return self._thread.is_alive()

    @abstractmethod
    def flush(self) -> None:
        """Write down what was noted since the last time."""

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            self.flush()
