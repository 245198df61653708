"""A short mix of faults, and some crash points, on every run of the tests; `make faults` runs longer ones.

FAULT_SECONDS and CRASHES say how much. What depends on how fast the machine is (I5 to I8, and what clients may see) is
left to `make faults`: other work on the machine must not fail a test.
"""

import os
import threading
from pathlib import Path

import click
import pytest

from shared.settings import Settings
from tests.faults import crashes, report, run
from tests.faults.options import Options

SECONDS = float(os.environ.get("FAULT_SECONDS") or 70)
CRASHES = int(os.environ.get("CRASHES") or 100)
SEED = 7
FAULTS = (
    "worker-killed",
    "prefork-child-killed",
    "gateway-killed",
    "redis-killed",
    "redis-flushed",
    "postgres-immediate",
    "backends-terminated",
    "postgres-reset",
    "messages-forged",
    "hot-group",
)
TIMED = frozenset({"I5", "I6", "I7", "reach", "well"})


@pytest.mark.timeout(SECONDS + 600)
def test_nothing_is_lost_reordered_or_doubled_under_a_mix_of_faults(tmp_path: Path) -> None:
    options = Options(seconds=SECONDS, seed=SEED, faults=FAULTS, folder=tmp_path / "mix")

    result = run.perform(options, click.echo, threading.Event())
    click.echo(report.text(result.table()))

    assert [violation for violation in result.violations if violation.invariant not in TIMED] == []
    assert len(result.run.windows) >= min(len(FAULTS), SECONDS // 15)
    assert (tmp_path / "mix" / "picture.html").read_text().startswith("<!doctype html>")


@pytest.mark.timeout(CRASHES * 10 + 300)
def test_a_crash_at_any_statement_makes_no_difference_in_the_end(servers: Settings) -> None:
    tried = crashes.run(servers.database_url, CRASHES, SEED)

    assert len(tried) == CRASHES
    assert [(one.point, one.place, one.difference) for one in tried if one.difference] == []
