"""Tell whether the process of a container does its work: the image's health check, `python -m shared.healthy`.

One image runs every process, so it looks for the one that runs here. A server answers 200. A worker asks Redis for work
with BRPOP every second, beat rings with LPUSH every few seconds, and Redis knows when each connection spoke last; a
frozen or lost process does neither. `celery inspect ping` says less (it passes while the work stands still), costs far
more, and leaves keys behind.
"""

import http.client
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from redis import Redis

from shared import settings
from shared.settings import Settings

ANSWER_SECONDS = 5
SILENT_SECONDS = 60
PROC = Path("/proc")

Check = Callable[[Settings], bool]


def main() -> int:
    """Return 0 when the process of this container works, or is one that only runs for a while."""
    kind = find_kind(_command_lines())
    return 0 if kind is None or CHECKS[kind](settings.load(os.environ)) else 1


def find_kind(command_lines: Iterator[str]) -> str | None:
    """Return which of our processes is among these command lines, if any."""
    for line in command_lines:
        for kind, mark in MARKS.items():
            if mark in line:
                return kind
    return None


def answers(bind: str, path: str) -> bool:
    """Whether the server that listens there, on this machine, answers 200; no proxy of the environment is asked."""
    connection = http.client.HTTPConnection("127.0.0.1", int(bind.rpartition(":")[2]), timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


def speaks(broker_url: str, command: str) -> bool:
    """Whether this machine's last command of one kind is young, in Redis' own eyes."""
    with Redis.from_url(broker_url, socket_timeout=ANSWER_SECONDS) as redis:
        own = _host(redis.client_info())
        mine = [client for client in redis.client_list() if _host(client) == own]
    return any(client["cmd"] == command and int(client["idle"]) < SILENT_SECONDS for client in mine)


CHECKS: dict[str, Check] = {
    "gateway": lambda known: answers(known.gateway_bind, "/readyz"),
    "edge": lambda known: answers(known.gateway_bind, "/readyz"),
    "portal": lambda known: answers(known.portal_bind, "/readyz"),
    "flower": lambda known: answers(known.flower_bind, "/healthcheck"),
    "worker": lambda known: speaks(known.broker_url, "brpop"),
    "beat": lambda known: speaks(known.broker_url, "lpush"),
}
MARKS = {
    "gateway": "services.gateway.wsgi:application",
    "edge": "muster edge",
    "portal": "services.directory.portal.wsgi:application",
    "flower": "services.worker.app flower",
    "worker": "services.worker.app worker",
    "beat": "services.worker.app beat",
}
"""What stands in the command line of each."""


def _command_lines() -> Iterator[str]:
    for path in PROC.glob("[0-9]*/cmdline"):
        try:
            yield path.read_text(errors="replace").replace("\0", " ")
        except OSError:
            continue  # It has ended meanwhile.


def _host(client: dict[str, str]) -> str:
    return client["addr"].rpartition(":")[0]


if __name__ == "__main__":
    sys.exit(main())
