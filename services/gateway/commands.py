"""The command that runs the gateway."""

import math
import os
import sys

import click

from services.directory import terminal
from services.gateway import serving

CONNECTIONS = 1000
LEAVING_SECONDS = 8
"""Beyond the deadline of a request, an ending process gets this long."""


@click.command()
def gateway() -> None:
    """Run the gateway: gunicorn with gevent, listening on MUSTER_GATEWAY_BIND."""
    loaded = terminal.load_settings(None)
    arguments = [
        *("--worker-class", "services.gateway.serving.Worker", "--worker-connections", str(CONNECTIONS)),
        *("--workers", str(loaded.gateway_processes), "--bind", loaded.gateway_bind),
        *("--graceful-timeout", str(math.ceil(loaded.deadline_seconds) + LEAVING_SECONDS)),
        *("--timeout", "60", "--keep-alive", "75", "--name", "gateway"),
        *("--limit-request-line", str(serving.LONGEST_LINE), "--limit-request-field_size", "16380"),
        *("--logger-class", "shared.serverlog.JSONLogger", "--log-level", "warning"),
        *("--no-control-socket", "services.gateway.wsgi:application"),
    ]
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", *arguments])  # noqa: S606 - our own interpreter.
