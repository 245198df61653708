"""Where faults strike: the site, its load, and ways to its servers that no fault spoils."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass

from celery import Celery
from redis import Redis, RedisError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from tests.faults.site import Site
from tests.faults.workload import Workload


@dataclass(frozen=True, kw_only=True)
class Field:
    """What a fault needs to strike, and the run's source of chance."""

    site: Site
    workload: Workload
    engine: Engine
    redis: Redis
    celery: Celery
    chance: random.Random


During = Callable[[Field], AbstractContextManager[None]]
"""Entering the block injects a fault, leaving it heals it."""


@contextmanager
def repeated(action: Callable[[], object], seconds: float) -> Iterator[None]:
    """Do something again and again for the duration of the block; what fails then is tried again."""
    stopped = threading.Event()

    def run() -> None:
        while not stopped.wait(seconds):
            with suppress(RedisError, SQLAlchemyError, OSError):
                action()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
