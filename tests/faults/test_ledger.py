"""The document of runs: a row for each run, and their sum, whoever wrote what is there."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults import ledger
from tests.faults.ledger import Entry

RUN = Entry(
    day="2026-11-28",
    seed=31,
    seconds=1800,
    clients=14,
    faults=182,
    acknowledged=23_595,
    unavailable=152,
    unknown=302,
    violations=3,
)


def test_runs_are_added_up(tmp_path: Path) -> None:
    document = tmp_path / "runs.md"

    for run in (RUN, replace(RUN, seed=32, acknowledged=100_000, violations=0)):
        ledger.enter(document, run)

    lines = document.read_text().splitlines()
    assert lines[-3:] == [
        "| 2026-11-28 | 31 | 1,800 | 14 | 182 | 23,595 | 152 | 302 | 3 |",
        "| 2026-11-28 | 32 | 1,800 | 14 | 182 | 100,000 | 152 | 302 | 0 |",
        "| all |  | 3,600 |  | 364 | 123,595 | 304 | 604 | 3 |",
    ]


def test_what_was_written_is_read_again() -> None:
    assert ledger.read(ledger.document([RUN, RUN])) == [RUN, RUN]


def test_a_row_that_is_taken_out_is_missing_in_the_sum(tmp_path: Path) -> None:
    document = tmp_path / "runs.md"
    ledger.enter(document, RUN)
    lines = document.read_text().splitlines(keepends=True)
    document.write_text("".join(line for line in lines if "| 31 |" not in line))

    ledger.enter(document, replace(RUN, seed=32))

    assert [run.seed for run in ledger.read(document.read_text())] == [32]
    assert "| all |  | 1,800 |" in document.read_text()


def test_a_row_that_is_no_run_is_an_error() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        ledger.read(ledger.document([RUN]).replace("23,595", "many"))
