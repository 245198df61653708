"""When a program that ended is started again, and when it is given up."""

from services.stack.lives import LONGEST_SECONDS, MOST_FAILURES, STEADY_SECONDS, Lives


def test_the_delay_doubles_up_to_a_bound() -> None:
    delays = []
    lives = Lives()

    for _ in range(8):
        lives = lives.after(0.0, was_killed=True)
        delays.append(lives.delay)

    assert delays[:3] == [0.2, 0.4, 0.8]
    assert delays[-1] == LONGEST_SECONDS


def test_what_ends_early_by_itself_each_time_is_given_up() -> None:
    lives = Lives()

    for _ in range(MOST_FAILURES):
        assert not lives.are_over
        lives = lives.after(0.0, was_killed=False)

    assert lives.are_over


def test_what_is_killed_is_never_given_up() -> None:
    lives = Lives()

    for _ in range(100):
        lives = lives.after(0.0, was_killed=True)

    assert not lives.are_over


def test_a_steady_life_makes_up_for_all_before() -> None:
    lives = Lives(ends=4, failures=4)

    assert lives.after(STEADY_SECONDS, was_killed=False) == Lives(ends=1, failures=1)
