"""Stop what another process started: a running stack for `muster down`, or what a killed one left behind."""

import os
import signal
import sys
from collections.abc import Collection
from pathlib import Path

from services.stack import children, folder, state
from services.stack.children import Sink
from services.stack.errors import StackError
from services.stack.state import Mark

STARTING_SECONDS = 5.0
LEAVING_SECONDS = 10.0
DOWN_SECONDS = 90.0


def stop_stack(data: Path) -> bool:
    """Stop the stack that runs in the folder, and return whether one did."""
    if not folder.is_locked(data):
        return False
    if not children.until(lambda: state.read(data) is not None or not folder.is_locked(data), STARTING_SECONDS):
        raise StackError(f"the stack in {data} is just starting or stopping: try again")
    found = state.read(data)
    if found is not None and found.supervisor.is_running():
        os.kill(found.supervisor.pid, signal.SIGTERM)
    if not children.until(lambda: not folder.is_locked(data), DOWN_SECONDS):
        raise StackError(f"the stack in {data} did not stop within {DOWN_SECONDS:.0f} s")
    return True


def clear(data: Path, sink: Sink) -> None:
    """Stop the children of a supervisor that was killed, and forget it; the caller holds the folder's lock."""
    found = state.read(data)
    if found is None:
        return
    left = {name: mark for name, mark in found.children.items() if mark.is_running()}
    if left:
        sink("muster", f"waiting for what a killed stack left: {', '.join(left)}")
        _stop(left.values())
    state.remove(data)


def _stop(marks: Collection[Mark]) -> None:
    """Let the processes leave; on Linux they were told to when their supervisor died."""
    if sys.platform == "linux" and _are_gone(marks):
        return
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        for mark in marks:
            if mark.is_running():
                os.kill(mark.pid, number)
        if _are_gone(marks):
            return
    raise StackError(f"processes of a killed stack do not end: {', '.join(str(mark.pid) for mark in marks)}")


def _are_gone(marks: Collection[Mark]) -> bool:
    return children.until(lambda: not any(mark.is_running() for mark in marks), LEAVING_SECONDS)
