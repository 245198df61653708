"""The commands `muster simulate ...`."""

import json
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from services.simulator import entra, okta, play, progress, report, summary
from services.simulator.client import Target
from services.simulator.entra_bodies import Dialect
from services.simulator.okta_bodies import Mode
from services.simulator.progress import Display
from services.simulator.report import Report
from shared import settings

SCIM_PATH = "/rest/scim/v2/"

OPTIONS = (
    click.option("--url", help="Base URL of the SCIM service, with the flags of a tenant URL.  [default: local stack]"),
    click.option("--token", required=True, envvar="MUSTER_TOKEN", help="Provisioning token, or MUSTER_TOKEN."),
    click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Data folder of the local stack."),
    click.option("--users", type=click.IntRange(0), default=200, show_default=True, help="People at the start."),
    click.option("--groups", type=click.IntRange(0), default=20, show_default=True, help="Groups at the start."),
    click.option(
        "--memberships", type=click.IntRange(0), help="Members of all groups together.  [default: 5 a person]"
    ),
    click.option(
        "--cycles", type=click.IntRange(1), default=2, show_default=True, help="The first is the initial cycle."
    ),
    click.option("--concurrency", type=click.IntRange(1, 256), default=5, show_default=True, help="Requests at once."),
    click.option("--seed", type=int, default=1, show_default=True, help="Decides the company and how it changes."),
    click.option(
        "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the summary here too."
    ),
    click.option("--quiet", is_flag=True, help="Show no progress."),
)


@dataclass(frozen=True, kw_only=True)
class Given:
    """What the options say that all identity providers have in common."""

    url: str | None
    token: str
    data: Path | None
    users: int
    groups: int
    memberships: int | None
    cycles: int
    concurrency: int
    seed: int
    json_file: Path | None
    quiet: bool

    @property
    def target(self) -> Target:
        return Target(url=self.url or _local_url(self.data), token=self.token)

    @property
    def plan(self) -> dict[str, Any]:
        """The fields that every plan has."""
        return {field.name: getattr(self, field.name) for field in fields(play.Plan)}


def _with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that all have, as one record."""

    @wraps(command)
    def collecting(**values: Any) -> None:
        given = Given(**{field.name: values.pop(field.name) for field in fields(Given)})
        command(given, **values)

    decorated: Callable[..., None] = collecting
    for option in reversed(OPTIONS):
        decorated = option(decorated)
    return decorated


@click.group()
def simulate() -> None:
    """Play an identity provider that provisions a made-up company into a SCIM service."""


@simulate.command(name="entra")
@_with_options
@click.option(
    "--dialect",
    type=click.Choice([dialect.value for dialect in Dialect]),
    help="How PATCH is written.  [default: aadOptscim062020 if --url has that flag]",
)
def provision_as_entra(given: Given, *, dialect: str | None) -> None:
    """Provision as Microsoft Entra ID does, then read everything back and compare.

    The first cycle creates people, groups, members and managers; each later one hires, renames, moves, disables,
    restores and deletes a few. A second run with the same seed finds the company there and takes it over.
    The exit code is 1 if any request failed or the directory differs from the company at the end.
    """
    target = given.target
    plan = entra.Plan(**given.plan, dialect=_dialect(dialect, target))
    _show(given, lambda display: entra.provision(target, plan, display))


@simulate.command(name="okta")
@_with_options
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in Mode]),
    default=Mode.TEMPLATE.value,
    show_default=True,
    help="The kind of application: made with the wizard (PUT), or from a template of the catalogue (PUT and PATCH).",
)
def provision_as_okta(given: Given, *, mode: str) -> None:
    """Provision as Okta does, then read everything back and compare.

    The first cycle imports, creates people and pushes groups; each later one hires, renames, moves, disables and
    assigns again a few. Okta never deletes people: who leaves is disabled. A second run with the same seed finds the
    company there and takes it over. The exit code is 1 if any request failed or the directory differs at the end.
    """
    target, plan = given.target, okta.Plan(**given.plan, mode=Mode(mode))
    _show(given, lambda display: okta.provision(target, plan, display))


def _show(given: Given, provision: Callable[[Display], Report]) -> None:
    """Run, show the summary, and end with its exit code."""
    result = _run(provision, quiet=given.quiet)
    summary.show(result, Console())
    if given.json_file:
        given.json_file.write_text(json.dumps(report.as_json(result), indent=2) + "\n")
    sys.exit(0 if result.is_clean else 1)


def _run(provision: Callable[[Display], Report], *, quiet: bool) -> Report:
    showing = nullcontext(progress.Silent()) if quiet else progress.on(Console(stderr=True))
    try:
        with showing as display:
            return provision(display)
    except play.TargetError as error:
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
