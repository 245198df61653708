"""Do arithmetic that takes long in a thread, so that the process answers others meanwhile; a few at a time."""

from collections.abc import Callable
from functools import cache
from typing import TypeVar

from gevent.threadpool import ThreadPool

AT_A_TIME = 2
"""Each password that is hashed takes 64 MiB and all of a core."""

T = TypeVar("T")


def run(function: Callable[..., T], *arguments: object) -> T:
    """Return what a function returns, or raise what it raises; it runs in a thread."""
    found: T = _pool().apply(function, arguments)
    return found


@cache
def _pool() -> ThreadPool:
    return ThreadPool(AT_A_TIME)
