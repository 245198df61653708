"""Write down now and then what a process notes, off the path of its requests, and once more at its end."""

import threading
from abc import abstractmethod


class Flusher(threading.Thread):
    """A thread that flushes every so many seconds until it is stopped."""

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(name=name, daemon=True)
        self._seconds, self._stopped = seconds, threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(self._seconds):
            self.flush()

    def stop(self) -> None:
        """Stop, and write down what is left."""
        self._stopped.set()
        self.flush()

    @abstractmethod
    def flush(self) -> None:
        """Write down what was noted since the last time."""
