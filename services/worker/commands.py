"""The commands that run the worker, its schedule, and Flower."""

import os
import sys
from pathlib import Path

import click

from services.directory import terminal
from shared import settings
from shared.settings import Settings

# Celery warns at each start as root, which a container's user and a local stack may well be.
_WITHOUT_NOISE = ("-W", "ignore:You're running the worker with superuser privileges")
# Workers need to know nothing of each other: all order is in the journal. Asking around would cost a second at start.
_ALONE = ("--without-mingle", "--without-gossip")
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@click.command()
def worker() -> None:
    """Run the worker: Celery, one process for each of MUSTER_WORKER_PROCESSES."""
    loaded = terminal.load_settings(None)
    _celery(
        "worker",
        *_ALONE,
        "--pool",
        "prefork",
        "--concurrency",
        str(loaded.worker_processes),
        "--loglevel",
        loaded.log_level,
    )


@click.command()
@click.option("--schedule", type=click.Path(path_type=Path), help="Where beat remembers its last runs.")
def beat(schedule: Path | None) -> None:
    """Run the sweeper's schedule: Celery beat. Two of them do no harm."""
    loaded = terminal.load_settings(None)
    memory = schedule or settings.data_folder(os.environ) / "beat"
    memory.parent.mkdir(parents=True, exist_ok=True)
    _celery("beat", "--schedule", str(memory), "--pidfile", "", "--loglevel", loaded.log_level)


@click.command()
def flower() -> None:
    """Run Flower, which shows the workers and their tasks, on MUSTER_FLOWER_BIND."""
    loaded = terminal.load_settings(None)
    _refuse_open_door(loaded)
    address, _, port = loaded.flower_bind.rpartition(":")
    door = ["--basic-auth=" + loaded.flower_basic_auth] if loaded.flower_basic_auth else []
    # Flower's API is closed to strangers unless it says otherwise; its pages are read by whoever reaches the address.
    _celery("flower", f"--address={address}", f"--port={port}", "--loglevel=warning", *door)


def _refuse_open_door(loaded: Settings) -> None:
    host = loaded.flower_bind.rpartition(":")[0]
    if host not in LOOPBACK and ":" not in loaded.flower_basic_auth:
        raise click.ClickException(
            f"Flower would listen on {host} for everybody: set MUSTER_FLOWER_BASIC_AUTH to user:password first"
        )


def _celery(*arguments: str) -> None:
    command = [sys.executable, *_WITHOUT_NOISE, "-m", "celery", "--quiet", "--app", "services.worker.app", *arguments]
    os.execve(sys.executable, command, os.environ | {"MUSTER_PROCESS": arguments[0]})  # noqa: S606 - our interpreter.
