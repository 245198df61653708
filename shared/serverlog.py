"""Let gunicorn, too, log as JSON lines: its own messages go where ours go, in its master process as well."""

import os
from typing import Any

from gunicorn.glogging import Logger

from shared import logs, settings


class JSONLogger(Logger):  # type: ignore[misc]
    """Sends gunicorn's error log through the root logger; our applications write their own access log."""

    def setup(self, cfg: Any) -> None:
        """Configure the logs of the process, and send gunicorn's messages there."""
        super().setup(cfg)
        logs.configure(settings.load(os.environ).log_level, cfg.proc_name)
        self.error_log.handlers[:] = []
        self.error_log.propagate = True
