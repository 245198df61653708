"""How long a refusal takes says nothing about how near a guess was: two samples that cannot be told apart."""

import http.client
import math
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, groupby, islice
from urllib.parse import urlencode

import pytest
from sqlalchemy import Engine

from services.directory import clients, database, token_secrets
from services.directory.tokens import Terms
from shared.settings import Settings
from tests.factories import Client

SAMPLES = 1500
SHARED = (0, 1, 8, 21, 42)
"""How many of its 43 random characters a near miss has in common with the secret, from the first."""

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


def deviations(one: Sequence[float], other: Sequence[float]) -> float:
    """Return how far two samples are apart, in standard deviations: by the ranks of what each pair differs by.

    It is Wilcoxon's test of pairs. What loads the machine loads both of a pair, so it hides no difference.
    """
    differences = [a - b for a, b in zip(one, other, strict=True) if a != b]
    ordered = sorted(differences, key=abs)
    above, place = 0.0, 0
    for _, same in groupby(ordered, key=abs):
        tied = list(same)
        above += sum(each > 0 for each in tied) * (place + (len(tied) + 1) / 2)
        place += len(tied)
    return (above - place * (place + 1) / 4) / math.sqrt(place * (place + 1) * (2 * place + 1) / 24)


def near(secret: str, shared: int) -> str:
    """Return a secret that begins with so many of the same random characters, and has the right checksum."""
    prefix, body = secret[:4], secret[4:-6]
    rest = "".join(random.choice(token_secrets._ALPHABET.replace(each, "")) for each in body[shared:])
    return prefix + body[:shared] + rest + token_secrets._checksum(body[:shared] + rest)


def misses(secret: str) -> list[str]:
    """Return near misses, each another one: the first character is wrong, or some in the middle, or the last."""
    return [near(secret, shared) for shared in islice(cycle(SHARED), SAMPLES)]


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

    far = [token_secrets.generate() for _ in range(SAMPLES)]
    assert client.get("/Users").status_code == 200

    one, other = times(ask, misses(client.tenant.secret), far)

    assert abs(deviations(one, other)) < UNLIKELY, (statistics.median(one), statistics.median(other))


def test_the_measure_sees_one_look_into_the_database(client: Client, connection: http.client.HTTPConnection) -> None:
    """What tells nothing, since everybody can compute a checksum, takes less time; so small a difference is found."""

    def ask(secret: str) -> None:
        connection.request("GET", "/rest/scim/v2/Users", headers={"Authorization": f"Bearer {secret}"})
        connection.getresponse().read()

    right = [token_secrets.generate() for _ in range(SAMPLES)]
    mistyped = [secret[:-1] + ("0" if secret[-1] != "0" else "1") for secret in right]

    one, other = times(ask, right, mistyped)

    assert deviations(one, other) > UNLIKELY, (statistics.median(one), statistics.median(other))


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

    far = [token_secrets.generate(token_secrets.CLIENT_PREFIX) for _ in range(SAMPLES)]

    one, other = times(ask, misses(secret), far)

    assert abs(deviations(one, other)) < UNLIKELY, (statistics.median(one), statistics.median(other))
