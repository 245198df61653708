"""Start an embedded PostgreSQL on a folder, making its databases there first when the folder is new.

The server listens on a socket inside its own folder, mode 0700, and nowhere else; who can enter the folder may read the
data anyway, so the socket asks for no password. Root's server runs as `nobody`, because PostgreSQL refuses root; it
is started *in* its folder and told to look at `/proc/self/cwd`, so it works below folders that `nobody` cannot enter.
"""

import os
import pwd
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import psutil

from services.stack import binaries, children, sockets
from services.stack.children import Child, Program, Sink
from services.stack.errors import StackError
from services.stack.servers import Server, ready

NAME = "postgres"
ROLE = "muster"
SOCKET = ".s.PGSQL.5432"
LOCK = "postmaster.pid"
MARK = "made-by-muster"
LEAVING_SECONDS = 20.0

LOCALE = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
ACCESS = (f"--username={ROLE}", "--auth-local=trust", "--auth-host=reject")
OPTIONS = {
    "listen_addresses": "",
    "unix_socket_directories": ".",
    "unix_socket_permissions": "0700",
    "port": "5432",
    "max_connections": "100",
    "shared_buffers": "128MB",
    # The detail of an error quotes the values of a row, which no log may have.
    "log_error_verbosity": "terse",
    "fsync": "on",
    "synchronous_commit": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_checkpoints": "off",
    "log_line_prefix": "%m ",
}


def start(folder: Path, sink: Sink = children.quiet) -> Server:
    """Start the server on its folder and wait until it takes connections; its database is empty at first.

    Raises StackError when the folder cannot be used, and leaves it as it is.
    """
    return ready(launch(folder, sink))


def launch(folder: Path, sink: Sink = children.quiet) -> Server:
    """Start the server on its folder without waiting for it."""
    folder = folder.resolve()
    user = _user()
    commands = binaries.postgres(user)
    if folder.exists():
        _check(folder)
    else:
        _create(folder, commands, user)
    _clear_lock(folder)
    options = tuple(part for name, value in OPTIONS.items() for part in ("-c", f"{name}={value}"))
    child = Child(_program(commands, folder, user, ("postgres", "-D", _place(folder, user), *options)), sink)
    return Server(url=url(folder), child=child, is_ready=lambda: _is_ready(folder, child.pid))


def url(folder: Path) -> str:
    """Return the URL of the server of a folder."""
    return f"postgresql://{ROLE}@/{ROLE}?host={quote(str(sockets.reachable(folder.resolve(), SOCKET)))}"


def _user() -> str:
    """Return whom the server runs as: "" for ourselves."""
    if os.geteuid() != 0:
        return ""
    try:
        return pwd.getpwnam("nobody").pw_name
    except KeyError:
        raise StackError(
            "PostgreSQL refuses to run as root, and there is no user nobody: set MUSTER_DATABASE_URL"
        ) from None


def _check(folder: Path) -> None:
    """Refuse a folder that is not a whole one of ours."""
    try:
        version = (folder / "PG_VERSION").read_text().strip()
        is_ours = (folder / MARK).exists()
    except OSError as error:
        raise StackError(
            f"{folder} is not a whole PostgreSQL folder ({error.strerror}: PG_VERSION): "
            "move it away, or choose another folder with --data"
        ) from None
    if not is_ours:
        raise StackError(f"{folder} was not made by muster: move it away, or choose another folder with --data")
    if version != binaries.postgres_major():
        raise StackError(
            f"{folder} was made by PostgreSQL {version}, this is {binaries.postgres_major()}: "
            "use the muster that made it, or choose another folder with --data"
        )


def _create(folder: Path, commands: Path, user: str) -> None:
    """Make the databases beside the folder and move them into place when they are whole."""
    building = folder.with_name(f"{folder.name}.building")
    _clear_half_written(building)
    made = building / "folder"
    building.mkdir(mode=0o700)
    (building / MARK).touch()
    statements = building / "statements"
    statements.write_text(f"CREATE DATABASE {ROLE}\n")
    made.mkdir(mode=0o700)
    _give(made, user)
    children.run(_program(commands, made, user, ("initdb", "-D", _place(made, user), *LOCALE, *ACCESS)))
    single_user = _program(commands, made, user, ("postgres", "--single", "-D", _place(made, user), "template1"))
    children.run(replace(single_user, input=statements))
    (made / MARK).touch()
    _move(made, folder)
    shutil.rmtree(building)


def _clear_half_written(building: Path) -> None:
    if (building / MARK).exists():
        shutil.rmtree(building)
    elif building.exists() and any(building.iterdir()):
        raise StackError(f"{building} was not made by muster: move it away, or choose another folder with --data")
    elif building.exists():
        building.rmdir()


def _give(folder: Path, user: str) -> None:
    if user:
        entry = pwd.getpwnam(user)
        os.chown(folder, entry.pw_uid, entry.pw_gid)


def _move(made: Path, folder: Path) -> None:
    """Rename a folder and see to it that the rename survives a power cut."""
    made.rename(folder)
    parent = os.open(folder.parent, os.O_RDONLY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def _place(folder: Path, user: str) -> str:
    """Return what the server shall call its folder: another user may not be able to reach it by name."""
    return "/proc/self/cwd" if user and sys.platform == "linux" else str(folder)


def _program(commands: Path, folder: Path, user: str, argv: tuple[str, ...]) -> Program:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}
    return Program(
        name=NAME if argv[0] == NAME else argv[0],
        argv=(str(commands / argv[0]), *argv[1:]),
        environment=environment,
        folder=folder,
        user=user,
        stop_signal=signal.SIGINT,
    )


def _clear_lock(folder: Path) -> None:
    """Wait for a server that is leaving, then remove a dead one's lock: its process id may be another's by now.

    Raises StackError while a server holds the folder.
    """
    lock = folder / LOCK
    if not lock.exists():
        return
    if not children.until(lambda: not _holders(folder), LEAVING_SECONDS):
        pids = ", ".join(str(pid) for pid in _holders(folder))
        raise StackError(f"{folder} is in use by a PostgreSQL server (process {pids}): stop that one first")
    lock.unlink(missing_ok=True)
    (folder / f"{SOCKET}.lock").unlink(missing_ok=True)


def _holders(folder: Path) -> list[int]:
    """Return the processes of PostgreSQL that work in the folder."""
    facts = [process.info for process in psutil.process_iter(["pid", "name", "cwd"])]
    return [fact["pid"] for fact in facts if fact["name"] == NAME and fact["cwd"] == str(folder)]


def _is_ready(folder: Path, pid: int) -> bool:
    """Read the server's own word: its lock file names it in the first line and its state in the eighth."""
    try:
        lines = (folder / LOCK).read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"
