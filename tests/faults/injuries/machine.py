"""Faults of the machine: clocks that jump by an hour, a disk without room."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.field import During, Field

HOUR = 3600
LARGEST_PIECE = 2**30
SMALLEST_PIECE = 2**12
ALL = ("postgres", "gateway", "worker", "beat")


def clock_jumps(seconds: int, *roles: str) -> During:
    """Return a fault that shifts the clock of these roles, and shifts it back afterwards."""

    @contextmanager
    def during(field: Field) -> Iterator[None]:
        for role in roles:
            field.site.shift_clock(role, seconds)
        try:
            yield
        finally:
            for role in roles:
                field.site.shift_clock(role, 0)

    return during


@contextmanager
def disk_full(field: Field) -> Iterator[None]:
    """Take all room on the disk that PostgreSQL works on."""
    ballast = field.site.disk / "ballast"
    try:
        with ballast.open("wb") as file:
            _fill(file.fileno())
        yield
    finally:
        ballast.unlink()


def _fill(file: int) -> None:
    """Let a file grow until there is no room for one more page."""
    piece, size = LARGEST_PIECE, 0
    while piece >= SMALLEST_PIECE:
        try:
            os.posix_fallocate(file, size, piece)
            size += piece
        except OSError:
            piece //= 2
