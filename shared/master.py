"""Run gunicorn with a first process that lets old processes leave only when new ones are at work.

At SIGHUP gunicorn's own asks the old ones to stop as soon as it has forked new ones. Those load the application first,
which takes seconds on a busy machine, and every connection that comes meanwhile waits in the queue for that long.
"""

import time

from gunicorn.app.wsgiapp import WSGIApplication
from gunicorn.arbiter import Arbiter

LOOK_SECONDS = 0.05
LOADING_SECONDS = 60.0
"""New processes that are not at work after this are not waited for any longer."""


class Master(Arbiter):  # type: ignore[misc]
    """gunicorn's first process, whose workers are those of `shared.serving`."""

    def manage_workers(self) -> None:
        """Start workers that are missing, and ask those that are too many to leave, the oldest ones."""
        until = time.monotonic() + LOADING_SECONDS
        while len(self.WORKERS) > self.num_workers and not self._can_go_on() and time.monotonic() < until:
            self.reap_workers()
            time.sleep(LOOK_SECONDS)
        super().manage_workers()

    def _can_go_on(self) -> bool:
        """Whether the newest workers, who will stay, are all at work."""
        by_age = sorted(self.WORKERS.values(), key=lambda worker: worker.age)
        return all(worker.is_at_work() for worker in by_age[-self.num_workers :])


class Application(WSGIApplication):  # type: ignore[misc]
    """What gunicorn's command runs, with a first process of ours."""

    def run(self) -> None:
        """Serve until told to stop."""
        Master(self).run()


if __name__ == "__main__":
    Application("%(prog)s [OPTIONS] [APP_MODULE]", prog="gunicorn").run()
