"""The command that runs the staff portal."""

import os
import sys

import click

from services.directory import terminal

CONNECTIONS = 600
"""Of them, live pages take no more than `feed.MOST_PAGES`."""

LEAVING_SECONDS = 20
LONGEST_LINE = 16_384
"""Bytes of a request line: what is typed into a search is refused long before, in words."""


@click.command()
def portal() -> None:
    """Run the staff portal: gunicorn with gevent, listening on MUSTER_PORTAL_BIND."""
    loaded = terminal.load_settings(None)
    arguments = [
        *("--worker-class", "services.directory.portal.serving.Worker", "--worker-connections", str(CONNECTIONS)),
        *("--workers", "1", "--bind", loaded.portal_bind, "--graceful-timeout", str(LEAVING_SECONDS)),
        *("--timeout", "60", "--keep-alive", "75", "--name", "portal"),
        *("--limit-request-line", str(LONGEST_LINE), "--limit-request-field_size", "8190"),
        # By default gunicorn takes paths and schemes from the headers of whoever connects from this machine.
        *("--forwarded-allow-ips", ""),
        *("--logger-class", "shared.serverlog.JSONLogger", "--log-level", "warning"),
        *("--no-control-socket", "services.directory.portal.wsgi:application"),
    ]
    os.execv(sys.executable, [sys.executable, "-m", "shared.master", *arguments])  # noqa: S606 - our own interpreter.
