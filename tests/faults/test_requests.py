"""One seed is one replay: the same requests of each client, the same faults in the same order."""

from itertools import islice

import pytest

from tests.faults import nemesis, requests
from tests.faults.records import Do


@pytest.mark.parametrize("sequence", [requests.of_client, requests.of_one_group, requests.of_poison])
def test_a_seed_says_what_a_client_asks_for(sequence: requests.Sequence) -> None:
    once, again = (list(islice(sequence(7, 3), 500)) for _ in range(2))

    assert once == again
    assert [request.number for request in once] == list(range(1, 501))


def test_another_seed_and_another_client_ask_for_something_else() -> None:
    told = {tuple(islice(requests.of_client(seed, client), 50)) for seed in (1, 2) for client in (1, 2)}

    assert len(told) == 4


def test_a_client_asks_only_for_what_is_there() -> None:
    there: set[str] = {*requests.POOL, *requests.GROUPS, requests.HOT}

    for request in islice(requests.of_client(7, 3), 5_000):
        if request.do is Do.CREATE:
            assert request.slot not in there
            there.add(request.slot)
        assert {request.slot, *(request.values if request.resource_type == "Group" else ())} <= there
        if request.do is Do.DELETE:
            there.remove(request.slot)


def test_a_seed_says_in_which_order_faults_strike_and_all_do() -> None:
    names = list(nemesis.FAULTS)

    once, again = (list(islice(nemesis.deck(7, names), len(names))) for _ in range(2))

    assert once == again
    assert {fault.name for fault in once} == set(names)
    assert [fault.name for fault in once] != names
