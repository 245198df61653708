"""Run the fault kit: a site under load, one fault after another, and a verdict on what was recorded.

`python -m tests.faults.run`, by way of `make faults`; SECONDS, SEED and FAULT say how long, which replay, and what.
"""

import os
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from sqlalchemy import Engine

from services.directory import database, tenants, tokens
from shared import queue
from shared import settings as settings_module
from tests.faults import checker, final, machine, monitor, nemesis, picture, records, report, requests
from tests.faults.client import Tenant
from tests.faults.field import Field
from tests.faults.monitor import Monitor
from tests.faults.nemesis import Need
from tests.faults.records import Limits, Run, Violation, Window
from tests.faults.site import DISK, Site
from tests.faults.workload import Workload

MIX = "mix"
LIST = "list"
DATA = "data"
CALM_SECONDS = 2.0
QUIET_SECONDS = 2.0
DEADLINE_SECONDS = 10.0
SWEEP_SECONDS = 2.0
SHOWN_VIOLATIONS = 20
CLOCKED = ("postgres", "gateway", "worker", "beat")

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Options:
    """How long, which replay, which faults, and where what was recorded goes."""

    seconds: float
    seed: int
    faults: tuple[str, ...]
    folder: Path


@dataclass(frozen=True, kw_only=True)
class Result:
    """A run and what is wrong with it."""

    run: Run
    violations: tuple[Violation, ...]
    other: str

    def table(self) -> list[report.Row]:
        """Return the table of the run."""
        return report.rows(self.run, self.violations)


def main() -> None:
    """Run what the environment asks for; the status is 1 when a promise was broken."""
    wanted = os.environ.get("FAULT") or MIX
    if wanted == LIST:
        click.echo("\n".join(nemesis.FAULTS))
        return
    options = Options(
        seconds=float(os.environ.get("SECONDS") or 60),
        seed=int(os.environ.get("SEED") or random.randrange(1_000_000)),
        faults=tuple(nemesis.FAULTS) if wanted == MIX else _chosen(wanted),
        folder=settings_module.data_folder(os.environ) / "faults" / f"{time.strftime('%Y%m%d-%H%M%S')}-{wanted}",
    )
    result = perform(options, _progress)
    _print(options, result)
    sys.exit(1 if result.violations else 0)


def perform(options: Options, say: Say) -> Result:
    """Run a site under load and faults, and judge it; what was recorded is left in the folder."""
    options.folder.mkdir(parents=True)
    with _site(options) as (site, engine):
        workload = Workload(
            address=site.settings.gateway_bind,
            deadline=site.settings.deadline_seconds,
            seed=options.seed,
            tenants=(_tenant(engine, "busy"), _tenant(engine, "other")),
        )
        site.clock = workload.clock
        watching = Monitor(site, engine)
        watching.start()
        try:
            run = _record(options, site, engine, workload, watching, say)
        finally:
            watching.stop()
    result = Result(run=run, violations=tuple(checker.check(run)), other=report.other_tenant(run, "other"))
    records.write(options.folder / "history.jsonl", options.seed, run, result.violations)
    (options.folder / "picture.html").write_text(picture.draw(options.seed, run, result.violations))
    (options.folder / "table.md").write_text(report.markdown(result.table()))
    return result


@contextmanager
def _site(options: Options) -> Iterator[tuple[Site, Engine]]:
    environ = {name: value for name, value in os.environ.items() if name.startswith(settings_module.PREFIX)}
    data = options.folder / DATA
    data.mkdir()
    own = {"MUSTER_DEADLINE_SECONDS": str(DEADLINE_SECONDS), "MUSTER_SWEEP_SECONDS": str(SWEEP_SECONDS)}
    defaults = own | {"MUSTER_REQUESTS_PER_SECOND": "100000", "MUSTER_TENANT_CONCURRENCY": "1000"}
    needs = {nemesis.FAULTS[name].needs for name in options.faults}
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, data, ignore_errors=True)
        clocks = stack.enter_context(machine.clocks(CLOCKED)) if Need.CLOCKS in needs else None
        has_disk = Need.DISK in needs and stack.enter_context(machine.small_disk(data / DISK))
        settings = settings_module.load({**defaults, **environ}, data)
        site = Site(data, settings, clocks, has_small_disk=has_disk, log=options.folder / "log.txt")
        stack.callback(site.stop)
        site.start()
        engine = database.connect(site.direct.database_url, process="faultkit")
        yield site, engine
        engine.dispose()


def _tenant(engine: Engine, name: str) -> Tenant:
    with database.transaction(engine) as connection:
        made = tenants.create(connection, name, None)
        return Tenant(name=name, secret=tokens.create(connection, made.id, name))


def _record(options: Options, site: Site, engine: Engine, workload: Workload, watching: Monitor, say: Say) -> Run:
    workload.prepare()
    with workload.crowd(50, requests.of_one_group):
        site.wait(CALM_SECONDS)
    site.wait(QUIET_SECONDS)
    before = monitor.usage(site, engine)
    watching.all_is_well()
    workload.start()
    field = Field(
        site=site,
        workload=workload,
        engine=engine,
        redis=queue.redis_client(site.direct),
        celery=queue.create(site.direct),
        chance=random.Random(options.seed),
    )
    windows = _strike(options, field, watching, say)
    workload.stop()
    site.wait(site.settings.sweep_seconds + monitor.SLACK_SECONDS)
    site.wait(QUIET_SECONDS)
    after = monitor.usage(site, engine)
    tenants_of_run = (workload.busy, workload.other)
    return Run(
        limits=Limits(deadline_seconds=site.settings.deadline_seconds, sweep_seconds=site.settings.sweep_seconds),
        attempts=tuple(workload.attempts),
        windows=tuple(windows),
        journal=tuple(row for tenant in tenants_of_run for row in final.journal(engine, tenant)),
        resources={
            resource_id: resource
            for tenant in tenants_of_run
            for resource_id, resource in final.resources(workload.address, tenant).items()
        },
        twice=tuple(one for tenant in tenants_of_run for one in final.twice(engine, tenant)),
        overdue=tuple(watching.overdue),
        deaths=tuple(site.deaths),
        unwell=tuple(site.unwell),
        before=before,
        after=after,
    )


def _strike(options: Options, field: Field, watching: Monitor, say: Say) -> list[Window]:
    """Let one fault after another strike, until the time is over."""
    names, missing = nemesis.possible(field.site, options.faults)
    for sentence in missing:
        say(sentence)
    windows: list[Window] = []
    end = field.site.clock.now() + options.seconds
    for fault in nemesis.deck(options.seed, names):
        field.site.wait(CALM_SECONDS)
        if field.site.clock.now() + fault.seconds > end and windows:
            break
        say(_line(field, end, fault.name, watching))
        watching.something_is_wrong()
        try:
            windows.append(nemesis.strike(fault, field))
        except TimeoutError as error:
            say(str(error))
            field.site.unwell.append(str(error))
            break
        watching.all_is_well()
    field.site.wait(max(0.0, end - field.site.clock.now()))
    return windows


def _line(field: Field, end: float, fault: str, watching: Monitor) -> str:
    counts = field.workload.counts()
    told = ", ".join(f"{count:,} {verdict}" for verdict, count in sorted(counts.items()))
    return f"{max(0.0, end - field.site.clock.now()):5.0f} s left | {fault:<28} | {watching.pending()} pending | {told}"


def _progress(line: str) -> None:
    click.echo(line, err=True)


def _print(options: Options, result: Result) -> None:
    click.echo(report.text(result.table()))
    click.echo(result.other)
    for usage in (*result.run.before, *result.run.after):
        click.echo(f"{usage.role}: {usage.megabytes:.0f} MB, {usage.files} files, {usage.connections} connections")
    for violation in result.violations[:SHOWN_VIOLATIONS]:
        click.echo(f"{violation.invariant} at {violation.at:.1f} s: {violation.text}")
    if len(result.violations) > SHOWN_VIOLATIONS:
        click.echo(f"and {len(result.violations) - SHOWN_VIOLATIONS} more")
    click.echo(f"seed {options.seed}, recorded in {options.folder}")


def _chosen(names: str) -> tuple[str, ...]:
    chosen = tuple(name.strip() for name in names.split(","))
    unknown = [name for name in chosen if name not in nemesis.FAULTS]
    if unknown:
        sys.exit(f"no such fault: {', '.join(unknown)}; FAULT={LIST} lists them")
    return chosen


if __name__ == "__main__":
    main()
