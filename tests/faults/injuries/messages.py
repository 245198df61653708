"""Faults of messages: they come twice, late, in another order, from nobody, or are no messages at all."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from shared import queue
from tests.faults.field import Field, repeated

PAUSE_SECONDS = 0.05
HOLD_SECONDS = 0.005
LATE_SECONDS = 1.5
"""More than a request waits before it helps itself."""

FORGED: tuple[tuple[str, list[Any], dict[str, Any]], ...] = (
    ("muster.unknown", [1], {}),
    (queue.DRAIN, [], {}),
    (queue.DRAIN, ["x"], {}),
    (queue.DRAIN, [None], {}),
    (queue.DRAIN, [-1], {}),
    (queue.DRAIN, [10**12], {}),
    (queue.DRAIN, [10**30], {}),
    (queue.DRAIN, [True], {}),
    (queue.DRAIN, [1, 2, 3], {}),
    (queue.DRAIN, [1], {"version": 9}),
    (queue.DRAIN, [{"operation": str(uuid4())}], {}),
    (queue.SWEEP, [1], {}),
    (queue.MAINTAIN, [], {"now": "never"}),
)
GARBAGE = (b"\xff\xfe garbage", b"", b"null", b"[]", b"{}", b'{"body": 5}', b'"text"', b"[1, 2]")
BODY = {"content-type": "application/x-python-serialize", "content-encoding": "binary", "body": "gASVAAAAAAAAAAAu"}


@contextmanager
def repeated_wakes(field: Field) -> Iterator[None]:
    """Send wakes that nobody asked for: many times, in any order, some of them late, some expired."""

    def send() -> None:
        shards = [field.chance.randrange(field.site.settings.shards) for _ in range(20)]
        for shard in shards:
            field.celery.send_task(queue.DRAIN, args=[shard], ignore_result=True)
        field.celery.send_task(queue.DRAIN, args=[shards[0]], ignore_result=True, countdown=2)
        field.celery.send_task(queue.DRAIN, args=[shards[1]], ignore_result=True, expires=0.001)
        field.celery.send_task(queue.SWEEP, ignore_result=True)

    with repeated(send, PAUSE_SECONDS):
        yield


@contextmanager
def late_wakes(field: Field) -> Iterator[None]:
    """Hold back the messages that are sent, and deliver each of them later, twice, in another order."""
    held: list[tuple[str, bytes]] = []

    def hold() -> None:
        for name in queue.LISTS:
            while isinstance(message := field.redis.rpop(name), bytes):
                held.append((name, message))

    def deliver() -> None:
        late = [held.pop() for _ in range(len(held))] * 2
        field.chance.shuffle(late)
        for name, message in late:
            field.redis.lpush(name, message)

    with repeated(hold, HOLD_SECONDS), repeated(deliver, LATE_SECONDS):
        yield
    deliver()


@contextmanager
def forged(field: Field) -> Iterator[None]:
    """Send well-formed messages that no version of Muster sends."""

    def send() -> None:
        for name, args, kwargs in FORGED:
            field.celery.send_task(name, args=args, kwargs=kwargs, ignore_result=True, queue=queue.QUEUE)

    with repeated(send, PAUSE_SECONDS):
        yield


@contextmanager
def garbage(field: Field) -> Iterator[None]:
    """Put into the queue what is no message of Celery at all."""
    messages = [*GARBAGE, _unreadable()]

    def push() -> None:
        field.redis.lpush(queue.QUEUE, field.chance.choice(messages))

    with repeated(push, 1.0):
        yield


@contextmanager
def garbage_outcomes(field: Field) -> Iterator[None]:
    """Tell the gateways what is no outcome, and outcomes of operations that they do not know."""
    outcomes: tuple[object, ...] = ({"status": 201}, {"x": 1}, 5, [], "y", None)
    messages = [*GARBAGE, *(json.dumps({"id": str(uuid4()), "outcome": outcome}).encode() for outcome in outcomes)]

    def publish() -> None:
        for channel in field.redis.pubsub_channels("outcomes:*"):
            for message in messages:
                field.redis.publish(channel, message)

    with repeated(publish, PAUSE_SECONDS):
        yield


def _unreadable() -> bytes:
    """Return a message in a form that we do not accept."""
    properties = {"delivery_tag": str(uuid4()), "delivery_info": {"exchange": "", "routing_key": queue.QUEUE}}
    return json.dumps({**BODY, "headers": {"task": queue.DRAIN, "id": str(uuid4())}, "properties": properties}).encode()
