"""Drain for the requests of this process; what may end a process is run in one of its own, which serves nobody."""

import logging
import subprocess
import sys
import threading
from dataclasses import dataclass, field

from services.directory.drain import Progress
from services.directory.wary import DangerousError, WaryDrainer
from services.gateway import draining

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class GuardedDrainer:
    """Drains here, and outside what is too dangerous to be drained here."""

    drainer: WaryDrainer
    _outside: threading.Lock = field(default_factory=threading.Lock)
    """One process at a time is enough: it takes half a second and a hundred megabytes to start."""

    def advance(self, shard: int) -> Progress:
        """Apply a batch of what is due, as `Drainer.advance` does; who comes too late for a process of his own waits.

        Raises DBAPIError when the database cannot be reached.
        """
        try:
            return self.drainer.advance(shard)
        except DangerousError:
            self._drain_outside(shard)
        return Progress(settled=0, is_done=True)

    def _drain_outside(self, shard: int) -> None:
        """Drain the shard in another process, and return when that has ended, by itself or by what it ran."""
        if not self._outside.acquire(blocking=False):
            return
        try:
            argv = [sys.executable, "-m", draining.__name__, str(shard)]
            ended = subprocess.run(argv, stdin=subprocess.DEVNULL, check=False)  # noqa: S603 - our own interpreter.
        finally:
            self._outside.release()
        if ended.returncode:
            logger.warning("drain outside failed", extra={"shard": shard, "status": ended.returncode})
