"""What the kit does to the machine that it runs on: clocks of its own for each role, and a small disk.

Both need something that not every machine has, a C compiler and the right to mount; without it, the faults that need
them are left out.
"""

import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

SOURCE = Path(__file__).parent / "clock.c"
DISK_BYTES = 3 * 1024**3


class Clocks:
    """A shift of the wall clock for each role, in a file that its processes have in their memory."""

    def __init__(self, folder: Path, roles: tuple[str, ...]) -> None:
        self._folder = folder
        for role in roles:
            self.shift(role, 0)

    def shift(self, role: str, seconds: int) -> None:
        """Let a role's clock be wrong by so many seconds from now on."""
        path = self._folder / role
        if not path.exists():
            path.touch(mode=0o644)
        with path.open("r+b") as file:
            file.write(struct.pack("q", seconds))

    def environment(self, role: str) -> Mapping[str, str]:
        """Return the variables that give a program its role's clock."""
        path = self._folder / role
        return {"LD_PRELOAD": str(self._folder / "clock.so"), "FAULT_CLOCK": str(path)} if path.exists() else {}


@contextmanager
def clocks(roles: tuple[str, ...]) -> Iterator[Clocks | None]:
    """Make clocks for the duration of the block; None where there is no C compiler, or no preloading.

    The files are in a folder that everybody may read, for root's PostgreSQL runs as somebody else.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    with tempfile.TemporaryDirectory(prefix="muster-clocks-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        library = folder / "clock.so"
        if compiler is None or not _succeeds(compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE)):
            yield None
        else:
            yield Clocks(folder, roles)


@contextmanager
def small_disk(place: Path) -> Iterator[bool]:
    """Put a file system of its own in a folder for the duration of the block; False where that is not allowed."""
    place.mkdir(exist_ok=True)
    image = place.with_name(f"{place.name}.image")
    with image.open("wb") as file:
        file.truncate(DISK_BYTES)
    is_there = _succeeds("mkfs.ext4", "-q", "-m", "0", str(image)) and _succeeds(
        "mount", "-o", "loop", str(image), str(place)
    )
    try:
        yield is_there
    finally:
        if is_there and not _succeeds("umount", str(place)):
            _succeeds("umount", "--lazy", str(place))
        image.unlink()


def _succeeds(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
