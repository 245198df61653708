"""The checker finds what is wrong: a sound history is accepted, and each way of doctoring it is noticed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.faults import checker, records
from tests.faults.records import (
    Attempt,
    Death,
    Do,
    Journaled,
    Limits,
    Overdue,
    Resource,
    Run,
    Usage,
    Verdict,
    Window,
)

USER, GROUP, MEMBER, OTHER, GONE = "id-user", "id-group", "id-member", "id-other", "id-gone"


def attempt(
    number: int, do: Do, slot: str, status: int | None, version: int | None = None, /, **fields: Any
) -> Attempt:
    """Return an attempt that began at second `number` and was answered half a second later."""
    verdicts = {200: Verdict.OK, 201: Verdict.OK, 204: Verdict.OK, 503: Verdict.UNAVAILABLE, None: Verdict.UNKNOWN}
    defaults: dict[str, Any] = {
        "request_id": f"t.1.{number}.1",
        "client": 1,
        "tenant": "t",
        "number": number,
        "attempt": 1,
        "do": do,
        "resource_type": "Group" if slot == "group" else "User",
        "slot": slot,
        "values": (),
        "resource_id": f"id-{slot}",
        "start": float(number),
        "end": number + 0.5,
        "status": status,
        "verdict": verdicts.get(status, Verdict.REFUSED),
        "version": version,
    }
    return Attempt(**(defaults | fields))


def operation(number: int, lane: str, seq: int, status: int | None, version: int | None, **fields: Any) -> Journaled:
    """Return the operation that the attempt of the same number became."""
    defaults: dict[str, Any] = {
        "id": f"operation-{number}",
        "request_id": f"t.1.{number}.1",
        "tenant": "t",
        "lane": lane,
        "seq": seq,
        "position": number,
        "method": "PATCH",
        "state": "settled",
        "status": status,
        "starts": 1,
        "version": version,
        "effect": number,
    }
    return Journaled(**(defaults | fields))


SOUND = Run(
    limits=Limits(deadline_seconds=10, sweep_seconds=2),
    attempts=(
        attempt(1, Do.CREATE, "user", 201, 1),
        attempt(2, Do.CREATE, "member", 201, 1),
        attempt(3, Do.CREATE, "group", 201, 1),
        attempt(4, Do.SET, "user", 200, 2, values=("first",)),
        attempt(5, Do.SET, "user", 200, 3, values=("second",)),
        attempt(6, Do.ADD, "group", 200, 2, values=("member",)),
        attempt(7, Do.ADD, "group", 200, 3, values=("user",)),
        attempt(8, Do.REMOVE, "group", 200, 4, values=("member",)),
        attempt(9, Do.READ, "user", 200, 3),
        attempt(10, Do.SET, "user", 503, retry_after="5", values=("never",)),
        attempt(11, Do.CREATE, "gone", 201, 1),
        attempt(12, Do.DELETE, "gone", None, error="ConnectionResetError"),
        attempt(13, Do.DELETE, "gone", 404, request_id="t.1.12.2", number=12, attempt=2),
    ),
    windows=(Window(fault="postgres-killed", start=9.8, healed=12.0, end=13.0, allows=tuple(Verdict)),),
    journal=(
        operation(1, USER, 1, 201, 1),
        operation(2, MEMBER, 1, 201, 1),
        operation(3, GROUP, 1, 201, 1),
        operation(4, USER, 2, 200, 2),
        operation(5, USER, 3, 200, 3),
        operation(6, GROUP, 2, 200, 2),
        operation(7, GROUP, 3, 200, 3),
        operation(8, GROUP, 4, 200, 4),
        operation(10, USER, 4, None, None, state="cancelled", effect=None),
        operation(11, GONE, 1, 201, 1),
        operation(12, GONE, 2, 204, None),
    ),
    resources={
        USER: Resource(id=USER, resource_type="User", version=3, title="second"),
        MEMBER: Resource(id=MEMBER, resource_type="User", version=1, title=None),
        GROUP: Resource(id=GROUP, resource_type="Group", version=4, title=None, members=frozenset({USER})),
    },
    before=(Usage(role="worker", megabytes=200, files=60, connections=4),),
    after=(Usage(role="worker", megabytes=210, files=64, connections=5),),
)


def with_attempt(number: int, **changes: Any) -> Run:
    """Return the sound run with one attempt changed."""
    return replace(SOUND, attempts=tuple(_changed(one, one.number == number, changes) for one in SOUND.attempts))


def with_attempts(*attempts: Attempt) -> Run:
    """Return the sound run with more attempts."""
    return replace(SOUND, attempts=(*SOUND.attempts, *attempts))


def with_operation(number: int, **changes: Any) -> Run:
    """Return the sound run with one operation changed."""
    wanted = f"operation-{number}"
    return replace(SOUND, journal=tuple(_changed(one, one.id == wanted, changes) for one in SOUND.journal))


def without_operation(number: int) -> Run:
    """Return the sound run with one operation lost."""
    return replace(SOUND, journal=tuple(one for one in SOUND.journal if one.id != f"operation-{number}"))


def with_resource(resource_id: str, **changes: Any) -> Run:
    """Return the sound run with one resource changed at the end."""
    return replace(SOUND, resources={**SOUND.resources, resource_id: replace(SOUND.resources[resource_id], **changes)})


def swapped(run: Run, one: int, other: int) -> Run:
    """Return a run in which two operations of a lane have changed places."""
    seqs = {journaled.id: journaled.seq for journaled in run.journal}
    places = {f"operation-{one}": seqs[f"operation-{other}"], f"operation-{other}": seqs[f"operation-{one}"]}
    return replace(run, journal=tuple(replace(row, seq=places.get(row.id, row.seq)) for row in run.journal))


def _changed(record: Any, is_meant: bool, changes: dict[str, Any]) -> Any:
    return replace(record, **changes) if is_meant else record


DOCTORED: dict[str, tuple[str, Callable[[], Run]]] = {
    "an acknowledged write is lost from the journal": ("I1", lambda: without_operation(5)),
    "an acknowledged write is still pending": ("I1", lambda: with_operation(5, state="pending")),
    "an acknowledged write was settled with another status": ("I1", lambda: with_operation(5, status=409)),
    "a resource is lost": ("I1", lambda: replace(SOUND, resources={USER: SOUND.resources[USER]})),
    "an acknowledged title is lost": ("I1", lambda: with_resource(USER, title="first")),
    "a deleted resource is there again": (
        "I1",
        lambda: replace(SOUND, resources={**SOUND.resources, GONE: replace(SOUND.resources[USER], id=GONE)}),
    ),
    "a sound write is refused": ("I1", lambda: with_attempt(4, status=404, verdict=Verdict.REFUSED)),
    "a first attempt is refused as a repetition": ("I1", lambda: with_attempt(11, status=409, verdict=Verdict.REFUSED)),
    "a bug is answered": ("I1", lambda: with_attempt(4, status=500, verdict=Verdict.ERROR)),
    "a read is older than an answer": ("I1", lambda: with_attempt(9, version=2)),
    "a read is older than another read": (
        "I1",
        lambda: with_attempts(attempt(14, Do.READ, "user", 200, 4), attempt(15, Do.READ, "user", 200, 3)),
    ),
    "a read shows what nobody had asked for yet": ("I1", lambda: with_attempt(9, start=4.1, end=4.3)),
    "a read shows a version that never was": ("I1", lambda: with_attempt(9, version=7)),
    "a deleted resource is read": (
        "I1",
        lambda: with_attempts(
            attempt(12, Do.DELETE, "gone", 204, request_id="t.1.12.3", attempt=3), attempt(15, Do.READ, "gone", 200, 1)
        ),
    ),
    "an effect is not in the history": ("I3", lambda: with_operation(5, effect=None)),
    "the history has what changed nothing": (
        "I3",
        lambda: replace(with_attempt(5, values=("first",), version=2), journal=with_operation(5, version=2).journal),
    ),
    "a cancelled operation took effect": ("I3", lambda: with_operation(10, effect=10)),
    "a refused operation took effect": ("I3", lambda: with_operation(5, status=409)),
    "a resource came from nowhere": (
        "I3",
        lambda: replace(SOUND, resources={**SOUND.resources, OTHER: replace(SOUND.resources[USER], id=OTHER)}),
    ),
    "a 503 was applied": ("I2", lambda: with_operation(10, state="settled", status=200)),
    "a 503 may still be applied": ("I2", lambda: with_operation(10, state="pending")),
    "a 503 does not say when to come again": ("I2", lambda: with_attempt(10, retry_after=None)),
    "a 503 says when to come again in a fraction": ("I2", lambda: with_attempt(10, retry_after="0.5")),
    "a version is too high": ("I3", lambda: with_resource(USER, version=4)),
    "a version is too low": ("I3", lambda: with_resource(GROUP, version=3)),
    "an operation took effect twice": ("I3", lambda: replace(SOUND, twice=("operation-5",))),
    "an operation is nobody's": ("I3", lambda: with_operation(5, request_id="t.9.9.1")),
    "two operations of a lane changed places": ("I4", lambda: swapped(SOUND, 4, 5)),
    "an effect came before an earlier one": ("I4", lambda: with_operation(5, effect=3)),
    "a position is before an earlier one": ("I4", lambda: with_operation(5, position=3)),
    "an answer has another operation's version": ("I4", lambda: with_attempt(5, version=2)),
    "an outcome has another operation's version": ("I4", lambda: with_operation(5, version=2)),
    "an operation waits too long": (
        "I5",
        lambda: replace(SOUND, overdue=(Overdue(operation_id="operation-5", at=9, seconds=5),)),
    ),
    "an operation is left at the end": ("I5", lambda: with_operation(12, state="pending")),
    "an answer comes too late": ("I6", lambda: with_attempt(9, end=20.1)),
    "files are kept": ("I7", lambda: replace(SOUND, after=(replace(SOUND.after[0], files=101),))),
    "connections are kept": ("I7", lambda: replace(SOUND, after=(replace(SOUND.after[0], connections=40),))),
    "memory is kept": ("I7", lambda: replace(SOUND, after=(replace(SOUND.after[0], megabytes=500),))),
    "a member is lost": ("group", lambda: with_resource(GROUP, members=frozenset())),
    "a removed member is there": ("group", lambda: with_resource(GROUP, members=frozenset({USER, MEMBER}))),
    "a process dies": ("crash", lambda: replace(SOUND, deaths=(Death(role="worker", at=3, ending="worker ended"),))),
    "something stays broken": ("well", lambda: replace(SOUND, unwell=("after postgres-killed: not well",))),
    "a 503 without a fault": ("reach", lambda: replace(SOUND, windows=())),
    "a 503 during a fault that allows none": (
        "reach",
        lambda: replace(SOUND, windows=(replace(SOUND.windows[0], allows=()),)),
    ),
    "a lost answer without a fault": ("reach", lambda: with_attempt(12, start=40.0, end=40.5)),
}


def test_a_sound_history_is_accepted() -> None:
    assert checker.check(SOUND) == []


@pytest.mark.parametrize(("invariant", "doctored"), DOCTORED.values(), ids=DOCTORED.keys())
def test_a_doctored_history_is_noticed(invariant: str, doctored: Callable[[], Run]) -> None:
    found = checker.check(doctored())

    assert invariant in {violation.invariant for violation in found}


@pytest.mark.parametrize("doctored", [lambda: SOUND, *(each for _, each in DOCTORED.values())])
def test_a_history_that_was_written_is_judged_as_the_run_was(doctored: Callable[[], Run], tmp_path: Path) -> None:
    run, file = doctored(), tmp_path / "history.jsonl"

    records.write(file, 7, run, checker.check(run))

    assert records.read(file) == run
    assert checker.check(records.read(file)) == checker.check(run)


@pytest.mark.parametrize("content", ["", '{"kind": "resource", "id": "x", "members": []}', '{"kind": "verse"}', "{"])
def test_what_is_no_history_is_refused(content: str, tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    file.write_text(content)

    with pytest.raises(ValueError, match=r"history|Expecting"):
        records.read(file)


def test_a_repetition_of_what_was_applied_may_be_refused() -> None:
    repeated = attempt(14, Do.CREATE, "user", 409, request_id="t.1.1.2", number=1, attempt=2)

    assert checker.check(replace(SOUND, attempts=(*SOUND.attempts, repeated))) == []


def test_a_write_of_unknown_outcome_may_be_applied_and_repeated_without_effect() -> None:
    unknown = replace(SOUND.attempts[3], status=None, verdict=Verdict.UNKNOWN, version=None, end=4.2)
    repeated = attempt(4, Do.SET, "user", 200, 2, values=("first",), request_id="t.1.4.2", attempt=2, end=4.6)
    settled = operation(9, USER, 3, 200, 2, request_id="t.1.4.2", effect=None, position=4)
    later = replace(SOUND.journal[4], seq=4)
    run = replace(
        SOUND,
        attempts=(*SOUND.attempts[:3], unknown, repeated, *SOUND.attempts[4:]),
        journal=(*SOUND.journal[:4], settled, later, *SOUND.journal[5:]),
        windows=(replace(SOUND.windows[0], start=0.0),),
    )

    assert checker.check(run) == []


def test_a_500_for_a_dead_operation_is_allowed_where_a_fault_makes_it_die() -> None:
    dead = attempt(20, Do.SET, "user", 500, values=("poison",), start=10.0, end=11.0, verdict=Verdict.ERROR)
    buried = operation(20, USER, 5, 500, None, state="dead", effect=None)
    poisoned = replace(SOUND, attempts=(*SOUND.attempts, dead), journal=(*SOUND.journal, buried))
    unallowed = replace(poisoned, windows=(replace(SOUND.windows[0], allows=(Verdict.UNAVAILABLE, Verdict.UNKNOWN)),))

    assert checker.check(poisoned) == []
    assert {violation.invariant for violation in checker.check(unallowed)} == {"I1"}


def test_a_server_may_die_for_the_fault_may_have_killed_it() -> None:
    died = replace(SOUND, deaths=(Death(role="postgres", at=3, ending="postgres ended"),))

    assert checker.check(died) == []
