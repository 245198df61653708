"""The guard of what `make bench` measures: a short run, whose ratios would show a tenfold loss.

There is no limit in seconds, for machines differ: what is compared was measured in turns, in the same run.
"""

import statistics
from collections.abc import Callable, Iterator, Sequence
from itertools import count

import pytest
from sqlalchemy import text

from bench import accepting, bodies, contestants, generator, seeding
from bench.bodies import Creates, Gets, Once
from bench.contestants import DIRECT, Contestant, Field
from bench.generator import Load, Requests
from services.directory import database, tokens

ROUNDS = 3
SINGLE = 15
"""Requests of a round, one after the other."""

CROWD = 16
MANY = 250
"""Requests of a round over all connections."""

LEAST_TO_DIRECT = 0.05
"""Of what one insert and its commit in the request reach; 0.25 on a crowded machine to 0.65 were measured."""

MOST_GROWTH = 5.0
"""Flat is 1; noise of a crowded machine reaches 2, and a scan of what is compared here more than 10."""

LONGEST_SECONDS = 600.0
"""When a round of requests is given up, and judged by what was answered until then."""


@pytest.fixture(scope="module")
def field() -> Iterator[Field]:
    """A stack of the bench."""
    with contestants.field() as running:
        yield running


def test_creates_keep_up_with_one_insert_and_commit_in_the_request(field: Field) -> None:
    muster = field.muster()

    with field.peer(DIRECT) as direct:
        ratios = [_per_second(muster) / _per_second(direct) for _ in range(ROUNDS)]

    assert statistics.median(ratios) > LEAST_TO_DIRECT, ratios
    assert _people(field) == ROUNDS * MANY


def test_the_accept_statement_alone_can_be_measured(field: Field) -> None:
    muster = field.muster()
    with database.transaction(field.engine) as connection:
        principal = tokens.authenticate(connection, muster.target.token)
    assert principal is not None
    script = accepting.prepare(field, principal.tenant_id, principal.token_id)

    assert accepting.per_second(field, script, connections=2, seconds=1) > 0

    with database.transaction(field.engine) as connection:
        lanes = connection.scalar(text("SELECT count(DISTINCT lane) FROM operation WHERE request_id = 'bench'"))
    assert lanes > 1
    accepting.forget(field)


def test_adding_a_member_to_a_large_group_costs_what_it_costs_at_a_small_one(field: Field) -> None:
    muster = field.muster(25_000, (10, 20_000))
    spare = count(20_001)

    def add(size: int) -> float:
        members = [[muster.user_id(next(spare))] for _ in range(SINGLE)]
        group = muster.group_id(size)
        return _milliseconds(muster, Once(requests=[bodies.adding(muster.target, group, each) for each in members]))

    growth = _growth(add, 10, 20_000)

    assert statistics.median(growth) < MOST_GROWTH, growth


def test_the_match_query_among_many_costs_what_it_costs_among_few(field: Field) -> None:
    asked = {users: field.muster(users) for users in (1_000, 50_000)}

    def match(users: int) -> float:
        names = [seeding.user_name(number) for number in range(1, users + 1, users // 500)]
        return _milliseconds(asked[users], _paths(asked[users], [bodies.match(name) for name in names]))

    growth = _growth(match, 1_000, 50_000)

    assert statistics.median(growth) < MOST_GROWTH, growth


def _people(field: Field) -> int:
    """Return how many people Muster has, and so whether what was measured was done."""
    with database.transaction(field.engine) as connection:
        return int(connection.execute(text("SELECT count(*) FROM employee")).scalar_one())


def _growth(measure: Callable[[int], float], small: int, large: int) -> list[float]:
    """Return how much more the large one costs, in each round; the first is to warm up."""
    return [one / other for other, one in [(measure(small), measure(large)) for _ in range(ROUNDS + 1)][1:]]


def _per_second(contestant: Contestant) -> float:
    return _send(contestant, Creates(target=contestant.target), CROWD, MANY).per_second


def _milliseconds(contestant: Contestant, requests: Requests) -> float:
    return _send(contestant, requests, 1, SINGLE).percentile(50)


def _paths(contestant: Contestant, paths: Sequence[str]) -> Gets:
    return Gets(target=contestant.target, paths=paths)


def _send(contestant: Contestant, requests: Requests, connections: int, most: int) -> generator.Answered:
    load = Load(
        address=contestant.target.address,
        requests=requests,
        connections=connections,
        seconds=LONGEST_SECONDS,
        most=most,
    )
    answered = generator.send(load)
    assert not answered.failures, answered.sample
    return answered
