"""How long a refusal takes says nothing about how near a guess was: two samples that cannot be told apart."""

import http.client
import math
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from urllib.parse import urlencode

import pytest
from sqlalchemy import Engine

from services.directory import clients, database, token_secrets
from services.directory.tokens import Terms
from shared.settings import Settings
from tests.factories import Client

SAMPLES = 1500
UNLIKELY = 4.5
"""Standard deviations: one sample of samples in 150,000 is further off by chance."""

Ask = Callable[[str], None]


@pytest.fixture
def connection(stack: Settings) -> Iterator[http.client.HTTPConnection]:
    opened = http.client.HTTPConnection(stack.gateway_bind, timeout=60)
    yield opened
    opened.close()


def times(ask: Ask, near: Sequence[str], far: Sequence[str]) -> tuple[list[float], list[float]]:
    """Return how long each of two kinds of guesses takes, pair by pair, in an order that no load follows."""
    samples: tuple[list[float], list[float]] = ([], [])
    for pair in zip(near, far, strict=True):
        for kind in random.sample((0, 1), 2):
            begin = time.perf_counter()
            ask(pair[kind])
            samples[kind].append(time.perf_counter() - begin)
    return samples


def deviations(one: list[float], other: list[float]) -> float:
    """Return how far two samples are apart, by their ranks (Mann and Whitney's U), in standard deviations."""
    ordered = sorted([(value, True) for value in one] + [(value, False) for value in other])
    ranks, place = 0.0, 0
    for _, same in groupby(ordered, key=lambda each: each[0]):
        tied = list(same)
        ranks += sum(is_one for _, is_one in tied) * (place + (len(tied) + 1) / 2)
        place += len(tied)
    n, m = len(one), len(other)
    u = ranks - n * (n + 1) / 2
    return (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)


def near(secret: str) -> str:
    """Return a secret that differs in its last random character alone, and has the right checksum."""
    body = secret[4:-6]
    other = body[:-1] + ("A" if body[-1] != "A" else "B")
    return secret[:4] + other + token_secrets._checksum(other)


def test_the_measure_tells_samples_apart_that_differ() -> None:
    draw = random.Random(7)
    one = [draw.lognormvariate(0, 0.3) for _ in range(SAMPLES)]
    same = [draw.lognormvariate(0, 0.3) for _ in range(SAMPLES)]
    slower = [draw.lognormvariate(0.1, 0.3) for _ in range(SAMPLES)]

    assert abs(deviations(one, same)) < UNLIKELY
    assert deviations(slower, one) > UNLIKELY


def test_a_near_miss_of_a_token_takes_as_long_as_a_far_one(
    client: Client, connection: http.client.HTTPConnection
) -> None:
    def ask(secret: str) -> None:
        connection.request("GET", "/rest/scim/v2/Users", headers={"Authorization": f"Bearer {secret}"})
        response = connection.getresponse()
        response.read()
        assert response.status == 401

    close, far = [near(client.tenant.secret)] * SAMPLES, [token_secrets.generate() for _ in range(SAMPLES)]
    assert client.get("/Users").status_code == 200

    one, other = times(ask, close, far)

    assert abs(deviations(one, other)) < UNLIKELY, (statistics.median(one), statistics.median(other))


def test_a_near_miss_of_a_clients_secret_takes_as_long_as_a_far_one(
    client: Client, stack_engine: Engine, connection: http.client.HTTPConnection
) -> None:
    with database.transaction(stack_engine) as transaction:
        tenant_id = client.tenant.principal.tenant_id
        made, secret = clients.create_with_secret(transaction, tenant_id, "x", Terms(lifetime=None))
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    def ask(shown: str) -> None:
        given = {"grant_type": "client_credentials", "client_id": made, "client_secret": shown}
        connection.request("POST", "/oauth/token", urlencode(given), headers=form)
        response = connection.getresponse()
        response.read()
        assert response.status == 401

    close = [near(secret)] * SAMPLES
    far = [token_secrets.generate(token_secrets.CLIENT_PREFIX) for _ in range(SAMPLES)]

    one, other = times(ask, close, far)

    assert abs(deviations(one, other)) < UNLIKELY, (statistics.median(one), statistics.median(other))
