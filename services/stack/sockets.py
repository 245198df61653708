"""Name unix sockets within the system's limits: about a hundred bytes, and plain characters for every URL parser."""

import hashlib
import os
import re
import stat
import tempfile
from pathlib import Path

from services.stack.errors import StackError

LIMIT = 103
PLAIN = re.compile(r"[A-Za-z0-9/._-]*")


def reachable(folder: Path, name: str) -> Path:
    """Return a path of the folder under which clients can reach its socket `name`.

    That is the folder itself, or a link to it in a private folder of ours below the system's temporary one.
    """
    if _fits(folder, name):
        return folder
    link = _private_folder() / hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    if not _fits(link, name):
        raise StackError(f"{folder} is too long for a unix socket: choose a shorter folder with --data")
    if not link.is_symlink() or link.readlink() != folder:
        _link(link, folder)
    return link


def _fits(folder: Path, name: str) -> bool:
    return len(os.fsencode(folder / name)) <= LIMIT and PLAIN.fullmatch(str(folder)) is not None


def _private_folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"muster-{os.geteuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise StackError(f"{folder} is not a private folder of ours: remove it, or set TMPDIR to another folder")
    return folder


def _link(link: Path, folder: Path) -> None:
    fresh = link.with_name(f"{link.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(folder)
    fresh.replace(link)
