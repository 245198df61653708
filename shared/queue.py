"""The queue: the Celery application, its one queue, its task names, and `wake`.

Redis is the bell and never the truth: a wake names a shard and carries nothing. Every timeout is written out, for
the defaults block for as long as a broker is frozen.
"""

import logging
from collections.abc import Iterator, Sequence

from celery import Celery
from celery.exceptions import OperationalError as CeleryOperationalError
from kombu.exceptions import OperationalError
from redis import BlockingConnectionPool, Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared import metrics
from shared.settings import Settings

logger = logging.getLogger(__name__)

QUEUE = "muster"
DRAIN = "muster.drain"
SWEEP = "muster.sweep"
MAINTAIN = "muster.maintain"
MOVE = "muster.move"
PATIENT = "patient"
"""What a wake says that may be heard last."""

ALSO = "also"
"""What a wake calls the shards that it names besides the first."""

TOGETHER = 4
"""Shards that one message names, at most: more of them would leave other workers without work."""

FIRST, LAST = 0, 9
"""Priorities of messages; with Redis each is a list of its own, and the lowest number is looked at first."""

LISTS = (QUEUE, f"{QUEUE}\x06\x16{LAST}")
"""Where Celery keeps the messages of either priority in Redis."""

WAKE_MILLISECONDS = 5_000
"""A wake flag lapses by itself, so that a message lost with its worker silences a shard no longer than this."""

ALIVE_SECONDS = 15
"""A worker that has not told for so long that it lives is not counted on."""

LONGEST_SILENCE_SECONDS = 30.0
"""Beat that has rung less often than this is away, unless it is to ring less often."""

SOCKET_TIMEOUT_SECONDS = 1.0
MOST_CONNECTIONS = 16
"""Of a client of ours to Redis: many requests take their turns, for each needs one for less than a millisecond."""

_ALIVE = "worker:alive"
_BEAT = "beat:alive"
_SOCKET = "redis+socket://"


def create(settings: Settings) -> Celery:
    """Return the Celery application; nothing is contacted before the first use."""
    app = Celery("muster", broker=settings.broker_url, set_as_current=False)
    app.conf.update(
        task_default_queue=QUEUE,
        task_serializer="json",
        accept_content=["json"],
        result_backend=None,
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_publish_retry=False,
        worker_prefetch_multiplier=1,
        worker_concurrency=settings.worker_processes,
        worker_hijack_root_logger=False,
        worker_send_task_events=True,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_max_tasks_per_child=None,
        broker_connection_retry_on_startup=True,
        # Redis may be away for hours, or answer with errors: the worker comes back by itself.
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,
        broker_connection_timeout=SOCKET_TIMEOUT_SECONDS,
        broker_transport_options={
            "visibility_timeout": 30,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "socket_timeout": SOCKET_TIMEOUT_SECONDS,
            "socket_connect_timeout": SOCKET_TIMEOUT_SECONDS,
            "socket_keepalive": True,
        },
        timezone="UTC",
        beat_schedule={
            "sweep": {"task": SWEEP, "schedule": settings.sweep_seconds, "options": _expiring(settings.sweep_seconds)},
            "maintain": {"task": MAINTAIN, "schedule": 3600.0, "options": _expiring(3600.0)},
        },
    )
    return app


def redis_client(settings: Settings, timeout_seconds: float = SOCKET_TIMEOUT_SECONDS) -> Redis:
    """Connect to the broker's Redis with short timeouts, no hidden retries, and few connections.

    They are kept for good, so that without a bound a moment at which everybody waits would leave as many.
    """
    url = settings.broker_url
    if url.startswith(_SOCKET):
        url = "unix://" + url.removeprefix(_SOCKET).replace("virtual_host=", "db=")
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=MOST_CONNECTIONS,
        timeout=timeout_seconds,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 0),
    )
    return Redis.from_pool(pool)


def wake(app: Celery, redis: Redis, shard: int, *, is_patient: bool = False) -> bool:
    """Ring the bell of a shard, unless it rings already; False when nobody could be told.

    A patient wake is heard after all others: nobody waits for the answer. A failure is logged and no more: the
    gateway's ladder and the sweeper find the work.
    """
    return wake_all(app, redis, [shard], is_patient=is_patient)


def wake_all(app: Celery, redis: Redis, shards: Sequence[int], *, is_patient: bool = False) -> bool:
    """Ring the bells of several shards as `wake` does, with few messages."""
    try:
        silent = _take_flags(redis, shards, is_patient)
        for some in _groups(silent):
            _send(app, some, is_patient)
    except (RedisError, OperationalError, CeleryOperationalError, OSError) as error:
        logger.warning("wake failed", extra={"shards": list(shards), "error": type(error).__name__})
        metrics.count(metrics.WAKE_FAILED)
        return False
    return True


def go_on_moving(app: Celery) -> None:
    """Let a worker move more people, after everything else; the sweeper begins again where nobody could be told."""
    try:
        app.send_task(MOVE, priority=LAST, ignore_result=True, retry=False)
    except (RedisError, OperationalError, CeleryOperationalError, OSError) as error:
        logger.warning("moving not told", extra={"error": type(error).__name__})


def tell_alive(redis: Redis) -> None:
    """Tell that a worker is at work; it is forgotten unless it tells again."""
    try:
        redis.set(_ALIVE, 1, ex=ALIVE_SECONDS)
    except RedisError as error:
        logger.warning("worker's sign of life not sent", extra={"error": type(error).__name__})


def has_worker(redis: Redis) -> bool:
    """Whether a worker has told lately that it is at work. Raises RedisError."""
    return bool(redis.exists(_ALIVE))


def tell_swept(redis: Redis, settings: Settings) -> None:
    """Tell that beat rang and a worker swept; it is forgotten unless it is told again."""
    try:
        redis.set(_BEAT, 1, px=round(1000 * beat_seconds(settings)))
    except RedisError as error:
        logger.warning("beat's sign of life not sent", extra={"error": type(error).__name__})


def has_beat(redis: Redis) -> bool:
    """Whether somebody has swept lately because beat rang. Raises RedisError."""
    return bool(redis.exists(_BEAT))


def beat_seconds(settings: Settings) -> float:
    """Return after how long a silence beat is away."""
    return max(LONGEST_SILENCE_SECONDS, 3 * settings.sweep_seconds)


def clear(redis: Redis, shards: Sequence[int], *, is_patient: bool = False) -> None:
    """Take the flags of a wake down, before its shards are looked at: a write that comes later rings again."""
    try:
        if shards:
            redis.delete(*(_flag(shard, is_patient) for shard in shards))
    except RedisError as error:
        logger.warning("wake flags not cleared", extra={"shards": list(shards), "error": type(error).__name__})


def _take_flags(redis: Redis, shards: Sequence[int], is_patient: bool) -> list[int]:
    """Raise the flags of shards in one go; return those that were down."""
    with redis.pipeline(transaction=False) as pipeline:
        for shard in shards:
            pipeline.set(_flag(shard, is_patient), 1, nx=True, px=WAKE_MILLISECONDS)
        return [shard for shard, is_mine in zip(shards, pipeline.execute(), strict=True) if is_mine]


def _groups(shards: Sequence[int]) -> Iterator[Sequence[int]]:
    for begin in range(0, len(shards), TOGETHER):
        yield shards[begin : begin + TOGETHER]


def _send(app: Celery, shards: Sequence[int], is_patient: bool) -> None:
    first, *others = shards
    said: dict[str, object] = ({PATIENT: True} if is_patient else {}) | ({ALSO: others} if others else {})
    priority = LAST if is_patient else FIRST
    app.send_task(DRAIN, args=[first], kwargs=said, priority=priority, ignore_result=True, retry=False)


def _flag(shard: int, is_patient: bool) -> str:
    return f"wake:{shard}:{PATIENT}" if is_patient else f"wake:{shard}"


def _expiring(seconds: float) -> dict[str, float]:
    return {"expires": seconds}
