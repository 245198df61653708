"""Whether the bell works: nobody waits for a Redis that just failed, nor long for a worker that just did not hear."""

import pytest

from services.gateway.reach import ATTEMPT_SECONDS, DEAF_RINGS, DEAF_SECONDS, PAUSE_SECONDS, Hearing, Reach


class Hands:
    """A clock that is moved by hand, and what was attempted."""

    def __init__(self) -> None:
        self.now, self.attempts, self.works = 100.0, 0, True

    def clock(self) -> float:
        return self.now

    def act(self) -> bool:
        self.attempts += 1
        return self.works


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def reach(hands: Hands) -> Reach:
    return Reach(hands.clock)


def test_what_works_is_done_each_time(reach: Reach, hands: Hands) -> None:
    assert [reach.attempt(hands.act) for _ in range(3)] == [True, True, True]
    assert hands.attempts == 3


def test_after_a_failure_nobody_tries_for_a_moment(reach: Reach, hands: Hands) -> None:
    hands.works = False

    assert [reach.attempt(hands.act) for _ in range(3)] == [False, False, False]

    assert hands.attempts == 1
    assert reach.is_lost


def test_it_is_in_reach_again_after_an_attempt_that_succeeds(reach: Reach, hands: Hands) -> None:
    hands.works = False
    reach.attempt(hands.act)
    hands.works, hands.now = True, hands.now + PAUSE_SECONDS

    assert reach.attempt(hands.act)
    assert not reach.is_lost


def test_while_one_tries_again_the_others_do_not_wait_for_it(reach: Reach, hands: Hands) -> None:
    hands.works = False
    reach.attempt(hands.act)
    hands.now += PAUSE_SECONDS
    others: list[bool] = []

    def act_slowly() -> bool:
        others.append(reach.attempt(hands.act))
        return True

    assert reach.attempt(act_slowly)
    assert others == [False]
    assert reach.attempt(hands.act) is False
    assert hands.attempts == 2


def test_an_attempt_that_never_ends_does_not_keep_the_others_out_for_ever(reach: Reach, hands: Hands) -> None:
    hands.works = False
    reach.attempt(hands.act)
    hands.now += PAUSE_SECONDS

    def never_ends() -> bool:
        hands.now += ATTEMPT_SECONDS
        assert reach.attempt(hands.act) is False
        return True

    assert reach.attempt(never_ends)
    assert hands.attempts == 2


def test_what_nobody_heard_is_remembered_for_a_moment_and_until_somebody_hears(hands: Hands) -> None:
    hearing = Hearing(hands.clock)

    def ring(heard: list[bool]) -> bool:
        for each in heard:
            hearing.note(is_heard=each)
        return hearing.is_good()

    nobody = [False] * DEAF_RINGS
    once, often, then_heard = ring([False]), ring(nobody), ring([*nobody, True])
    ring(nobody)
    hands.now += DEAF_SECONDS

    assert (once, often, then_heard, hearing.is_good()) == (True, False, True, True)
