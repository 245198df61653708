"""Run a stack: start everything in order, watch it, and stop it in the order that loses nothing."""

import http.client
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from services.stack import children, folder, leftovers, plan, ports, state
from services.stack.children import Child, Program, Sink
from services.stack.errors import StackError
from services.stack.plan import Argv, Plan, Programs
from services.stack.servers import Server
from services.stack.state import Mark

NAME = "muster"
PROGRAM_STOP_SECONDS = 10.0
READY_SECONDS = 60.0
NO_WORKER = b"none heard of"
WATCH_SECONDS = 0.1


class StopRequestedError(Exception):
    """Somebody asked to stop before everything was ready."""


@contextmanager
def running(
    data: Path,
    *,
    gateway_port: int | None = None,
    flower_port: int | None = None,
    environ: Mapping[str, str] = os.environ,
    programs: Programs | None = None,
    sink: Sink = children.quiet,
    stopping: Callable[[], bool] = lambda: False,
) -> Iterator["Stack"]:
    """Start a stack in a data folder, give it when it is ready, and stop it at the end of the block.

    Raises StackError when it cannot start, and StopRequestedError when `stopping` says so before it is ready.
    """
    with folder.locked(data) as place:
        leftovers.clear(place, sink)
        planned = plan.make(place, environ, programs or Programs(), gateway_port, flower_port)
        stack = Stack(place, planned, sink, stopping)
        try:
            stack.start()
            yield stack
        finally:
            stack.stop()


class Stack:
    """The processes of one data folder."""

    def __init__(self, data: Path, planned: Plan, sink: Sink, stopping: Callable[[], bool]) -> None:
        self.data = data
        self.settings = planned.settings
        self._plan = planned
        self._sink = sink
        self._stopping = stopping
        self._state = state.of(planned.settings)
        self._servers: list[Server] = []
        self._programs: list[Child] = []
        self._watched: list[Child] = []

    def start(self) -> None:
        """Start everything, and return when the gateway takes requests."""
        state.write(self.data, self._state)
        self._start_servers()
        programs = self._plan.programs
        for name, argv in programs.first.items():
            self._run(name, argv)
        begin = time.monotonic()
        for name, argv in programs.then.items():
            self._watched.append(self._launch(name, argv))
        self._until(self._gateway_is_ready, "gateway ready", begin)
        for name, argv in programs.last.items():
            self._watched.append(self._launch(name, argv))

    def wait(self) -> None:
        """Return when a stop is asked for; raise StackError when a process ends by itself."""
        while not self._stopping():
            self.check()
            time.sleep(WATCH_SECONDS)

    def check(self) -> None:
        """Raise StackError when a process has ended by itself."""
        for child in self._watched:
            if child.has_exited():
                raise StackError(child.ending())

    def stop(self) -> None:
        """Stop our own programs first, then the servers that they write to."""
        children.stop(self._programs, PROGRAM_STOP_SECONDS, self._sink)
        for server in self._servers:
            server.stop(self._sink)
        state.remove(self.data)

    def _start_servers(self) -> None:
        begin = time.monotonic()
        for name, launch in self._plan.servers.items():
            server = launch(self.data / name, self._sink)
            self._servers.append(server)
            self._watched.append(server.child)
            self._record(server.child)
        for server in self._servers:
            self._until(server.is_ready, f"{server.child.program.name} ready", begin)

    def _run(self, name: str, argv: Argv) -> None:
        begin = time.monotonic()
        child = self._launch(name, argv)
        self._until(child.has_exited, f"{name} done", begin, math.inf)
        if child.reap() != 0:
            raise StackError(child.ending())

    def _launch(self, name: str, argv: Argv) -> Child:
        child = Child(Program(name=name, argv=argv, environment=self._plan.environment), self._sink)
        self._programs.append(child)
        self._record(child)
        return child

    def _record(self, child: Child) -> None:
        mark = Mark(pid=child.pid, started=child.started)
        self._state = replace(self._state, children={**self._state.children, child.program.name: mark})
        state.write(self.data, self._state)

    def _until(self, condition: Callable[[], bool], what: str, begin: float, seconds: float = READY_SECONDS) -> None:
        """Wait for a condition and say so, unless a stop is asked for or something ends by itself meanwhile."""
        while not condition():
            if self._stopping():
                raise StopRequestedError
            self.check()
            if time.monotonic() - begin > seconds:
                raise StackError(f"no {what} within {seconds:.0f} s: see its lines above")
            time.sleep(children.PAUSE)
        self.check()
        self._sink(NAME, f"{what} in {time.monotonic() - begin:.1f} s")

    def _gateway_is_ready(self) -> bool:
        """Whether requests are taken, and a worker is there that applies them."""
        connection = http.client.HTTPConnection(*ports.split(self.settings.gateway_bind), timeout=1)
        with suppress(OSError, http.client.HTTPException):
            try:
                connection.request("GET", "/readyz")
                response = connection.getresponse()
                return response.status == http.client.OK and NO_WORKER not in response.read()
            finally:
                connection.close()
        return False
