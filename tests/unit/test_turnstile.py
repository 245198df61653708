"""The turnstile: a tenant alone is never kept waiting, and nobody waits behind all that another one sends."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from uuid import UUID

import pytest

from services.directory import recent_tenants
from services.directory.recent_tenants import RecentTenants
from services.gateway import turnstile
from services.gateway.turnstile import PLACES, Turnstile

ADA, BOB, CAROL = (UUID(int=number) for number in (1, 2, 3))
DEADLINE_SECONDS = 30.0
NOW = 0.0
"""Whoever waits until now does not wait."""


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate(clock: Clock) -> Turnstile:
    return Turnstile(DEADLINE_SECONDS, clock)


@contextmanager
def passing(gate: Turnstile, tenant: UUID, count: int = 1) -> Iterator[None]:
    """Keep so many requests of a tenant on their way, whether they were called or not."""
    with ExitStack() as requests:
        for _ in range(count):
            requests.enter_context(gate.passing(tenant, NOW))
        yield


def is_called(gate: Turnstile, tenant: UUID) -> bool:
    """Whether a request of a tenant would go in at once."""
    turn = gate._enter(tenant)
    called = turn.is_set()
    gate._wait(tenant, turn, NOW)
    gate.leave(tenant, turn)
    return called


def test_a_tenant_alone_is_never_kept_waiting(gate: Turnstile) -> None:
    with passing(gate, ADA, 1_000):
        assert is_called(gate, ADA)


def test_beside_another_tenant_it_waits_for_a_place(gate: Turnstile) -> None:
    with passing(gate, BOB):
        pass

    with passing(gate, ADA, PLACES):
        assert not is_called(gate, ADA)
    assert is_called(gate, ADA)


def test_the_other_tenant_goes_in_at_once(gate: Turnstile) -> None:
    with passing(gate, ADA, 64):
        assert is_called(gate, BOB)


def test_everybody_has_one_place_at_least(gate: Turnstile) -> None:
    with passing(gate, ADA, PLACES), passing(gate, BOB, PLACES):
        assert is_called(gate, CAROL)


def test_a_tenant_is_forgotten_when_it_sends_nothing_any_more(gate: Turnstile, clock: Clock) -> None:
    with passing(gate, BOB):
        pass
    clock.now += recent_tenants.REMEMBERED_SECONDS + 1

    with passing(gate, ADA, PLACES):
        assert is_called(gate, ADA)


def test_what_is_stuck_takes_up_no_place(gate: Turnstile, clock: Clock) -> None:
    with passing(gate, BOB):
        pass

    with passing(gate, ADA):
        clock.now += turnstile.STUCK_SECONDS * 2
        with passing(gate, ADA, PLACES - 1):
            assert is_called(gate, ADA)


def test_when_nothing_moves_everybody_goes_in(gate: Turnstile, clock: Clock) -> None:
    with passing(gate, BOB):
        pass

    with passing(gate, ADA, PLACES):
        waiting = [gate._enter(ADA) for _ in range(100)]
        before = [turn.is_set() for turn in waiting]
        clock.now += turnstile.STUCK_SECONDS * 2
        gate._wait(ADA, waiting[0], NOW)

    assert not any(before)
    assert all(turn.is_set() for turn in waiting)


def test_on_a_busy_machine_what_takes_long_is_not_stuck(gate: Turnstile, clock: Clock) -> None:
    for tenant in (ADA, BOB) * 50:
        with passing(gate, tenant):
            clock.now += turnstile.STUCK_SECONDS * 0.9

    with passing(gate, ADA, PLACES):
        clock.now += turnstile.STUCK_SECONDS * 2
        is_let_in = is_called(gate, ADA)
        clock.now += turnstile.STUCK_SECONDS * turnstile.STUCK_TIMES
        is_let_in_later = is_called(gate, ADA)

    assert (is_let_in, is_let_in_later) == (False, True)


def test_without_a_worker_everybody_goes_in(clock: Clock) -> None:
    is_open = [False, True]
    gate = Turnstile(DEADLINE_SECONDS, clock, lambda: is_open[0])
    with passing(gate, BOB):
        pass

    with passing(gate, ADA, PLACES):
        waiting = [gate._enter(ADA) for _ in range(10)]
        before = [turn.is_set() for turn in waiting]
        is_open.reverse()
        gate._wait(ADA, waiting[0], NOW)

    assert not any(before)
    assert all(turn.is_set() for turn in waiting)


def test_who_is_interrupted_while_waiting_leaves_nothing_behind(gate: Turnstile) -> None:
    with passing(gate, BOB):
        pass

    with passing(gate, ADA, PLACES):
        turn = gate._enter(ADA)
        gate.leave(ADA, turn)
        outside = dict(gate._outside)
    assert (outside, dict(gate._inside)) == ({}, {})


def test_who_waits_is_called_in_the_order_of_coming(gate: Turnstile) -> None:
    with passing(gate, BOB):
        pass

    with passing(gate, ADA, PLACES):
        first, second = gate._enter(ADA), gate._enter(ADA)
    gate.leave(ADA, first)

    assert first.is_set()
    assert second.is_set()


def test_who_is_first_is_called_before_the_others_of_its_tenant_in_the_order_of_coming(gate: Turnstile) -> None:
    with passing(gate, BOB):
        pass

    with passing(gate, ADA), ExitStack() as place:
        place.enter_context(passing(gate, ADA, PLACES - 1))
        turns = [gate._enter(ADA), gate._enter_first(ADA), gate._enter_first(ADA)]
        called = []
        for _ in turns:
            place.close()
            [now] = [turn for turn in turns if turn.is_set() and turn not in called]
            called.append(now)
            place.callback(gate.leave, ADA, now)

    assert called == [turns[1], turns[2], turns[0]]
    assert not gate._first


def test_many_threads_pass_and_leave_nothing_behind() -> None:
    gate, most, inside = Turnstile(DEADLINE_SECONDS), [0], [0]
    lock, begin = threading.Lock(), threading.Barrier(20)

    def send(tenant: UUID) -> None:
        begin.wait()
        for _ in range(50):
            with gate.passing(tenant, float("inf")):
                with lock:
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                with lock:
                    inside[0] -= 1

    threads = [threading.Thread(target=send, args=(tenant,)) for tenant in (ADA, BOB) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert inside == [0]
    assert most[0] >= 1
    assert not gate._inside
    assert not gate._outside


def test_tenants_are_several_while_both_had_writes_lately(clock: Clock) -> None:
    tenants = RecentTenants(clock)

    tenants.note([ADA])
    alone = tenants.are_several()
    tenants.note([BOB])
    together = tenants.are_several()
    clock.now += recent_tenants.REMEMBERED_SECONDS + 1
    tenants.note([ADA])

    assert (alone, together, tenants.are_several()) == (False, True, False)
