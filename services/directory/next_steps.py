"""Say what an operator does about an operation, which is nothing in most cases."""

from services.directory import failures
from services.directory.journal import State
from services.directory.operation_details import Detail, Link

_APPLIED = "Nothing: it was applied."
_REFUSED = "Nothing here: it was refused, and its client was told why. Mend it at the identity provider."
_CANCELLED = "Nothing: it was never applied. Its client was told 503, and sends it again."
_DISCARDED = "Nothing: it was discarded."
_TAKEN_SOON = (
    "Wait: a worker takes it. If none does, look whether one runs, and at the operations before it in its lane."
)
_TRIED_AGAIN = "Wait: it is tried again by itself. Until then it holds back its own resource only."

_TOO_LONG = "57014"
_CAUSES = {
    "unfinished": "Whatever ran it died or hung: look into the worker's log at these times, for memory and signals.",
    "slow": "A statement took longer than 10 s: look for locks, a large group, or a slow disk.",
    "bug": "It is a bug: the worker's log has a traceback at 'operation dead', with this id.",
    "database": "The database refused it: the worker's log has a traceback at 'operation dead', with this id.",
}


def of(found: Detail) -> list[str]:
    """Return what to do about an operation, one step a line."""
    match found.state:
        case State.PENDING:
            return [_TRIED_AGAIN if found.not_before else _TAKEN_SOON]
        case State.SETTLED:
            return [_APPLIED if (found.status or 0) < 400 else _REFUSED]
        case State.CANCELLED:
            return [_CANCELLED]
        case State.DISCARDED:
            return [_DISCARDED]
        case State.DEAD:
            return _of_dead(found)


def _of_dead(found: Detail) -> list[str]:
    if not found.is_undecided:
        return [f"Nothing here: it was replayed, as {_living(found).id}."]
    overtaken = [_overtaken(found.later_writes)] if found.later_writes else []
    return [
        _CAUSES[_cause(found)],
        *overtaken,
        f"Once the cause is mended:  muster operations retry {found.id}",
        f"Or if nobody needs it:     muster operations discard {found.id} --why '...'",
    ]


def _living(found: Detail) -> Link:
    return next(replay for replay in found.replays if replay.state not in {State.DEAD, State.DISCARDED})


def _overtaken(later: int) -> str:
    if later == 1:
        return "1 later write of this resource was applied since: a replay comes after it, and may undo it."
    return f"{later} later writes of this resource were applied since: a replay comes after them, and may undo them."


def _cause(found: Detail) -> str:
    """Return the name of what most likely made it die, by its last error."""
    error = found.last_error or ""
    if error == failures.UNFINISHED.name:
        return "unfinished"
    if error.endswith(_TOO_LONG):
        return "slow"
    return "database" if " " in error else "bug"
