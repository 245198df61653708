"""Write logs as JSON lines: a constant event, ids beside it, never a token and never an attribute's value.

`bind` puts ids (request_id, operation_id, shard) into a context that every line of the same request or task carries.
"""

import contextvars
import logging
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from pythonjsonlogger.orjson import OrjsonFormatter

_NOTHING: Mapping[str, str] = MappingProxyType({})
_NOISY = ("alembic", "celery.app.trace", "celery.worker.strategy", "celery.beat", "httpx")
_bound: contextvars.ContextVar[Mapping[str, str]] = contextvars.ContextVar("bound", default=_NOTHING)


class _BoundIds(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        for name, value in _bound.get().items():
            if not hasattr(record, name):
                setattr(record, name, value)
        return True


class _Formatter(OrjsonFormatter):
    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's own name.
        """Return where an exception came from, without its text, which may quote an attribute's value or a token."""
        lines: list[str] = []
        error: BaseException | None = ei[1]
        while error is not None:
            lines += [*traceback.format_tb(error.__traceback__), f"{type(error).__module__}.{type(error).__name__}\n"]
            error = error.__cause__
        return "".join(lines)


# What no line of ours tells need not be found out for each (Python's logging HOWTO, "Optimization").
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def configure(level: str, process: str) -> None:
    """Send every logger of this process to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_BoundIds())
    handler.setFormatter(
        _Formatter(
            "{levelname}{name}{message}",
            style="{",
            timestamp=True,
            rename_fields={"levelname": "level", "name": "logger", "message": "event"},
            static_fields={"process": process},
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)


@contextmanager
def bind(**ids: str) -> Iterator[None]:
    """Add ids to every log line written inside the block."""
    token = _bound.set({**_bound.get(), **ids})
    try:
        yield
    finally:
        _bound.reset(token)
