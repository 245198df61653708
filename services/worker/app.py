"""The Celery application as the worker and beat load it: the tasks, and what they need in each process."""

import logging
import os
from typing import Any

from celery.signals import setup_logging, worker_process_init

from services.directory import database
from services.directory.drain import Drainer
from services.worker.tasks import Tasks
from shared import logs, outcomes, queue, settings

logger = logging.getLogger(__name__)

_settings = settings.load_complete(os.environ)
app = queue.create(_settings)
_redis = queue.redis_client(_settings)
_engine = database.connect(_settings.database_url, process="worker", pool_size=4)

Tasks(
    settings=_settings,
    engine=_engine,
    redis=_redis,
    drainer=Drainer(
        engine=_engine, announce=lambda replies: outcomes.publish(_redis, replies), max_starts=_settings.max_starts
    ),
    celery=app,
).register()


@setup_logging.connect  # type: ignore[untyped-decorator]
def _log(**_: Any) -> None:
    logs.configure(_settings.log_level, "worker")


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _after_fork(**_: Any) -> None:
    """Leave the parent's connections to the parent."""
    _engine.dispose(close=False)
    _redis.connection_pool.reset()
