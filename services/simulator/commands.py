"""The commands `muster simulate ...`."""

import json
import os
import sys
from contextlib import nullcontext
from pathlib import Path

import click
from rich.console import Console

from services.simulator import entra, progress, report, summary
from services.simulator.client import Target
from services.simulator.entra_bodies import Dialect
from shared import settings

SCIM_PATH = "/rest/scim/v2/"


@click.group()
def simulate() -> None:
    """Play an identity provider that provisions a made-up company into a SCIM service."""


@simulate.command(name="entra")
@click.option(
    "--url", help="Base URL of the SCIM service, with the flags of Entra's tenant URL.  [default: local stack]"
)
@click.option("--token", required=True, envvar="MUSTER_TOKEN", help="Provisioning token, or MUSTER_TOKEN.")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Data folder of the local stack.")
@click.option(
    "--dialect",
    type=click.Choice([dialect.value for dialect in Dialect]),
    help="How PATCH is written.  [default: aadOptscim062020 if --url has that flag]",
)
@click.option("--users", type=click.IntRange(0), default=200, show_default=True, help="People at the start.")
@click.option("--groups", type=click.IntRange(0), default=20, show_default=True, help="Groups at the start.")
@click.option("--memberships", type=click.IntRange(0), help="Members of all groups together.  [default: 5 a person]")
@click.option("--cycles", type=click.IntRange(1), default=2, show_default=True, help="The first is the initial cycle.")
@click.option("--concurrency", type=click.IntRange(1, 256), default=5, show_default=True, help="Requests at once.")
@click.option("--seed", type=int, default=1, show_default=True, help="Decides the company and how it changes.")
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the summary here too."
)
@click.option("--quiet", is_flag=True, help="Show no progress.")
def provision_as_entra(
    *,
    url: str | None,
    token: str,
    data: Path | None,
    dialect: str | None,
    users: int,
    groups: int,
    memberships: int | None,
    cycles: int,
    concurrency: int,
    seed: int,
    json_file: Path | None,
    quiet: bool,
) -> None:
    """Provision as Microsoft Entra ID does, then read everything back and compare.

    The first cycle creates people, groups, members and managers; each later one hires, renames, moves, disables,
    restores and deletes a few. A second run with the same seed finds the company there and takes it over.
    The exit code is 1 if any request failed or the directory differs from the company at the end.
    """
    target = Target(url=url or _local_url(data), token=token)
    plan = entra.Plan(
        users=users,
        groups=groups,
        memberships=memberships,
        cycles=cycles,
        concurrency=concurrency,
        seed=seed,
        dialect=_dialect(dialect, target),
    )
    result = _run(target, plan, quiet=quiet)
    summary.show(result, Console())
    if json_file:
        json_file.write_text(json.dumps(report.as_json(result), indent=2) + "\n")
    sys.exit(0 if result.is_clean else 1)


def _run(target: Target, plan: entra.Plan, *, quiet: bool) -> report.Report:
    showing = nullcontext(progress.Silent()) if quiet else progress.on(Console(stderr=True))
    try:
        with showing as display:
            return entra.provision(target, plan, display)
    except entra.TargetError as error:
        raise click.ClickException(str(error)) from error


def _local_url(data: Path | None) -> str:
    try:
        return settings.load(os.environ, data).public_url.rstrip("/") + SCIM_PATH
    except settings.SettingsError as error:
        raise click.ClickException(str(error)) from error


def _dialect(name: str | None, target: Target) -> Dialect:
    if name:
        return Dialect(name)
    return Dialect.FLAG if Dialect.FLAG.value in target.flags else Dialect.DEFAULT
