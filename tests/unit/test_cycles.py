"""Cycles are told from pauses, the next one is expected from their rhythm, and Entra's quarantine from its rules."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.directory import cycles, quarantine
from services.directory.cycles import Cycle
from services.directory.quarantine import Risk
from services.directory.traffic import Kind, Minute, Result

START = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
EVERY = timedelta(minutes=40)


def at(minutes: float, kind: Kind = Kind.MATCH, result: Result = Result.OK, requests: int = 1) -> Minute:
    return Minute(minute=START + timedelta(minutes=minutes), kind=kind, result=result, requests=requests)


def regular(many: int) -> Iterator[Minute]:
    for number in range(many):
        yield from (at(number * 40 + minute) for minute in (0, 1, 3))


def test_a_pause_ends_a_cycle() -> None:
    found = cycles.rhythm([at(0), at(9), at(19), at(30), at(70)], START).cycles

    assert [(each.began, each.length) for each in found] == [
        (START + timedelta(minutes=70), timedelta(minutes=1)),
        (START + timedelta(minutes=30), timedelta(minutes=1)),
        (START, timedelta(minutes=20)),
    ]


def test_a_cycle_counts_what_it_did_and_what_failed() -> None:
    minutes = [
        at(0, Kind.MATCH, Result.NONE, 5),
        at(0, Kind.CREATE, Result.OK, 4),
        at(1, Kind.CREATE, Result.REFUSED, 1),
        at(1, Kind.CHANGE, Result.OK, 2),
        at(1, Kind.REFERENCE, Result.OK, 3),
        at(2, Kind.REFERENCE, Result.REFUSED, 2),
        at(2, Kind.DISABLE, Result.OK, 1),
        at(2, Kind.DELETE, Result.THROTTLED, 1),
        at(2, Kind.NOT_KEPT, Result.REFUSED, 99),
    ]

    [found] = cycles.rhythm(minutes, START).cycles

    assert found == Cycle(
        began=START,
        ended=START + timedelta(minutes=2),
        requests=19,
        created=4,
        changed=5,
        disabled=1,
        deleted=0,
        failed=4,
        references_failed=2,
        writes=14,
    )


@pytest.mark.parametrize(
    ("minutes_later", "missed", "is_late"),
    [(30, 0, False), (55, 0, False), (65, 1, False), (95, 1, False), (105, 2, True), (700, 17, True)],
)
def test_cycles_that_do_not_come_are_missed_and_two_are_a_warning(
    minutes_later: int, missed: int, is_late: bool
) -> None:
    last = START + 5 * EVERY

    found = cycles.rhythm(regular(6), last + timedelta(minutes=minutes_later))

    assert (found.interval, found.expected_at) == (EVERY, last + EVERY)
    assert (found.missed, found.is_late) == (missed, is_late)


def test_nothing_is_expected_of_too_few_cycles_or_of_a_provider_without_any() -> None:
    few = cycles.rhythm(regular(3), START + timedelta(days=1))
    irregular = cycles.rhythm([at(minute) for minute in (0, 15, 500, 530, 2_000, 2_100, 2_115, 6_000)], START)

    assert (few.interval, few.missed, few.is_late) == (None, 0, False)
    assert (irregular.interval, irregular.expected_at) == (None, None)


def test_one_long_cycle_does_not_hide_the_rhythm() -> None:
    first = [at(minute) for minute in range(0, 190, 5)]
    later = [replace(each, minute=each.minute + timedelta(minutes=200)) for each in regular(5)]

    assert cycles.rhythm([*first, *later], START + timedelta(hours=8)).interval == EVERY


def cycle(failed: int, writes: int, references_failed: int = 0) -> Cycle:
    return Cycle(began=START, ended=START, failed=failed, writes=writes, references_failed=references_failed)


@pytest.mark.parametrize(
    ("last", "risk"),
    [
        (None, Risk.NONE),
        (cycle(0, 10), Risk.NONE),
        (cycle(400, 500), Risk.NONE),
        (cycle(3_000, 6_000), Risk.NEAR),
        (cycle(4_000, 4_500), Risk.NEAR),
        (cycle(35_000, 40_000), Risk.LIKELY),
        (cycle(20_000, 120_000), Risk.NEAR),
        (cycle(45_000, 200_000), Risk.LIKELY),
        (cycle(35_000, 200_000, references_failed=35_000), Risk.NEAR),
        (cycle(61_000, 200_000, references_failed=61_000), Risk.LIKELY),
    ],
)
def test_entras_quarantine_is_forecast_by_its_rules(last: Cycle | None, risk: Risk) -> None:
    found = quarantine.forecast(last, is_denied=False)

    assert found.risk is risk
    assert found.source.startswith("https://learn.microsoft.com/entra/")


def test_bad_credentials_are_a_quarantine_at_once() -> None:
    assert quarantine.forecast(None, is_denied=True).risk is Risk.AT_ONCE
