"""Claim a data folder: make it if need be, and hold its lock while a stack runs in it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from services.stack.errors import StackError

LOCK = "stack.lock"


@contextmanager
def locked(data: Path) -> Iterator[Path]:
    """Hold the folder for the block, and give its full path.

    Raises StackError when it cannot be made or written, or when another process holds it.
    """
    place = _made(data)
    lock = _open_lock(place)
    try:
        if not _take(lock):
            raise StackError(f"a stack runs in {place} already: stop it with muster down, or choose another --data")
        yield place
    finally:
        os.close(lock)


def is_locked(data: Path) -> bool:
    """Whether a running stack holds the folder."""
    with suppress(FileNotFoundError, NotADirectoryError):
        lock = os.open(data / LOCK, os.O_RDWR)
        try:
            return not _take(lock)
        finally:
            os.close(lock)
    return False


def _made(data: Path) -> Path:
    try:
        place = data.resolve()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        raise StackError(f"{data} is a file: choose a folder with --data") from None
    except (OSError, RuntimeError) as error:
        raise _unusable(data, error) from None
    return place


def _open_lock(place: Path) -> int:
    try:
        return os.open(place / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise _unusable(place, error) from None


def _take(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unusable(data: Path, error: Exception) -> StackError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return StackError(f"{data} cannot be written ({reason}): choose another folder with --data")
