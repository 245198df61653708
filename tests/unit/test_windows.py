"""Counting within sliding windows: what is let in, when there is room again, and what the others add."""

from collections.abc import Callable

import pytest
from limits import RateLimitItemPerSecond

from services.gateway import windows
from services.gateway.windows import Windows


class Clock:
    """A clock that moves when it is told to; at 0 a window begins."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make(clock: Clock, amount: int = 10, seconds: int = 5, processes: Callable[[], int] = lambda: 1) -> Windows:
    return Windows(RateLimitItemPerSecond(amount, seconds), processes, clock)


def taken(counted: Windows, key: str = "a", times: int = 100) -> int:
    return sum(counted.take(key) for _ in range(times))


def test_a_burst_is_let_in_up_to_the_limit_and_no_further(clock: Clock) -> None:
    counted = make(clock)

    assert [taken(counted), taken(counted), taken(counted, "b")] == [10, 0, 10]
    assert counted.is_full("a")
    assert not counted.is_full("c")


def test_over_time_the_rate_is_that_of_the_limit(clock: Clock) -> None:
    counted, sent = make(clock), 0

    for _ in range(1000):
        clock.now += 0.1
        sent += taken(counted, times=3)

    assert 190 <= sent <= 210


def test_a_burst_does_not_come_twice_at_the_border_of_two_windows(clock: Clock) -> None:
    counted = make(clock)
    clock.now += 4.9
    first = taken(counted)

    clock.now += 0.2

    assert (first, taken(counted)) == (10, 1)


@pytest.mark.parametrize("into", [0.0, 1.0, 2.5, 4.9])
@pytest.mark.parametrize("before", [0, 4, 10])
def test_who_comes_when_he_was_told_to_is_let_in(clock: Clock, into: float, before: int) -> None:
    counted = make(clock)
    for _ in range(before):
        counted.add("a")
    clock.now += 5 + into
    taken(counted)

    wait = counted.retry_after("a")
    clock.now += wait

    assert 1 <= wait <= 10
    assert isinstance(wait, int)
    assert counted.take("a")


def test_what_others_counted_counts_here_too(clock: Clock) -> None:
    here, there = make(clock), make(clock)
    taken(here, times=4)
    taken(there, times=5)

    total = 0
    for each in (here, there, here):
        for told in each.unshared(10):
            total += told.more
            each.note(told, total)
    assert [taken(there), here.unshared(10)] == [1, []]
    here.add("a")
    [told] = here.unshared(10)
    here.note(told, 11)

    assert taken(here) == 0


def test_a_total_of_a_window_that_is_over_changes_nothing(clock: Clock) -> None:
    counted = make(clock)
    counted.add("a")
    [told] = counted.unshared(10)
    clock.now += 10

    assert counted.take("a")
    counted.note(told, 1000)
    assert taken(counted) == 9


def test_alone_each_process_has_its_share_and_at_least_one(clock: Clock) -> None:
    assert taken(make(clock, processes=lambda: 4)) == 3
    assert taken(make(clock, processes=lambda: 1000)) == 1


def test_keys_are_bounded_and_the_newest_are_kept(clock: Clock) -> None:
    counted = make(clock)

    for number in range(windows.MOST_KEYS + 1000):
        counted.add(str(number))

    assert len(counted._windows) <= windows.MOST_KEYS
    assert str(windows.MOST_KEYS + 999) in counted._windows
    clock.now += 100
    counted.add("new")
    assert len(counted._windows) <= windows.MOST_KEYS
