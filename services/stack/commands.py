"""The commands `muster up`, `muster restart` and `muster down`."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from services.directory import audit, terminal
from services.directory.audit_chain import Action
from services.stack import control, leftovers, supervisor, welcome
from services.stack.console import Console
from services.stack.errors import StackError
from services.stack.supervisor import StopRequestedError
from shared import settings
from shared.settings import SettingsError

data_option = click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Folder of the databases and of stack.json.  [default: MUSTER_DATA, or .muster]",
)
port_range = click.IntRange(0, 65535)


@click.command()
@data_option
@click.option("--gateway-port", type=port_range, help="Port of the SCIM gateway; 0 takes a free one.  [default: 8080]")
@click.option(
    "--portal-port",
    type=port_range,
    help="Port of the staff portal; 0 takes a free one.  [default: 8081]",
)
@click.option("--flower-port", type=port_range, help="Port of Flower; 0 takes a free one.  [default: 5555]")
def up(data: Path | None, gateway_port: int | None, portal_port: int | None, flower_port: int | None) -> None:
    """Run everything on this machine until Ctrl-C: PostgreSQL, Valkey and all processes of Muster.

    MUSTER_DATABASE_URL and MUSTER_BROKER_URL, when set, win over servers of our own.
    """
    console = Console()
    stopping = stop_request()
    with clear_errors():
        try:
            with supervisor.running(
                data or settings.data_folder(os.environ),
                gateway_port=gateway_port,
                portal_port=portal_port,
                flower_port=flower_port,
                sink=console.line,
                stopping=stopping,
            ) as stack:
                console.block(welcome.text(stack))
                stack.wait()
                console.line(supervisor.NAME, "stopping")
        except StopRequestedError:
            console.line(supervisor.NAME, "stopping before everything was ready")
        console.line(supervisor.NAME, "stopped")


@click.command()
@data_option
def down(data: Path | None) -> None:
    """Stop the stack that runs in the data folder."""
    place = data or settings.data_folder(os.environ)
    with clear_errors():
        click.echo("stopped" if leftovers.stop_stack(place) else f"no stack runs in {place}")


@click.command()
@data_option
@click.argument("part")
def restart(data: Path | None, part: str) -> None:
    """Restart a part of the stack that runs in the data folder: gateway, worker, ..., or all that are no servers.

    A fresh gateway or worker is ready before the old one leaves, so no client notices.
    """
    with clear_errors():
        control.ask(data or settings.data_folder(os.environ), part)
        click.echo("restarted")
    with terminal.transaction(data) as connection:
        about = {"part": part}
        audit.record(connection, None, Action.PART_RESTARTED, actor=terminal.operator(), details=about)


def stop_request() -> Callable[[], bool]:
    """Return whether Ctrl-C, SIGTERM or the end of the terminal has asked to stop, from now on.

    The handler only appends: setting an event may wait for a lock that the interrupted code holds.
    """
    requests: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda received, _: requests.append(received))
    return lambda: bool(requests)


@contextmanager
def clear_errors() -> Iterator[None]:
    """End with status 1 and one line of text on an error that the user can do something about."""
    try:
        yield
    except (StackError, SettingsError, OSError) as error:
        click.echo(f"muster: {error}", err=True)
        sys.exit(1)
