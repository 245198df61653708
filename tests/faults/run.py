"""Run a site under load, with one fault after another, and judge what was recorded."""

import os
import random
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from sqlalchemy import Engine

from services.directory import database, tenants, tokens
from shared import queue
from shared import settings as settings_module
from tests.faults import checker, final, machine, monitor, nemesis, picture, records, report, requests
from tests.faults.client import Tenant
from tests.faults.field import Field
from tests.faults.monitor import Monitor
from tests.faults.nemesis import Need
from tests.faults.options import Options
from tests.faults.records import Limits, Run, Violation, Window
from tests.faults.site import DISK, Site
from tests.faults.workload import Workload

DATA = "data"
CALM_SECONDS = 2.0
QUIET_SECONDS = 2.0
DEADLINE_SECONDS = 10.0
SWEEP_SECONDS = 2.0
CLOCKED = ("postgres", "gateway", "worker", "beat")

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Result:
    """A run and what is wrong with it."""

    run: Run
    violations: tuple[Violation, ...]
    other: str

    def table(self) -> list[report.Row]:
        """Return the table of the run."""
        return report.rows(self.run, self.violations)


def perform(options: Options, say: Say, stopped: threading.Event) -> Result:
    """Run a site under load and faults until the time is over or it is stopped; what was recorded is in the folder."""
    options.folder.mkdir(parents=True)
    with _site(options) as (site, engine):
        workload = Workload(
            address=site.settings.gateway_bind,
            deadline=site.settings.deadline_seconds,
            seed=options.seed,
            tenants=(_tenant(engine, "busy"), _tenant(engine, "other")),
            clients=(options.clients, options.others),
        )
        site.clock = workload.clock
        watching = Monitor(site, engine)
        watching.start()
        try:
            run = _record(options, site, engine, workload, watching, say, stopped)
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


def _record(
    options: Options,
    site: Site,
    engine: Engine,
    workload: Workload,
    watching: Monitor,
    say: Say,
    stopped: threading.Event,
) -> Run:
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
    windows = _strike(options, field, watching, say, stopped)
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


def _strike(options: Options, field: Field, watching: Monitor, say: Say, stopped: threading.Event) -> list[Window]:
    """Let one fault after another strike, until the time is over or the run is stopped.

    Each has a chance of its own, so that what one draws, more often when the machine is slow, changes no other.
    """
    names, missing = nemesis.possible(field.site, options.faults)
    for sentence in missing:
        say(sentence)
    windows: list[Window] = []
    end = field.site.clock.now() + options.seconds
    for number, fault in enumerate(nemesis.deck(options.seed, names)):
        field.site.wait(CALM_SECONDS)
        is_over = field.site.clock.now() + fault.seconds > end and windows
        if is_over or stopped.is_set():
            break
        say(_line(field, end, fault.name, watching))
        watching.something_is_wrong()
        try:
            windows.append(nemesis.strike(fault, replace(field, chance=random.Random(f"{options.seed}:{number}"))))
        except TimeoutError as error:
            say(str(error))
            field.site.unwell.append(str(error))
            break
        watching.all_is_well()
    while not stopped.is_set() and field.site.clock.now() < end:
        field.site.wait(min(CALM_SECONDS, end - field.site.clock.now()))
    return windows


def _line(field: Field, end: float, fault: str, watching: Monitor) -> str:
    counts = field.workload.counts()
    told = ", ".join(f"{count:,} {verdict}" for verdict, count in sorted(counts.items()))
    return f"{max(0.0, end - field.site.clock.now()):5.0f} s left | {fault:<28} | {watching.pending()} pending | {told}"
