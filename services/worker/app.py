"""The Celery application as the worker and beat load it: the tasks, and what they need in each process."""

import logging
import os
from typing import Any

from celery.signals import heartbeat_sent, setup_logging, worker_process_init, worker_ready

from services.directory import database
from services.directory.drain import Drainer
from services.worker.tasks import Tasks
from shared import logs, outcomes, queue, settings

logger = logging.getLogger(__name__)

PROCESS = "MUSTER_PROCESS"

_settings = settings.load_complete(os.environ)
logs.configure(_settings.log_level, os.environ.get(PROCESS, "worker"))
app = queue.create(_settings)
_redis = queue.redis_client(_settings)
_engine = database.connect(_settings.database_url, process="worker", pool_size=4)

Tasks(
    settings=_settings,
    engine=_engine,
    redis=_redis,
    drainer=Drainer(
        engine=_engine,
        announce=lambda replies: outcomes.publish(_redis, replies),
        max_starts=_settings.max_starts,
        ring=lambda shard: queue.wake(app, _redis, shard),
    ),
    celery=app,
).register()


@setup_logging.connect  # type: ignore[untyped-decorator]
def _log(**_: Any) -> None:
    """Keep Celery from setting up logs of its own: they are configured above, for Flower too."""


@worker_ready.connect  # type: ignore[untyped-decorator]
@heartbeat_sent.connect  # type: ignore[untyped-decorator]
def _tell_alive(**_: Any) -> None:
    queue.tell_alive(_redis)


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _after_fork(**_: Any) -> None:
    """Leave the parent's connections to the parent."""
    _engine.dispose(close=False)
    _redis.connection_pool.reset()
