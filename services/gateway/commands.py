"""The command that runs the gateway."""

import math
import os
import resource
import sys

import click

from services.directory import terminal
from services.gateway import serving

MOST_FILES = 65_536
FILES_BESIDE = 200
"""Files and connections of our own that a process has open, beside those of its clients."""

ANY_HEADERS = 1_638_000
"""What one connection's headers may take up when there is no limit to them."""

LEAVING_SECONDS = 8
"""Beyond the deadline of a request, an ending process gets this long."""


@click.command()
def gateway() -> None:
    """Run the gateway: gunicorn with gevent, listening on MUSTER_GATEWAY_BIND."""
    loaded = terminal.load_settings(None)
    connections = min(loaded.max_connections, _open_files() - FILES_BESIDE)
    arguments = [
        *("--worker-class", "services.gateway.serving.Worker", "--worker-connections", str(connections)),
        *("--workers", str(loaded.gateway_processes), "--bind", loaded.gateway_bind),
        *("--graceful-timeout", str(math.ceil(loaded.deadline_seconds) + LEAVING_SECONDS)),
        *("--timeout", "60", "--keep-alive", "75", "--name", "gateway"),
        *("--limit-request-line", str(serving.LONGEST_LINE), "--limit-request-fields", "100"),
        *("--limit-request-field_size", str(loaded.max_header_bytes or ANY_HEADERS)),
        # By default gunicorn takes paths and schemes from the headers of whoever connects from this machine.
        *("--forwarded-allow-ips", ""),
        *("--logger-class", "shared.serverlog.JSONLogger", "--log-level", "warning"),
        *("--no-control-socket", "services.gateway.wsgi:application"),
    ]
    os.execv(sys.executable, [sys.executable, "-m", "shared.master", *arguments])  # noqa: S606 - our own interpreter.


def _open_files() -> int:
    """Return how many files a process may have open, after asking for as many as there may be."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if most == resource.RLIM_INFINITY else min(most, MOST_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
    return wanted
