"""What is measured and compared: Muster, its peers and its limits, each behind one address.

Peers run from an environment of their own (`.bench/`, made by `make bench`). What a peer cannot do is said by
`MissingError`; the report has a row for it.
"""

import http.client
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import orjson
import psutil
from sqlalchemy import Engine, text

from bench import seeding
from bench.bodies import Target, role
from services.directory import database, migrating, tenants, tokens
from services.stack import plan, postgres, supervisor, valkey
from services.stack.plan import Programs
from services.stack.supervisor import Stack
from shared import settings

ROOT = Path(__file__).parents[1]
PEERS = ROOT / "bench" / "peers"
PLACE = ROOT / ".bench"
TOKEN = "bench-token"  # noqa: S105 - lets nobody in anywhere else.
READY_SECONDS = 600.0
"""A peer that fills its memory first takes minutes."""

LIMITS = {"MUSTER_REQUESTS_PER_SECOND": "0", "MUSTER_TENANT_CONCURRENCY": "0"}
"""One token sends what a hundred would; two settings keep one from taking all."""

PROCESSES = {"MUSTER_GATEWAY_PROCESSES": "2", "MUSTER_WORKER_PROCESSES": "1"}
"""*direct* and django-scim2 have two processes as well, one for each core that they are usually measured on."""

LEAN = Programs(last={"beat": plan.muster("beat")})
"""Nobody looks at pages meanwhile."""

MUSTER, DIRECT, SCIM2, SCIMMY, DJANGO, ACCEPT = "Muster", "direct", "scim2-server", "SCIMMY", "django-scim2", "accept"
WORKING = ("gateway", "worker", "beat", postgres.NAME, valkey.NAME)
DURABLE = frozenset({MUSTER, DIRECT, DJANGO, ACCEPT})


class MissingError(Exception):
    """A peer is not installed here, or cannot do what is to be measured."""


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One service under load: how to ask it, and how it names what it began with."""

    name: str
    target: Target
    users: int
    block: int | None = None
    """Which block of ids its people have, if they are Muster's."""
    processes: tuple[int, ...] = ()
    """What works for it: these, and all that they started."""

    def processor_seconds(self) -> float:
        """Return how much processor time its processes have had."""
        return sum(_processor_seconds(pid) for pid in self.processes)

    def user_id(self, number: int) -> str:
        """Return the id of a person that was there from the start."""
        if self.block is not None:
            return str(seeding.user_id(self.block, number))
        return str(number) if self.name == DJANGO else f"{number:032x}"

    def group_id(self, size: int) -> str:
        """Return the id of the group with so many members."""
        if self.block is not None:
            return str(seeding.group_id(self.block, size))
        return str(size) if self.name == DJANGO else f"group-{size}"


@dataclass(frozen=True)
class Served:
    """A server that answers: where, and which process it is."""

    address: str
    pid: int


class Field:
    """A stack of its own, and whatever is compared with it on the same PostgreSQL and the same machine."""

    def __init__(self, stack: Stack, engine: Engine, folder: Path) -> None:
        self.stack, self.engine, self.folder = stack, engine, folder
        self._blocks = 0

    def muster(self, users: int = 0, groups: Sequence[int] = ()) -> Contestant:
        """Return Muster, with a tenant of so many people and groups."""
        self._blocks += 1
        with database.transaction(self.engine) as connection:
            made = tenants.create(connection, f"bench-{self._blocks}", None).id
            secret = tokens.create(connection, made, "bench")
        seeding.fill(self.engine, made, self._blocks, users, groups)
        target = Target(address=self.stack.settings.gateway_bind, prefix="/rest/scim/v2", token=secret)
        parts = tuple(self.stack.child(name).pid for name in WORKING)
        return Contestant(name=MUSTER, target=target, users=users, block=self._blocks, processes=parts)

    @contextmanager
    def peer(self, name: str, users: int = 0, groups: Sequence[int] = ()) -> Iterator[Contestant]:
        """Run a peer or *direct* for the duration of the block. Raises MissingError."""
        environ = {"SEED_USERS": str(users), "SEED_GROUPS": " ".join(map(str, groups)), "TOKEN": TOKEN}
        start = {DIRECT: self._direct, SCIM2: self._scim2, SCIMMY: self._scimmy, DJANGO: self._django}[name]
        with start(environ, users) as (served, prefix, block):
            target = Target(address=served.address, prefix=prefix, token=TOKEN)
            database_of = (self.stack.child(postgres.NAME).pid,) if name in DURABLE else ()
            processes = (served.pid, *database_of)
            yield Contestant(name=name, target=target, users=users, block=block, processes=processes)

    @contextmanager
    def database(self, name: str) -> Iterator[str]:
        """Return the URL of a database of its own beside Muster's; it is new, and dropped afterwards."""
        with database.autocommit(self.engine) as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            connection.execute(text(f"CREATE DATABASE {name}"))
        try:
            yield self.stack.settings.database_url.replace("/muster?", f"/{name}?")
        finally:
            with database.autocommit(self.engine) as connection:
                connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))

    @contextmanager
    def _direct(self, environ: dict[str, str], users: int) -> Iterator[tuple[Served, str, int | None]]:
        with self.database("direct") as url, _engine(url) as engine:
            migrating.upgrade(engine, self.stack.settings)
            with database.transaction(engine) as connection:
                tenant = tenants.create(connection, "direct", None).id
            seeding.fill(engine, tenant, 1, users, ())
            given = environ | {"DATABASE_URL": url, "TENANT": str(tenant)}
            argv = [sys.executable, "-m", *_gunicorn("gevent", "--workers", "2"), "bench.peers.direct:app"]
            with self._running(DIRECT, argv, given, ROOT) as served:
                yield served, "", 1

    @contextmanager
    def _scim2(self, environ: dict[str, str], _: int) -> Iterator[tuple[Served, str, int | None]]:
        argv = [str(_installed("venv/bin/python")), "-m", *_gunicorn("gevent", "--workers", "1"), "scim2_memory:app"]
        with self._running(SCIM2, argv, environ, PEERS) as served:
            yield served, "/scim/v2", None

    @contextmanager
    def _scimmy(self, environ: dict[str, str], _: int) -> Iterator[tuple[Served, str, int | None]]:
        node = shutil.which("node")
        if node is None:
            raise MissingError("there is no node here")
        # Packages are found from where the file lies, so it lies beside them.
        _installed("node_modules")
        shutil.copy(PEERS / "scimmy" / "server.mjs", PLACE / "server.mjs")
        with self._running(SCIMMY, [node, "--max-old-space-size=6000", "server.mjs"], environ, PLACE) as served:
            yield served, "/scim/v2", None

    @contextmanager
    def _django(self, environ: dict[str, str], _: int) -> Iterator[tuple[Served, str, int | None]]:
        python = str(_installed("venv/bin/python"))
        with self.database("django") as url:
            parts = urlsplit(url)
            given = environ | {
                "DATABASE_HOST": parse_qs(parts.query)["host"][0],
                "DATABASE_USER": parts.username or "",
                "DATABASE_NAME": parts.path.removeprefix("/"),
                "DJANGO_SETTINGS_MODULE": "django_site.settings",
            }
            _run([python, "-m", "django_site.prepare"], _environ(given), PEERS)
            # Connections to PostgreSQL belong to threads, and stay open.
            served = _gunicorn("gthread", "--workers", "2", "--threads", "8")
            argv = [python, "-m", *served, "django.core.wsgi:get_wsgi_application()"]
            with self._running(DJANGO, argv, given, PEERS) as served:
                yield served, "/scim/v2", None

    @contextmanager
    def _running(self, name: str, argv: list[str], given: dict[str, str], place: Path) -> Iterator[Served]:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
        log = self.folder / f"{name}.log"
        environ = _environ(given) | {"PORT": port, "GUNICORN_CMD_ARGS": f"--bind 127.0.0.1:{port}"}
        with log.open("wb") as output:
            process = subprocess.Popen(argv, cwd=place, env=environ, stdout=output, stderr=output)  # noqa: S603 - ours.
            try:
                _await(process, int(port), log)
                yield Served(f"127.0.0.1:{port}", process.pid)
            finally:
                _stop(process)


@contextmanager
def field(**environ: str) -> Iterator[Field]:
    """Run a stack on free ports for the duration of the block."""
    folder, given = Path(tempfile.mkdtemp(prefix="muster-bench-")), _environ(LIMITS | PROCESSES | environ)
    try:
        with (
            supervisor.running(
                folder / "stack", gateway_port=0, flower_port=0, environ=given, programs=LEAN
            ) as running,
            _engine(running.settings.database_url) as engine,
        ):
            yield Field(running, engine, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def create_group(target: Target) -> str:
    """Create an empty group, and return its id."""
    headers = {"Authorization": f"Bearer {target.token}", "Content-Type": "application/scim+json"}
    body = orjson.dumps(role(f"Group {uuid4()}"))
    with closing(http.client.HTTPConnection(target.address, timeout=60)) as connection:
        connection.request("POST", f"{target.prefix}/Groups", body, headers)
        answer = connection.getresponse().read()
    return str(orjson.loads(answer)["id"])


@contextmanager
def _engine(url: str) -> Iterator[Engine]:
    engine = database.connect(url, process="bench")
    try:
        yield engine
    finally:
        engine.dispose()


def _environ(given: dict[str, str]) -> dict[str, str]:
    """Return our environment without what configures somebody's own Muster."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(settings.PREFIX)}
    return mine | given


def _gunicorn(worker: str, *options: str) -> list[str]:
    return ["gunicorn", "--worker-class", worker, "--keep-alive", "75", "--no-control-socket", *options]


def _installed(name: str) -> Path:
    path = PLACE / name
    if not path.exists():
        raise MissingError(f"{path.relative_to(ROOT)} is missing: make bench installs it")
    return path


def _run(argv: list[str], environ: dict[str, str], place: Path) -> None:
    done = subprocess.run(argv, cwd=place, env=environ, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise MissingError(f"{argv[-1]} failed: {done.stderr[-300:]}")


def _await(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Wait until a server answers whatever is asked. Raises MissingError when it ends, or takes too long."""
    begin = time.monotonic()
    while time.monotonic() < begin + READY_SECONDS:
        if process.poll() is not None:
            raise MissingError(f"it ended: {log.read_text(errors='replace')[-300:]}")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=READY_SECONDS)
        with suppress(OSError, http.client.HTTPException), closing(connection):
            connection.request("GET", "/")
            connection.getresponse().read()
            return
        time.sleep(0.1)
    raise MissingError(f"it was not ready within {READY_SECONDS:.0f} s")


def _processor_seconds(pid: int) -> float:
    """Return the processor time of a process and of all that it started, the ended ones included."""
    total = 0.0
    for each in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Stop a server with all that it started."""
    family = (
        [process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))]
        if process.poll() is None
        else []
    )
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        for pid in family:
            if psutil.pid_exists(pid):
                psutil.Process(pid).kill()
        process.wait()
