"""Run a stack: start everything in order, start again what ends, and stop it in the order that loses nothing."""

import http.client
import math
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from services.stack import children, control, folder, leftovers, plan, ports, postgres, state
from services.stack.children import Child, Program, Sink
from services.stack.errors import StackError
from services.stack.parts import Part, Started
from services.stack.plan import Argv, Launch, Plan, Programs
from services.stack.servers import STOP_SECONDS
from services.stack.state import Mark
from shared import readiness

NAME = "muster"
ALL = "all"
PROGRAM_STOP_SECONDS = 35.0
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
    portal_port: int | None = 0,
    flower_port: int | None = None,
    environ: Mapping[str, str] = os.environ,
    programs: Programs | None = None,
    sink: Sink = children.quiet,
    stopping: Callable[[], bool] = lambda: False,
) -> Iterator["Stack"]:
    """Start a stack in a data folder, give it when it is ready, and stop it at the end of the block.

    A port of 0 is a free one, and None the one that the settings say.

    Raises StackError when it cannot start, and StopRequestedError when `stopping` says so before it is ready.
    """
    with folder.locked(data) as place:
        leftovers.clear(place, sink)
        wanted = {"gateway": gateway_port, "portal": portal_port, "flower": flower_port}
        planned = plan.make(place, environ, programs or Programs(), wanted)
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
        self._servers: list[Part] = []
        self._programs: list[Part] = []
        self._first: list[Child] = []
        self._listeners: dict[str, socket.socket] = {}

    @property
    def has_own_database(self) -> bool:
        """Whether the database is one of this stack, rather than one that the environment names."""
        return postgres.NAME in self._plan.servers

    def start(self) -> None:
        """Start everything, and return when the gateway takes requests."""
        state.write(self.data, self._state)
        self._start_servers()
        programs = self._plan.programs
        for name, argv in programs.first.items():
            self._run(name, argv)
        begin = time.monotonic()
        for name in plan.LISTENING.keys() & {*programs.then, *programs.last}:
            self._listeners[name] = ports.listen(getattr(self.settings, plan.LISTENING[name]))
        for name, argv in programs.then.items():
            self._programs.append(self._program(name, argv))
        self._until(self._gateway_is_ready, "gateway ready", begin)
        for name, argv in programs.last.items():
            self._programs.append(self._program(name, argv))

    def wait(self) -> None:
        """Return when a stop is asked for, and restart what somebody asks for or what ended by itself meanwhile.

        Raises StackError when a process ends early each time.
        """
        with control.opened(self.data) as requests:
            while not self._stopping():
                self.tend()
                control.answer(requests, self.restart)
                time.sleep(WATCH_SECONDS)

    def tend(self) -> None:
        """Start again what has ended by itself. Raises StackError when it ends early each time."""
        self._tend((*self._servers, *self._programs))

    def child(self, name: str) -> Child:
        """Return the process of a part: the one that runs now, or that ran last."""
        return next(part.child for part in (*self._servers, *self._programs) if part.name == name)

    def restart(self, name: str) -> None:
        """Replace a part by a fresh process, or one after the other all that are no servers.

        Raises StackError when there is no such part, or when it does not get ready.
        """
        parts = {part.name: part for part in (*self._servers, *self._programs)}
        wanted = list(self._programs) if name == ALL else [parts[name]] if name in parts else []
        if not wanted:
            raise StackError(f"there is no {name} here: choose from {', '.join([*parts, ALL])}")
        for part in wanted:
            begin = time.monotonic()
            part.replace(partial(self._patiently, part))
            self._record(part)
            self._sink(NAME, f"{part.name} restarted in {time.monotonic() - begin:.1f} s")

    def check(self) -> None:
        """Raise StackError when a process has ended by itself, which is too early while others are just starting."""
        for part in (*self._servers, *self._programs):
            if part.child.has_exited():
                raise StackError(part.child.ending())

    def stop(self) -> None:
        """Stop our own programs first, then the servers that they write to."""
        for listener in self._listeners.values():
            listener.close()
        children.stop([*self._first, *(part.child for part in self._programs)], PROGRAM_STOP_SECONDS, self._sink)
        for part in self._servers:
            part.stop()
        state.remove(self.data)

    def _tend(self, parts: Iterable[Part]) -> None:
        for part in parts:
            if part.tend():
                self._record(part)

    def _start_servers(self) -> None:
        begin = time.monotonic()
        for name, launch in self._plan.servers.items():
            part = Part(
                name,
                partial(_launched, launch, self.data / name, self._sink),
                stop_seconds=STOP_SECONDS,
                may_overlap=False,
                sink=self._sink,
            )
            self._servers.append(part)
            self._record(part)
        for part in self._servers:
            self._until(part.is_ready, f"{part.name} ready", begin)

    def _run(self, name: str, argv: Argv) -> None:
        begin = time.monotonic()
        child = Child(Program(name=name, argv=argv, environment=self._plan.environment), self._sink)
        self._first.append(child)
        self._note(child)
        self._until(child.has_exited, f"{name} done", begin, math.inf)
        if child.reap() != 0:
            raise StackError(child.ending())

    def _program(self, name: str, argv: Argv) -> Part:
        part = Part(
            name,
            partial(self._launch, name, argv),
            stop_seconds=PROGRAM_STOP_SECONDS,
            may_overlap=name in plan.TELLING,
            sink=self._sink,
        )
        self._record(part)
        return part

    def _launch(self, name: str, argv: Argv) -> Started:
        mark = self.data / f"{name}.ready"
        mark.unlink(missing_ok=True)
        program = Program(
            name=name,
            argv=argv,
            environment={**self._plan.environment, readiness.VARIABLE: str(mark)},
            listener=self._listeners.get(name),
        )
        is_ready = mark.exists if name in plan.TELLING else lambda: True
        return Started(child=Child(program, self._sink), is_ready=is_ready)

    def _record(self, part: Part) -> None:
        self._note(part.child)

    def _note(self, child: Child) -> None:
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

    def _patiently(self, replaced: Part, condition: Callable[[], bool]) -> None:
        """Wait until a fresh process is ready, and tend the others meanwhile."""
        begin = time.monotonic()
        while not condition():
            if self._stopping():
                raise StopRequestedError
            self._tend(part for part in (*self._servers, *self._programs) if part is not replaced)
            if time.monotonic() - begin > READY_SECONDS:
                raise StackError(f"{replaced.name} was not ready within {READY_SECONDS:.0f} s")
            time.sleep(children.PAUSE)

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


def _launched(launch: Launch, folder: Path, sink: Sink) -> Started:
    server = launch(folder, sink)
    return Started(child=server.child, is_ready=server.is_ready)
