"""The Celery application as the worker and beat load it: the tasks, and what they need in each process."""

import logging
import os
from typing import Any

from celery.signals import (
    heartbeat_sent,
    setup_logging,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutdown,
)

from services.directory import announcing, database, hanging, tenancy
from services.directory.announcing import Announcer
from services.directory.counters import CounterWriter
from services.directory.drain import Drainer
from services.directory.keys import SharedKey
from services.worker import consuming, distrust, inheritance, schedule, steadiness
from services.worker.tasks import Tasks
from shared import logs, metrics, queue, readiness, settings

logger = logging.getLogger(__name__)

PROCESS = "MUSTER_PROCESS"

_settings = settings.load_complete(os.environ)
logs.configure(_settings.log_level, os.environ.get(PROCESS, "worker"))
distrust.install()
steadiness.install()
app = queue.create(_settings)
app.conf.worker_consumer = f"{consuming.__name__}:{consuming.Consumer.__name__}"
app.conf.beat_scheduler = f"{schedule.__name__}:{schedule.Scheduler.__name__}"
_redis = queue.redis_client(_settings)
_engine = database.connect(_settings.database_url, process="worker", pool_size=4, role=tenancy.WORK)
_announcer = Announcer(redis=_redis, key=SharedKey(_engine, announcing.SEAL))
_counters: list[CounterWriter] = []

Tasks(
    settings=_settings,
    engine=_engine,
    redis=_redis,
    drainer=Drainer(
        engine=_engine,
        announce=_announcer.announce,
        max_starts=_settings.max_starts,
        ring=lambda shard: queue.wake(app, _redis, shard),
        watch=hanging.watched,
    ),
    celery=app,
).register()


@setup_logging.connect  # type: ignore[untyped-decorator]
def _log(**_: Any) -> None:
    """Keep Celery from setting up logs of its own: they are configured above, for Flower too."""


@worker_ready.connect  # type: ignore[untyped-decorator]
def _tell_ready(**_: Any) -> None:
    _count()
    readiness.tell(os.environ)


@worker_ready.connect  # type: ignore[untyped-decorator]
@heartbeat_sent.connect  # type: ignore[untyped-decorator]
def _tell_alive(**_: Any) -> None:
    queue.tell_alive(_redis)


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _after_fork(**_: Any) -> None:
    """Leave the parent's connections and counts to the parent."""
    _engine.dispose(close=False)
    _redis.connection_pool.reset()
    inheritance.close()
    metrics.BOOK.forget()
    _count()


@worker_process_shutdown.connect  # type: ignore[untyped-decorator]
@worker_shutdown.connect  # type: ignore[untyped-decorator]
def _end(**_: Any) -> None:
    for writer in _counters:
        writer.stop()


def _count() -> None:
    """Write down what this process counts, from now on: the parent of the pool and each of its children have a book."""
    _counters[:] = [CounterWriter(_engine, metrics.BOOK)]
    _counters[0].start()
