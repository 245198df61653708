"""Faults of Redis: what it holds is lost, it is full, or messages of one kind get lost."""

from collections.abc import Iterator
from contextlib import contextmanager

from services.stack import valkey
from shared import queue
from tests.faults.field import Field, repeated

FLUSH_SECONDS = 0.05
SWALLOW_SECONDS = 0.005
LONG_MILLISECONDS = 60_000
CELERY_CHANNELS = ("/0.*", "/0.celery.pidbox", "/0.celeryev/*")
"""What Celery publishes to, and the patterns that it subscribes to: of those Redis wants each by its very letters."""


@contextmanager
def flushed(field: Field) -> Iterator[None]:
    """Remove everything that Redis holds, again and again."""
    with repeated(field.redis.flushall, FLUSH_SECONDS):
        yield


@contextmanager
def full(field: Field) -> Iterator[None]:
    """Leave no memory, so that every write is refused."""
    field.redis.config_set("maxmemory", 1)
    try:
        yield
    finally:
        field.redis.config_set("maxmemory", valkey.OPTIONS["--maxmemory"])


@contextmanager
def wakes_lost(field: Field) -> Iterator[None]:
    """Let every shard seem to be awake, and remove the messages that come all the same."""
    flags = [f"wake:{shard}{end}" for shard in range(field.site.settings.shards) for end in ("", ":patient")]

    def swallow() -> None:
        for flag in flags:
            field.redis.set(flag, 1, px=LONG_MILLISECONDS)
        field.redis.delete(*queue.LISTS)

    with repeated(swallow, SWALLOW_SECONDS):
        yield
    field.redis.delete(*flags)


@contextmanager
def outcomes_lost(field: Field) -> Iterator[None]:
    """Forbid all channels but Celery's own, so that no outcome is published or heard."""
    field.redis.acl_setuser("default", enabled=True, nopass=True, channels=CELERY_CHANNELS, reset_channels=True)
    try:
        yield
    finally:
        field.redis.acl_setuser("default", enabled=True, nopass=True, channels=["*"], reset_channels=True)
