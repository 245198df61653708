"""Show the lines of all processes on one terminal, each with the name of who wrote it."""

import threading
from contextlib import suppress
from itertools import cycle

import click

WIDTH = 8
COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "bright_cyan", "bright_green", "bright_yellow")


class Console:
    """A sink of lines for many threads; colours appear on a terminal only."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = cycle(COLOURS)
        self._colours = {"muster": "white"}

    def line(self, name: str, text: str) -> None:
        """Write one line of the process `name`; a closed terminal stops nothing."""
        with self._lock, suppress(OSError, ValueError):
            colour = self._colours.setdefault(name, next(self._next))
            click.echo(click.style(f"{name:<{WIDTH}} | ", fg=colour) + text)

    def block(self, text: str) -> None:
        """Write a text of several lines that the lines of others do not break up."""
        with self._lock, suppress(OSError, ValueError):
            click.echo(text)
