"""Run a program as a child: its lines go to a sink, it ends with its parent, and its whole session can be stopped.

On Linux a child gets its stop signal when the *thread* that started it ends, so start children from a thread that
outlives them (the main one).
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

import psutil

from services.stack import launcher
from services.stack.errors import StackError

Sink = Callable[[str, str], None]

LAUNCHER = str(Path(launcher.__file__))
LAST_LINES = 15
PAUSE = 0.02


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run, under which name, as whom and where."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    folder: Path | None = None
    user: str = ""
    input: Path = Path(os.devnull)
    stop_signal: signal.Signals = signal.SIGTERM
    listener: socket.socket | None = None
    """A listening socket of ours that it takes connections from."""


class Child:
    """A running program; it stays unreaped, so that its process id stays its own, until it is stopped."""

    def __init__(self, program: Program, sink: Sink) -> None:
        self.program = program
        self._sink = sink
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._popen = _spawn(program)
        self.pid = self._popen.pid
        self._seen = psutil.Process(self.pid)
        self.started = self._seen.create_time()
        self._reader = threading.Thread(target=self._read, name=f"{program.name} output", daemon=True)
        self._reader.start()

    def has_exited(self) -> bool:
        """Whether the program has ended, by itself or not."""
        return self._popen.returncode is not None or self._seen.status() == psutil.STATUS_ZOMBIE

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program, if it still runs."""
        if not self.has_exited():
            os.kill(self.pid, number)

    def reap(self) -> int:
        """Kill what is left of the session and return the program's status."""
        if self._popen.returncode is None:
            _kill_group(self.pid)
            self._popen.wait()
            self._reader.join(timeout=2)
        return self._popen.returncode

    def was_killed(self) -> bool:
        """Whether an ended program was killed from outside, rather than ending by a fault of its own."""
        return self.reap() == -signal.SIGKILL

    def ending(self) -> str:
        """Return how an ended program ended, with its last lines."""
        status = self.reap()
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        lines = "".join(f"\n    {line}" for line in self._last)
        return f"{self.program.name} {how}" + (f"; its last lines:{lines}" if lines else "")

    def _read(self) -> None:
        with cast(IO[bytes], self._popen.stdout) as output:
            for line in output:
                text = line.decode(errors="replace").rstrip()
                self._last.append(text)
                self._sink(self.program.name, text)


def quiet(name: str, line: str) -> None:
    """Sink for lines that nobody wants to see."""


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until the condition holds; return False when it did not within the seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(PAUSE)
    return True


def run(program: Program, sink: Sink = quiet) -> None:
    """Run a program to its end.

    Raises StackError with its last lines when it fails.
    """
    child = Child(program, sink)
    try:
        while not child.has_exited():
            time.sleep(PAUSE)
    finally:
        status = child.reap()
    if status:
        raise StackError(child.ending())


def stop(children: Iterable[Child], seconds: float, sink: Sink) -> None:
    """Stop the children side by side; what still runs after the seconds is killed, and the sink told."""
    stopping = list(children)
    for child in stopping:
        child.signal(child.program.stop_signal)
    until(lambda: all(child.has_exited() for child in stopping), seconds)
    for child in stopping:
        if not child.has_exited():
            sink(child.program.name, f"killed: it did not stop within {seconds:.0f} s")
        child.reap()


def _spawn(program: Program) -> subprocess.Popen[bytes]:
    listener = () if program.listener is None else (program.listener.fileno(),)
    command = [
        *(sys.executable, "-I", "-S", LAUNCHER, str(os.getpid()), str(int(program.stop_signal)), program.user),
        "".join(map(str, listener)),
    ]
    with program.input.open("rb") as source:
        return subprocess.Popen(  # noqa: S603
            [*command, *program.argv],
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=program.environment,
            cwd=program.folder,
            start_new_session=True,
            pass_fds=listener,
        )


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # Nobody is left in it (macOS says the latter of a dead leader).
        return
