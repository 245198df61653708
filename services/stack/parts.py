"""One part of a stack: a program that is started again when it ends, and can be replaced by a fresh one."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from services.stack import children
from services.stack.children import Child, Sink
from services.stack.errors import StackError
from services.stack.lives import Lives

Wait = Callable[[Callable[[], bool]], None]
"""Waits for a condition; raises StackError when it does not come about."""


@dataclass(frozen=True, kw_only=True)
class Started:
    """A program that was started, and how to tell that it does its work."""

    child: Child
    is_ready: Callable[[], bool]


class Part:
    """A part of a stack; it runs from the beginning on."""

    def __init__(
        self, name: str, start: Callable[[], Started], *, stop_seconds: float, may_overlap: bool, sink: Sink
    ) -> None:
        self.name = name
        self._start, self._stop_seconds, self._may_overlap, self._sink = start, stop_seconds, may_overlap, sink
        self._lives = Lives()
        self._due: float | None = None
        self._running, self._began = start(), time.monotonic()

    @property
    def child(self) -> Child:
        """The process that runs now, or that ran last."""
        return self._running.child

    def is_ready(self) -> bool:
        """Whether it does its work."""
        return self._running.is_ready()

    def tend(self) -> bool:
        """Start it again when it has ended and its delay is over; return whether it was.

        Raises StackError when it ends early each time.
        """
        if self._due is None and self.child.has_exited():
            self._note_end()
        if self._due is None or time.monotonic() < self._due:
            return False
        self._begin()
        return True

    def replace(self, wait: Wait) -> None:
        """Put a fresh process in the place of the running one, which leaves when the fresh one is ready, if it may.

        Raises StackError when the fresh one does not get ready; one that was not stopped yet goes on then.
        """
        if not self._may_overlap:
            self.stop()
            self._begin()
            self._await(wait)
            return
        before, due = self._running, self._due
        self._begin()
        try:
            self._await(wait)
        except BaseException:
            self.stop()
            self._running, self._due = before, due
            raise
        children.stop([before.child], self._stop_seconds, self._sink)

    def stop(self) -> None:
        """Stop it, once or often."""
        children.stop([self.child], self._stop_seconds, self._sink)

    def _begin(self) -> None:
        self._running, self._began, self._due = self._start(), time.monotonic(), None

    def _await(self, wait: Wait) -> None:
        wait(lambda: self.child.has_exited() or self.is_ready())
        if self.child.has_exited():
            raise StackError(self.child.ending())

    def _note_end(self) -> None:
        ran = time.monotonic() - self._began
        self._lives = self._lives.after(ran, was_killed=self.child.was_killed())
        if self._lives.are_over:
            raise StackError(f"{self.name} was started {self._lives.ends} times, and ends: {self.child.ending()}")
        how = f"{self.name} was killed" if self.child.was_killed() else self.child.ending()
        self._sink("muster", f"{how}\n{self.name} is started again in {self._lives.delay:.1f} s")
        self._due = time.monotonic() + self._lives.delay
