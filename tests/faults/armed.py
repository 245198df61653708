"""Arm the gateway's and the worker's processes from outside, through the variables that gunicorn and Celery read.

Their commands and their code stay as they are: gunicorn takes this module as a configuration file, Celery its loader.
The process that drains for a gateway finds `arming` in its path.
"""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from celery.loaders.app import AppLoader

from services.directory import applying
from services.directory.apply import Applied, apply
from services.directory.journal import Operation
from tests.faults import faultpoints

POISON = "MUSTER_POISON"
"""An operation whose request has this text kills the process that applies it."""

_HERE = Path(__file__).parent

ENVIRONMENT: Mapping[str, str] = {
    "GUNICORN_CMD_ARGS": "--config=python:tests.faults.armed",
    "CELERY_LOADER": "tests.faults.armed:Loader",
    "PYTHONPATH": f"{_HERE / 'arming'}:{_HERE.parents[1]}",
}


class Loader(AppLoader):  # type: ignore[misc]
    """Celery's loader, which arms each process of the pool."""

    def on_worker_process_init(self) -> None:
        """Arm a process of the pool after its fork."""
        arm()


def post_worker_init(_: Any) -> None:
    """Arm a process of the gateway (gunicorn calls this by its name)."""
    arm()


def arm() -> None:
    """Do in this process what the environment asks for."""
    faultpoints.arm(os.environ)
    poison = os.environ.get(POISON)
    if poison:
        applying.apply = _deadly(poison)  # type: ignore[attr-defined]


def _deadly(poison: str) -> Any:
    def deadly(connection: Any, operation: Operation, *arguments: Any) -> Applied:
        if poison in str(operation.request):
            os.kill(os.getpid(), signal.SIGKILL)
        return apply(connection, operation, *arguments)

    return deadly
