"""`muster up` and `muster down`, with all processes of Muster."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from services.stack import children, state
from services.stack.errors import StackError
from shared import settings

Start = Callable[[Path], subprocess.Popen[str]]

ROOT = Path(__file__).parents[2]
MUSTER = (sys.executable, "-m", "services.cli")
PORTS = ("--gateway-port", "0", "--portal-port", "0", "--flower-port", "0")


@pytest.fixture
def up() -> Iterator[Start]:
    """Start `muster up` on a folder; what still runs at the end of the test is stopped."""
    started: list[subprocess.Popen[str]] = []

    def start(data: Path) -> subprocess.Popen[str]:
        started.append(_muster("up", "--data", str(data), *PORTS))
        return started[-1]

    yield start
    for process in started:
        process.terminate()
        if process.stdout is not None and not process.stdout.closed:
            process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_runs_until_it_is_asked_to_stop(number: signal.Signals, tmp_path: Path, up: Start) -> None:
    running = up(tmp_path / "data")
    before = _lines_until_ready(running)
    pids = _pids(tmp_path / "data")

    running.send_signal(number)
    after, _ = running.communicate()

    assert [line for line in before if line.startswith("  Tenant URL   http://127.0.0.1:")]
    assert set(pids) == {"valkey", "postgres", "migrate", "gateway", "worker", "portal", "beat", "flower"}
    assert (running.returncode, after.splitlines()[-1].split()) == (0, ["muster", "|", "stopped"])
    assert not any(psutil.pid_exists(pid) for pid in pids.values())


def test_down_stops_it(tmp_path: Path, up: Start) -> None:
    running = up(tmp_path / "data")
    _lines_until_ready(running)

    down = _muster("down", "--data", str(tmp_path / "data"))
    running.communicate()

    assert (down.communicate()[0], down.returncode) == ("stopped\n", 0)
    assert running.returncode == 0


def test_down_says_when_nothing_runs(tmp_path: Path) -> None:
    down = _muster("down", "--data", str(tmp_path / "data"))

    assert down.communicate()[0] == f"no stack runs in {tmp_path / 'data'}\n"
    assert down.returncode == 0


def test_a_second_one_on_the_folder_is_refused_and_one_beside_it_runs(tmp_path: Path, up: Start) -> None:
    first, beside = up(tmp_path / "data"), up(tmp_path / "beside")
    _lines_until_ready(first)
    _lines_until_ready(beside)

    second = up(tmp_path / "data")
    text, _ = second.communicate()

    assert second.returncode == 1
    assert (
        text
        == f"muster: a stack runs in {tmp_path / 'data'} already: stop it with muster down, or choose another --data\n"
    )
    assert first.poll() is None


def test_the_data_survives_a_kill_and_nothing_outlives_it(tmp_path: Path, up: Start) -> None:
    data = tmp_path / "data"
    killed = up(data)
    _lines_until_ready(killed)
    marks = _marks(data)
    with psycopg.connect(settings.load({}, data).database_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS value")

    killed.kill()
    killed.communicate()

    _lines_until_ready(up(data))
    assert not any(mark.is_running() for mark in marks)
    with psycopg.connect(settings.load({}, data).database_url) as connection:
        assert connection.execute("SELECT value FROM kept").fetchone() == (7,)


def test_what_is_killed_comes_back_and_a_part_is_restarted_by_command(tmp_path: Path, up: Start) -> None:
    data = tmp_path / "data"
    running = up(data)
    _lines_until_ready(running)
    before = _pids(data)

    os.kill(before["flower"], signal.SIGKILL)
    assert children.until(lambda: _pids(data)["flower"] != before["flower"], 60)
    restart = _muster("restart", "worker", "--data", str(data))
    said, _ = restart.communicate()
    refused = _muster("restart", "nobody", "--data", str(data))

    assert (said, restart.returncode) == ("restarted\n", 0)
    assert _pids(data)["worker"] != before["worker"]
    assert refused.communicate()[0].startswith("muster: there is no nobody here: choose from valkey, postgres, gateway")
    assert running.poll() is None


def test_a_restart_says_when_nothing_runs(tmp_path: Path) -> None:
    restart = _muster("restart", "all", "--data", str(tmp_path / "data"))

    assert restart.communicate()[0] == f"muster: no stack that is ready runs in {tmp_path / 'data'}\n"
    assert restart.returncode == 1


def test_a_part_that_ends_each_time_ends_it_with_status_1(tmp_path: Path, up: Start) -> None:
    data = tmp_path / "data"
    running = up(data)
    _lines_until_ready(running)
    _pids(data)

    for _ in range(1000):
        with suppress(ProcessLookupError, StackError):
            os.kill(_state(data).children["beat"].pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            running.wait(0.2)
            break
    text, _ = running.communicate()

    assert running.returncode == 1
    assert "\nmuster: beat was started " in text


def _muster(*arguments: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(settings.PREFIX)}
    return subprocess.Popen(
        [*MUSTER, *arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def _lines_until_ready(process: subprocess.Popen[str]) -> list[str]:
    """Read the process's lines up to the last one of the block that says it is ready."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("  Data folder"):
            return lines
    pytest.fail("".join(lines))


def _pids(data: Path) -> dict[str, int]:
    """Return the processes of a stack, once all of them are started."""
    assert children.until(lambda: "flower" in _state(data).children, 30)
    return {name: mark.pid for name, mark in _state(data).children.items()}


def _marks(data: Path) -> list[state.Mark]:
    return list(_state(data).children.values())


def _state(data: Path) -> state.State:
    found = state.read(data)
    if found is None:
        raise StackError("it is gone")
    return found
