"""Whatever stands in the queue, the worker refuses it or applies what is right, and goes on."""

import base64
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from redis import Redis
from sqlalchemy import Engine, text

from services.directory import counters, database, ids, journal
from services.stack import children
from services.stack.supervisor import Stack
from shared import metrics, queue
from tests import conftest, factories, stacks
from tests.factories import Tenant

PATIENCE = 120.0
Message = dict[str, Any]


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose sweeper sleeps: what is applied was woken by a message."""
    environ = conftest.environment() | {"MUSTER_SWEEP_SECONDS": "3600"}
    with stacks.lean(tmp_path_factory.mktemp("own"), environ) as running:
        yield running


@pytest.fixture
def redis(own_stack: Stack) -> Redis:
    return queue.redis_client(own_stack.settings)


def message(body: Any = None, **changes: Any) -> Message:
    """Return a wake as Celery writes it, with changes: a header's name, or that of another part with `_`."""
    identity = str(ids.new())
    headers: Message = {
        "lang": "py",
        "task": queue.DRAIN,
        "id": identity,
        "root_id": identity,
        "argsrepr": "",
        "kwargsrepr": "",
    }
    headers |= {"eta": None, "expires": None, "retries": 0, "timelimit": [None, None], "origin": "test"}
    whole: Message = {
        "body": encoded([[0], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}])
        if body is None
        else body,
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers | {name: value for name, value in changes.items() if not name.startswith("_")},
        "properties": {
            "correlation_id": identity,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": queue.QUEUE},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": str(ids.new()),
        },
    }
    return whole | {name[1:].replace("_", "-"): value for name, value in changes.items() if name.startswith("_")}


def encoded(body: Any) -> str:
    return base64.b64encode(orjson.dumps(body)).decode()


def of_shard(shard: Any, *more: Any, **named: Any) -> Message:
    return message(encoded([[shard, *more], named, {}]))


REFUSED: dict[str, bytes | Message] = {
    "no JSON": b"\x80\x04\xff garbage",
    "nothing": b"",
    "a number": b"7",
    "null": b"null",
    "a list": b"[1, 2]",
    "an empty object": b"{}",
    "deep": b"[" * 5000,
    "a huge number": b"1" * 6000,
    "large": b"x" * 900_000,
    "no properties": {"body": "", "headers": {}},
    "no headers": message(_headers=None),
    "no body": message(""),
    "a body that is no base64": message("%%%"),
    "a body that is no JSON": message(base64.b64encode(b"{").decode()),
    "a body of another form": message(encoded({"shard": 0})),
    "arguments of another form": message(encoded(["x", [], {}])),
    "an unknown task": message(task="muster.delete_everything"),
    "a task of Celery": message(task="celery.backend_cleanup"),
    "a task that is a list": message(task=[queue.DRAIN]),
    "no task": message(task=None),
    "an unknown content type": message(_content_type="application/x-unknown"),
    "pickled": message(
        base64.b64encode(pickle.dumps([[0], {}, {}])).decode(), _content_type="application/x-python-serialize"
    ),
    "a time to begin": message(eta="2999-01-01T00:00:00+00:00"),
    "a time limit": message(timelimit=[0.001, 0.001]),
    "a chain": message(encoded([[0], {}, {"chain": [{"task": queue.DRAIN, "args": [0]}]}])),
}
NO_SHARD: dict[str, Message] = {
    "text": of_shard("0"),
    "null": of_shard(None),
    "true": of_shard(*[True]),
    "a list": of_shard([0]),
    "negative": of_shard(-1),
    "too large": of_shard(2**31),
    "far too large": message(base64.b64encode(b"[[" + b"9" * 400 + b"], {}, {}]").decode()),
    "a fraction": of_shard(0.5),
    "NaN": message(base64.b64encode(b"[[NaN], {}, {}]").decode()),
    "none at all": message(encoded([[], {}, {}])),
}


@pytest.mark.parametrize(
    ("forged", "counter"),
    [(REFUSED, metrics.MESSAGE_UNKNOWN), (NO_SHARD, metrics.WAKE_UNKNOWN)],
    ids=["message", "wake"],
)
def test_what_is_none_of_ours_is_refused_and_counted(
    own_stack: Stack,
    own_engine: Engine,
    own_tenant: Tenant,
    redis: Redis,
    forged: dict[str, bytes | Message],
    counter: metrics.Counter,
) -> None:
    before = total(own_engine, counter)
    worker = own_stack.child("worker")

    for name, each in forged.items():
        push(redis, each)
        assert works(own_engine, own_tenant, redis), name

    assert not worker.has_exited()
    assert children.until(lambda: total(own_engine, counter) == before + len(forged), PATIENCE)
    assert children.until(lambda: redis.hlen("unacked") == 0, PATIENCE)


@pytest.mark.parametrize(
    "make",
    [
        lambda shard: [of_shard(shard, "more", "arguments")],
        lambda shard: [of_shard(shard, since=7)],
        lambda shard: [message(encoded([[], {"shard": shard}, {}]))],
        lambda shard: [of_shard(shard)] * 20,
        lambda shard: [of_shard(10_000), of_shard(shard), of_shard(2**31 - 1)],
        lambda shard: [message(encoded([[shard], {}, {}]), expires=None, retries=3, stamped_headers=[], newer="x")],
    ],
    ids=["more arguments", "more names", "by name", "many times", "among shards that nobody has", "newer headers"],
)
def test_a_wake_of_another_version_or_a_repeated_one_is_applied_rightly(
    own_engine: Engine, own_tenant: Tenant, redis: Redis, make: Callable[[int], list[Message]]
) -> None:
    write, shard = accepted(own_engine, own_tenant)

    for each in make(shard):
        push(redis, each)

    assert children.until(lambda: settled(own_engine, write.id) == 201, PATIENCE)
    assert children.until(lambda: redis.llen(queue.QUEUE) == 0, PATIENCE)
    with database.transaction(own_engine) as connection:
        versions = connection.scalars(text("SELECT version FROM employee WHERE id = :id"), {"id": write.lane}).all()
    assert versions == [1]


def test_late_wakes_in_another_order_change_nothing(own_engine: Engine, own_tenant: Tenant, redis: Redis) -> None:
    writes = [accepted(own_engine, own_tenant) for _ in range(10)]

    for _, shard in reversed(writes):
        push(redis, of_shard(shard))
    assert children.until(lambda: all(settled(own_engine, write.id) == 201 for write, _ in writes), PATIENCE)
    for _, shard in writes:
        push(redis, of_shard(shard))

    assert children.until(lambda: redis.llen(queue.QUEUE) == 0 and redis.hlen("unacked") == 0, PATIENCE)
    with database.transaction(own_engine) as connection:
        query = text("SELECT count(*), max(version) FROM employee WHERE tenant_id = :tenant")
        found = connection.execute(query, {"tenant": own_tenant.principal.tenant_id}).one()
    assert tuple(found) == (10, 1)


def test_garbage_among_what_was_taken_and_not_worked_off_is_dropped(
    own_stack: Stack, own_engine: Engine, own_tenant: Tenant, redis: Redis
) -> None:
    """It looks as if its worker had died long ago, so the next one puts it back into the queue."""
    worker = own_stack.child("worker")
    for number, garbage in enumerate((b"\xff\xfe", b"7", b"[1]", b'["x", "y", "z"]')):
        redis.hset("unacked", f"forged-{number}", garbage)
        redis.zadd("unacked_index", {f"forged-{number}": 1.0})

    assert children.until(lambda: redis.zcard("unacked_index") == 0, PATIENCE)
    assert works(own_engine, own_tenant, redis)
    assert not worker.has_exited()


def push(redis: Redis, forged: bytes | Message) -> None:
    redis.lpush(queue.QUEUE, forged if isinstance(forged, bytes) else orjson.dumps(forged))


def accepted(engine: Engine, tenant: Tenant) -> tuple[journal.Write, int]:
    """Put a write into the journal and wake nobody."""
    write = factories.write(tenant)
    with database.transaction(engine) as connection:
        return write, journal.accept(connection, [write], 8).shards[write.id]


def works(engine: Engine, tenant: Tenant, redis: Redis) -> bool:
    """Whether a write that only this wake tells of is applied."""
    write, shard = accepted(engine, tenant)
    push(redis, of_shard(shard))
    return children.until(lambda: settled(engine, write.id) == 201, PATIENCE)


def settled(engine: Engine, operation_id: object) -> int | None:
    with database.transaction(engine) as connection:
        query = text("SELECT status FROM operation WHERE id = :id")
        status: int | None = connection.scalar(query, {"id": operation_id})
    return status


def total(engine: Engine, counter: metrics.Counter) -> int:
    with database.transaction(engine) as connection:
        return sum(times for (name, _), times in counters.totals(connection).items() if name == counter.name)
