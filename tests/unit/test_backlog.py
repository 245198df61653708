"""How fast a backlog is worked off, and how long a tenant's part of it takes."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from services.directory import backlog, batches
from services.directory.backlog import Backlog, Waiting

BEGIN = datetime(2026, 5, 4, tzinfo=UTC)
ADA, BOB, CAROL = (UUID(int=number) for number in (1, 2, 3))


def seen(second: float, settled: int, due: int) -> Backlog:
    waiting = {ADA: Waiting(due=due, held=0, oldest=BEGIN)} if due else {}
    return Backlog(at=BEGIN + timedelta(seconds=second), settled=settled, waiting=waiting)


def test_with_enough_to_do_the_rate_is_what_was_settled() -> None:
    assert backlog.rate(seen(0, 1_000, 5_000), seen(2, 1_400, 5_000), known=None) == 200


def test_with_little_to_do_it_is_a_lower_bound_and_no_start() -> None:
    assert backlog.rate(seen(0, 0, 1), seen(1, 3, 1), known=None) is None
    assert backlog.rate(seen(0, 0, 1), seen(1, 3, 1), known=200.0) == 200
    assert backlog.rate(seen(0, 0, 1), seen(1, 300, 1), known=200.0) == 300


def test_it_follows_what_is_seen() -> None:
    slow = backlog.rate(seen(0, 0, 5_000), seen(1, 100, 5_000), known=300.0)

    assert slow == 200


def test_when_nothing_is_settled_it_does_not_become_nothing() -> None:
    assert backlog.rate(seen(0, 7, 5_000), seen(1, 7, 5_000), known=None) == 1


def test_looks_that_tell_nothing_change_nothing() -> None:
    assert backlog.rate(seen(1, 0, 500), seen(1, 5, 500), known=50.0) == 50
    assert backlog.rate(seen(0, 9, 500), seen(1, 5, 500), known=50.0) == 50


@pytest.mark.parametrize(
    ("due", "expected"),
    [
        pytest.param({ADA: 1_000}, 10, id="alone"),
        pytest.param({ADA: 1_000, BOB: 1_000}, 20, id="beside one that has as much"),
        pytest.param({ADA: 1_000, BOB: 100_000}, 20, id="beside one that has more, in turn"),
        pytest.param({ADA: 1_000, BOB: 10, CAROL: 90}, 11, id="beside small ones"),
        pytest.param({BOB: 100_000}, 0, id="with nothing pending"),
    ],
)
def test_the_wait_is_that_of_tenants_who_are_served_in_turn(due: dict[UUID, int], expected: float) -> None:
    assert backlog.expected_wait(due, ADA, operations_per_second=100) == expected


@pytest.mark.parametrize(("wait", "told"), [(0, 1), (-3, 1), (0.2, 1), (1.2, 2), (1_000, 300)])
def test_clients_are_told_whole_seconds_within_bounds(wait: float, told: int) -> None:
    assert backlog.whole_seconds(wait) == told


def test_a_batch_is_what_it_takes_to_be_busy() -> None:
    idle = backlog.rate(seen(0, 0, batches.BATCH - 1), seen(1, 50, batches.BATCH), known=None)
    busy = backlog.rate(seen(0, 0, batches.BATCH), seen(1, 50, batches.BATCH), known=None)

    assert (idle, busy) == (None, 50)
