"""The supervisor, with small programs in the place of Muster's own: order, crashes, stops, leftovers."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import pytest

from services.stack import children, leftovers, state, supervisor
from services.stack.errors import StackError
from services.stack.plan import Argv, Programs
from services.stack.state import Mark, State
from services.stack.supervisor import StopRequestedError
from shared import settings

ELSEWHERE = {"MUSTER_DATABASE_URL": "postgresql://elsewhere/x", "MUSTER_BROKER_URL": "redis://elsewhere"}
ANY_PORTS = {"MUSTER_GATEWAY_BIND": "127.0.0.1:0", "MUSTER_FLOWER_BIND": "127.0.0.1:0"}
ENVIRON = {**ELSEWHERE, **ANY_PORTS}

GATEWAY = """
import http.server, os, socket
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()
server = http.server.HTTPServer(("", 0), Ready, bind_and_activate=False)
server.socket = socket.socket(fileno=3)
server.serve_forever()
"""
STEADY = "import time\nprint('at work', flush=True)\nwhile True: time.sleep(1)"
STUBBORN = f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{STEADY}"
CRASHING = "import sys, pathlib, time\nwhile not pathlib.Path({!r}).exists(): time.sleep(0.02)\nsys.exit('no way on')"
TELLING = "import os, pathlib\npathlib.Path(os.environ['MUSTER_READY_FILE']).touch()\n"


@dataclass
class Lines:
    """A sink that keeps what it hears."""

    heard: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, name: str, text: str) -> None:
        self.heard.append((name, text))


@pytest.fixture
def strangers() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that the stack did not start; they end with the test."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def test_a_stack_is_ready_when_the_gateway_answers_and_leaves_nothing_behind(tmp_path: Path) -> None:
    lines = Lines()

    with supervisor.running(tmp_path, environ=ENVIRON, programs=_programs(worker=STEADY), sink=lines) as stack:
        pids = _pids(tmp_path)
        found = settings.load({}, tmp_path)
        assert found.gateway_bind == stack.settings.gateway_bind
        assert stack.settings.public_url == f"http://{stack.settings.gateway_bind}"
        assert all(psutil.pid_exists(pids[name]) for name in ("gateway", "worker"))

    assert ("migrate", "migrated") in lines.heard
    assert ("worker", "at work") in lines.heard
    assert not any(psutil.pid_exists(pid) for pid in pids.values())
    assert not (tmp_path / settings.STACK_FILE).exists()


def test_addresses_in_the_environment_win_over_servers_of_our_own(tmp_path: Path) -> None:
    with supervisor.running(tmp_path, environ=ENVIRON, programs=_programs()) as stack:
        assert stack.settings.database_url == ELSEWHERE["MUSTER_DATABASE_URL"]
        assert stack.settings.broker_url == ELSEWHERE["MUSTER_BROKER_URL"]
        assert set(_pids(tmp_path)) == {"migrate", "gateway"}


def test_without_them_the_servers_run_in_the_data_folder(tmp_path: Path) -> None:
    with supervisor.running(tmp_path, environ=ANY_PORTS, programs=_programs()) as stack:
        pids = _pids(tmp_path)
        assert stack.settings.database_url.startswith("postgresql://muster@/muster?host=/")
        assert stack.settings.broker_url.startswith("redis+socket:///")
        assert {"postgres", "valkey"} < set(pids)

    assert not any(psutil.pid_exists(pid) for pid in pids.values())


def test_a_program_that_ends_each_time_ends_the_stack_with_its_last_lines(tmp_path: Path) -> None:
    crash, pids = tmp_path / "crash", list[int]()

    def provoke() -> None:
        pids.extend(_pids(tmp_path).values())
        crash.touch()

    with pytest.raises(StackError, match=r"(?s)worker was started 5 times.*ended with status 1; its last.*no way on"):
        _run_to_the_end(tmp_path, ENVIRON, _programs(worker=CRASHING.format(str(crash))), provoke)

    assert pids
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_a_program_that_ends_before_everything_is_ready_ends_the_stack(tmp_path: Path) -> None:
    programs = _programs(worker="raise SystemExit('no way on')")
    programs = replace(programs, then={"worker": programs.then["worker"], "gateway": _python(STEADY)})

    with (
        pytest.raises(StackError, match=r"(?s)worker ended with status 1.*no way on"),
        supervisor.running(tmp_path, environ=ENVIRON, programs=programs),
    ):
        pass


@pytest.mark.parametrize("name", ["worker", "gateway", "valkey"])
def test_what_is_killed_is_started_again(tmp_path: Path, name: str) -> None:
    with supervisor.running(tmp_path, environ=ANY_PORTS, programs=_programs(worker=STEADY)) as stack:
        killed = _pids(tmp_path)[name]
        psutil.Process(killed).kill()

        def is_back() -> bool:
            stack.tend()
            return _pids(tmp_path)[name] != killed

        assert children.until(is_back, 60)
        assert stack.child(name).pid == _pids(tmp_path)[name]
        assert not stack.child(name).has_exited()


def test_a_fresh_process_is_ready_before_the_old_one_is_asked_to_leave(tmp_path: Path) -> None:
    """A fresh one takes the mark of readiness away from the old one, and sets it anew."""
    lines = Lines()
    leaving = (
        "import os, pathlib, signal, sys\n"
        "mark = pathlib.Path(os.environ['MUSTER_READY_FILE'])\n"
        "def leave(*_):\n    print('somebody is ready:', mark.exists(), flush=True)\n    sys.exit()\n"
        "signal.signal(signal.SIGTERM, leave)\n"
    )

    programs = _programs(worker=leaving + TELLING + STEADY)
    with supervisor.running(tmp_path, environ=ENVIRON, programs=programs, sink=lines) as stack:
        assert children.until((tmp_path / "worker.ready").exists, 60)
        stack.restart("worker")

    said = [text for name, text in lines.heard if name == "worker" and text.startswith("somebody")]
    assert said == ["somebody is ready: True"] * 2


def test_a_part_that_does_not_get_ready_leaves_the_old_one_in_place(tmp_path: Path) -> None:
    once = tmp_path / "once"
    failing = (
        f"import pathlib, sys\nonce = pathlib.Path({str(once)!r})\nif once.exists(): sys.exit('no')\nonce.touch()\n"
    )

    with supervisor.running(tmp_path, environ=ENVIRON, programs=_programs(worker=failing + STEADY)) as stack:
        assert children.until(once.exists, 60)
        before = stack.child("worker").pid

        with pytest.raises(StackError, match="worker ended with status 1"):
            stack.restart("worker")

        assert stack.child("worker").pid == before
        assert not stack.child("worker").has_exited()


def test_what_is_no_part_is_not_restarted(tmp_path: Path) -> None:
    with (
        supervisor.running(tmp_path, environ=ENVIRON, programs=_programs()) as stack,
        pytest.raises(StackError, match="there is no nobody here: choose from gateway, all"),
    ):
        stack.restart("nobody")


def test_a_failed_migration_starts_nothing_else(tmp_path: Path) -> None:
    lines = Lines()
    programs = Programs(first={"migrate": _python("raise SystemExit('no table')")}, then={"gateway": _python(GATEWAY)})

    with (
        pytest.raises(StackError, match=r"(?s)migrate ended with status 1.*no table"),
        supervisor.running(tmp_path, environ=ENVIRON, programs=programs, sink=lines),
    ):
        pass

    assert {name for name, _ in lines.heard} <= {"migrate", "muster"}
    assert not (tmp_path / settings.STACK_FILE).exists()


def test_what_does_not_stop_is_killed_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "PROGRAM_STOP_SECONDS", 0.5)
    lines = Lines()

    with supervisor.running(tmp_path, environ=ENVIRON, programs=_programs(worker=STUBBORN), sink=lines):
        assert children.until(lambda: ("worker", "at work") in lines.heard, 30)
        pids = _pids(tmp_path)

    assert any(name == "worker" and text.startswith("killed:") for name, text in lines.heard)
    assert not psutil.pid_exists(pids["worker"])


def test_a_stop_is_heeded_before_everything_is_ready(tmp_path: Path) -> None:
    lines = Lines()
    programs = Programs(first={"migrate": _python(STEADY)}, then={})

    with (
        pytest.raises(StopRequestedError),
        supervisor.running(
            tmp_path,
            environ=ENVIRON,
            programs=programs,
            sink=lines,
            stopping=lambda: ("migrate", "at work") in lines.heard,
        ),
    ):
        pass

    assert not (tmp_path / settings.STACK_FILE).exists()


def test_a_second_stack_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with supervisor.running(tmp_path, environ=ENVIRON, programs=_programs()):
        pids = _pids(tmp_path)

        with pytest.raises(StackError, match="already"), supervisor.running(tmp_path, environ=ENVIRON):
            pass

        assert _pids(tmp_path) == pids
        assert psutil.pid_exists(pids["gateway"])


def test_a_taken_port_starts_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with (
            pytest.raises(StackError, match=f"127.0.0.1:{port} is taken .*--gateway-port"),
            supervisor.running(tmp_path, environ=ENVIRON, programs=_programs(), gateway_port=port),
        ):
            pass

    assert not (tmp_path / settings.STACK_FILE).exists()


def test_what_a_killed_stack_left_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strangers: list[subprocess.Popen[bytes]]
) -> None:
    monkeypatch.setattr(leftovers, "LEAVING_SECONDS", 0.5)
    left = subprocess.Popen(_python(STEADY))
    strangers.append(left)
    _leave(tmp_path, {"worker": Mark.of(left.pid)})

    with supervisor.running(tmp_path, environ=ENVIRON, programs=_programs()):
        assert left.wait() != 0


def test_a_stranger_with_a_recorded_process_id_is_let_alone(
    tmp_path: Path, strangers: list[subprocess.Popen[bytes]]
) -> None:
    stranger = subprocess.Popen(_python(STEADY))
    strangers.append(stranger)
    _leave(tmp_path, {"worker": Mark(pid=stranger.pid, started=Mark.of(stranger.pid).started - 3600)})

    with supervisor.running(tmp_path, environ=ENVIRON, programs=_programs()):
        pass

    assert stranger.poll() is None


def _python(program: str) -> Argv:
    return (sys.executable, "-c", program)


def _programs(**others: str) -> Programs:
    then: Mapping[str, Argv] = {name: _python(program) for name, program in {"gateway": GATEWAY, **others}.items()}
    return Programs(first={"migrate": _python("print('migrated')")}, then=then, last={})


def _run_to_the_end(data: Path, environ: Mapping[str, str], programs: Programs, provoke: Callable[[], None]) -> None:
    with supervisor.running(data, environ=environ, programs=programs) as stack:
        provoke()
        stack.wait()


def _pids(data: Path) -> dict[str, int]:
    found = state.read(data)
    assert found is not None
    return {name: mark.pid for name, mark in found.children.items()}


def _leave(data: Path, marks: Mapping[str, Mark]) -> None:
    gone = Mark(pid=os.getpid(), started=0)
    state.write(data, State(settings={}, supervisor=gone, children=marks))
