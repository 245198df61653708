"""The site of a run: PostgreSQL, Valkey and Muster's processes, of which each can be ended and started by itself.

`muster up` ends the whole stack when one process dies. Here a process that dies is started again, as a container's
restart policy would. Everything is started by one thread, for a child ends with the thread that started it.
"""

import http.client
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import orjson
import psutil

from services.stack import children, plan, ports, postgres, sockets, valkey
from services.stack.children import Child, Program
from services.stack.servers import Server
from shared import settings as settings_module
from shared.settings import Settings
from tests.faults import proxy
from tests.faults.client import Clock
from tests.faults.machine import Clocks
from tests.faults.records import Death
from tests.faults.toxics import Toxic

ROOT = Path(__file__).parents[2]
SERVERS = (valkey.NAME, postgres.NAME)
PROXY = "proxy"
DISK = "disk"
OURS = ("gateway", "worker", "beat")
PROXIED = ("gateway", "worker")
READY_SECONDS = 120.0
RESTART_SECONDS = 0.5
STOP_SECONDS = 20.0


class Site:
    """All processes of a run by their role, and which of them should be running."""

    def __init__(
        self, folder: Path, settings: Settings, clocks: Clocks | None, *, has_small_disk: bool, log: Path
    ) -> None:
        self.folder, self.disk = folder, folder / DISK
        self.disk.mkdir(exist_ok=True)
        self.clocks, self.has_small_disk = clocks, has_small_disk
        self.clock = Clock()
        self.deaths: list[Death] = []
        self.unwell: list[str] = []
        self.extra: Mapping[str, str] = {}
        """Added to the environment of what is started from now on."""
        self.direct = replace(
            settings,
            database_url=postgres.url(self._place(postgres.NAME)),
            broker_url=valkey.url(self._place(valkey.NAME)),
            gateway_bind=_free("--gateway-port"),
            flower_bind=_free("--flower-port"),
        )
        """The settings of whoever goes to the servers without a detour."""
        self.settings = replace(self.direct, public_url=f"http://{self.direct.gateway_bind}")
        self._proxies = {f"{server}.{role}": _free_port() for server in SERVERS for role in PROXIED}
        self._children: dict[str, Child] = {}
        self._servers: dict[str, Server] = {}
        self._wanted: set[str] = set()
        self._log = log.open("a", buffering=1)

    def start(self) -> None:
        """Start everything, and return when all of it is ready."""
        for role in SERVERS:
            self.up(role)
        self.until(self.servers_are_ready, "servers")
        children.run(self._program("migrate"), self._sink)
        self.up(PROXY)
        self.until(self._control.exists, "proxy")
        for role in OURS:
            self.up(role)
        self.until(self.is_well, "start")

    def stop(self) -> None:
        """Stop everything that was started, frozen or not."""
        for role in self._children:
            self.thaw(role)
        for group in (OURS, (*self._children.keys() - set(OURS) - set(SERVERS),), SERVERS):
            found = [self._children[role] for role in group if role in self._children]
            children.stop(found, STOP_SECONDS, self._sink)
        self._log.close()

    def up(self, role: str) -> None:
        """Start what is not running, and see to it that it keeps running."""
        self._wanted.add(role)
        if not self.is_running(role):
            if role in self._children:
                self._children[role].reap()
            self._children[role] = self._launch(role)

    def down(self, role: str, number: signal.Signals) -> None:
        """End a role's processes with a signal; it stays down until it is started again."""
        self._wanted.discard(role)
        self.signal(role, number)

    def stop_role(self, role: str) -> None:
        """Let a role end as it does when it is told to stop, and wait for it."""
        self._wanted.discard(role)
        if role in self._children:
            children.stop([self._children[role]], STOP_SECONDS, self._sink)

    def signal(self, role: str, number: signal.Signals) -> None:
        """Send a signal to a role: to its whole family when nobody can refuse it, otherwise to the first process."""
        pids = self.family(role)
        for pid in pids if number in {signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT} else pids[:1]:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self, pid: int) -> None:
        """Kill one process of a role."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def thaw(self, role: str) -> None:
        """Let a frozen role go on."""
        self.signal(role, signal.SIGCONT)

    def family(self, role: str) -> list[int]:
        """Return the processes of a role, the first one first."""
        if not self.is_running(role):
            return []
        with suppress(psutil.NoSuchProcess):
            first = psutil.Process(self._children[role].pid)
            return [first.pid, *(child.pid for child in first.children(recursive=True))]
        return []

    def is_running(self, role: str) -> bool:
        """Whether a role's first process is there."""
        return role in self._children and not self._children[role].has_exited()

    def poison(self, prefix: str, toxics: Iterable[Toxic]) -> None:
        """Give toxics to all proxies whose name begins so, and take away those that they have."""
        wanted = tuple(toxics)
        for name in self._proxies:
            if name.startswith(prefix):
                proxy.command(self._control, name, wanted)

    def shift_clock(self, role: str, seconds: int) -> None:
        """Let a role's clock be wrong by so many seconds."""
        assert self.clocks is not None, "a fault of clocks is left out where there are none"
        self.clocks.shift(role, seconds)

    def tend(self) -> None:
        """Start again what should be running and is not; that it had to be is written down."""
        for role in sorted(self._wanted):
            if not self.is_running(role):
                ending = self._children[role].ending().partition(";")[0]
                self.deaths.append(Death(role=role, at=self.clock.now(), ending=ending))
                time.sleep(RESTART_SECONDS)
                self.up(role)

    def wait(self, seconds: float) -> None:
        """Let time pass, and tend the processes meanwhile."""
        end = self.clock.now() + seconds
        while self.clock.now() < end:
            self.tend()
            time.sleep(min(0.05, max(0.0, end - self.clock.now())))

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Tend the processes until a condition holds. Raises TimeoutError."""
        end = self.clock.now() + READY_SECONDS
        while not condition():
            if self.clock.now() > end:
                raise TimeoutError(f"{what}: not well within {READY_SECONDS:.0f} s, see {self._log.name}")
            self.wait(0.05)

    def servers_are_ready(self) -> bool:
        """Whether PostgreSQL and Valkey take connections."""
        return all(self.is_running(role) and self._servers[role].is_ready() for role in SERVERS)

    def is_well(self) -> bool:
        """Whether everything that should be running is, and says that it works."""
        return all(self.is_running(role) for role in self._wanted) and self.readiness() == {
            "status": "ready",
            "database": "ok",
            "broker": "ok",
            "worker": "ok",
            "outcomes": "ok",
        }

    def readiness(self) -> dict[str, str]:
        """Return what the gateway says of itself; nothing when it does not answer."""
        connection = http.client.HTTPConnection(*ports.split(self.settings.gateway_bind), timeout=2)
        with suppress(OSError, http.client.HTTPException, ValueError):
            try:
                connection.request("GET", "/readyz")
                answer: dict[str, str] = orjson.loads(connection.getresponse().read())
                return answer
            finally:
                connection.close()
        return {}

    def _launch(self, role: str) -> Child:
        if role in plan.SERVERS:
            with _environment(self._clock_of(role)):
                self._servers[role] = plan.SERVERS[role](self._place(role), self._sink)
            return self._servers[role].child
        if role == PROXY:
            self._control.unlink(missing_ok=True)
            return Child(Program(name=PROXY, argv=self._proxy_command(), folder=ROOT), self._sink)
        return Child(self._program(role), self._sink)

    def _program(self, role: str) -> Program:
        own = {
            "MUSTER_DATA": str(self.folder / role),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
        }
        settings = settings_module.environment(self._settings_of(role))
        environ = {**os.environ, **settings, **own, **self._clock_of(role), **self.extra}
        return Program(name=role, argv=plan.muster(role.rstrip("0123456789")), environment=environ)

    def _settings_of(self, role: str) -> Settings:
        """Return the settings of a role: it goes to its servers through proxies of its own."""
        proxied = role if role in PROXIED else "worker"
        if role == "migrate":
            return self.direct
        return replace(
            self.settings,
            database_url=f"postgresql://{postgres.ROLE}@127.0.0.1:{self._proxies[f'postgres.{proxied}']}/{postgres.ROLE}",
            broker_url=f"redis://127.0.0.1:{self._proxies[f'valkey.{proxied}']}/0",
        )

    def _proxy_command(self) -> tuple[str, ...]:
        upstreams = {
            postgres.NAME: sockets.reachable(self._place(postgres.NAME).resolve(), postgres.SOCKET) / postgres.SOCKET,
            valkey.NAME: sockets.reachable(self._place(valkey.NAME).resolve(), valkey.SOCKET) / valkey.SOCKET,
        }
        places = [f"{name}={port}={upstreams[name.partition('.')[0]]}" for name, port in self._proxies.items()]
        return (sys.executable, "-m", "tests.faults.proxy", str(self._control), *places)

    @property
    def _control(self) -> Path:
        return sockets.reachable(self.folder.resolve(), "proxy.sock") / "proxy.sock"

    def _place(self, server: str) -> Path:
        return (self.disk if server == postgres.NAME else self.folder) / server

    def _clock_of(self, role: str) -> Mapping[str, str]:
        return self.clocks.environment(role) if self.clocks is not None else {}

    def _sink(self, name: str, line: str) -> None:
        with suppress(ValueError):
            self._log.write(f"{self.clock.now():9.3f} {name:<8} {line}\n")


@contextmanager
def _environment(added: Mapping[str, str]) -> Iterator[None]:
    """Add variables to our own environment for the duration of the block: the servers are started with it."""
    before = dict(os.environ)
    os.environ.update(added)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _free(option: str) -> str:
    return ports.choose({option: "127.0.0.1:0"})[option]


def _free_port() -> int:
    return ports.split(_free("a port"))[1]
