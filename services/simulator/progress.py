"""What a run shows while it is going: a bar on a terminal, plain lines elsewhere, or nothing."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class Display(Protocol):
    """Hears of each phase of a run and of its steps, from any thread."""

    def phase(self, name: str, steps: int) -> None:
        """Begin a phase of so many steps."""

    def step(self) -> None:
        """Count one step of the phase as done."""


class Silent:
    """Shows nothing."""

    def phase(self, name: str, steps: int) -> None:
        pass

    def step(self) -> None:
        pass


class Lines:
    """Writes one line at the start of each phase."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def phase(self, name: str, steps: int) -> None:
        self._console.print(f"{name}: {steps}", highlight=False)

    def step(self) -> None:
        pass


class Bars:
    """Draws one bar for each phase."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._task: TaskID | None = None
        self._done = self._shown = self._stride = 0

    def phase(self, name: str, steps: int) -> None:
        with self._lock:
            self._show()
            self._task = self._progress.add_task(name, total=steps)
            self._done, self._shown, self._stride = 0, 0, max(1, steps // 200)

    def step(self) -> None:
        with self._lock:
            self._done += 1
            if self._done - self._shown >= self._stride:
                self._show()

    def finish(self) -> None:
        """Show the last steps."""
        with self._lock:
            self._show()

    def _show(self) -> None:
        """Tell rich, which is too slow to be told of every step."""
        if self._task is not None:
            self._progress.update(self._task, completed=self._done)
            self._shown = self._done


@contextmanager
def on(console: Console) -> Iterator[Display]:
    """Show progress as the console can: bars that stay when done, or lines."""
    if not console.is_terminal:
        yield Lines(console)
        return
    columns = (TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, refresh_per_second=5) as progress:
        bars = Bars(progress)
        yield bars
        bars.finish()
