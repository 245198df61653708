"""What a run is asked for: sound options are read, and of others it is said what is wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import nemesis, options
from tests.faults.options import OptionError

ROOT = Path(__file__).parents[2]


def command(**environ: str) -> subprocess.CompletedProcess[str]:
    arguments = (sys.executable, "-m", "tests.faults.command")
    return subprocess.run(arguments, env=environ, cwd=ROOT, capture_output=True, text=True, check=False)


def test_options_that_are_not_given_have_defaults() -> None:
    found = options.read({"SECONDS": "", "FAULT": "", "LEDGER": ""})

    assert (found.seconds, found.faults, found.ledger) == (60, tuple(nemesis.FAULTS), None)


def test_options_are_read() -> None:
    given = {"SECONDS": "1800", "SEED": "31", "FAULT": "redis-killed, two-beats", "CLIENTS": "64", "OTHERS": "0"}

    found = options.read(given | {"MUSTER_DATA": "/d", "LEDGER": "docs/faults-runs.md"})

    assert (found.seconds, found.seed, found.clients, found.others) == (1800, 31, 64, 0)
    assert found.faults == ("redis-killed", "two-beats")
    assert found.folder.parent == Path("/d/faults")
    assert found.ledger == Path("docs/faults-runs.md")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("SECONDS", "0"),
        ("SECONDS", "1m"),
        ("SECONDS", "inf"),
        ("SECONDS", "-5"),
        ("SEED", "x"),
        ("SEED", "1.5"),
        ("CLIENTS", "0"),
        ("CLIENTS", "²"),
        ("OTHERS", "-1"),
    ],
)
def test_what_is_no_number_is_named(name: str, text: str) -> None:
    with pytest.raises(OptionError, match=f"{name}=.*whole number"):
        options.read({name: text})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("redis-frozn", "no such fault: redis-frozn; did you mean .*redis-frozen"),
        ("redis-killed,nothing-at-all", "no such fault: nothing-at-all; FAULT=list"),
        (",", "no such fault: ',';"),
    ],
)
def test_of_unknown_faults_near_ones_are_told(given: str, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        options.read({"FAULT": given})


def test_the_list_has_every_fault_and_a_wrong_name_is_an_error_of_one_line() -> None:
    listed, wrong = command(FAULT="list"), command(FAULT="redis-frozn")

    assert [line.split()[0] for line in listed.stdout.splitlines()[1:]] == list(nemesis.FAULTS)
    assert (listed.returncode, wrong.returncode) == (0, 2)
    assert wrong.stderr.startswith("make faults: no such fault: redis-frozn")
    assert len(wrong.stderr.splitlines()) == 1
