"""Turn this process into another program, as the right user, that ends when its parent does.

It runs as a script in a bare interpreter between fork and program: there it may call the kernel as it likes, while a
`preexec_fn` would run Python in a forked copy of a process with threads. Arguments: the parent's process id, the signal
to get when the parent dies, the user ("" for no change), an inherited listening socket ("" for none), the program and
its arguments. The socket is handed over as systemd would do it.
"""

import ctypes
import os
import pwd
import signal
import sys

PR_SET_PDEATHSIG = 1
CANNOT_RUN = 126


FIRST_SOCKET = 3
"""Where a program looks for the sockets that it was handed: sd_listen_fds(3)."""


def main(parent: int, death_signal: int, user: str, listener: str, program: list[str]) -> None:
    """Become `program`; never returns."""
    try:
        _hand_over(listener)
        _take_identity(user)
        _die_with(parent, death_signal)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execv(program[0], program)  # noqa: S606
    except OSError as error:
        sys.exit(f"cannot run {program[0]}: {error.strerror}")


def _hand_over(listener: str) -> None:
    if not listener:
        return
    if int(listener) != FIRST_SOCKET:
        os.dup2(int(listener), FIRST_SOCKET)
        os.close(int(listener))
    os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}


def _take_identity(user: str) -> None:
    if not user:
        return
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def _die_with(parent: int, death_signal: int) -> None:
    """Ask the kernel for `death_signal` at the parent's death; after the change of user, which would clear it."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the parent is gone")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5:])
