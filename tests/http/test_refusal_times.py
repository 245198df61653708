"""How long a refusal takes says nothing about how near a guess was: two samples that cannot be told apart."""

import http.client
import random
import statistics
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from bench import refusals
from bench.refusals import SAMPLES, UNLIKELY
from services.directory import clients, database, token_secrets
from services.directory.tokens import Terms
from shared.settings import Settings
from tests.factories import Client


@pytest.fixture
def connection(stack: Settings) -> Iterator[http.client.HTTPConnection]:
    opened = http.client.HTTPConnection(stack.gateway_bind, timeout=60)
    yield opened
    opened.close()


def test_the_measure_tells_samples_apart_that_differ() -> None:
    draw = random.Random(7)
    one = [draw.lognormvariate(0, 0.3) for _ in range(SAMPLES)]
    same = [draw.lognormvariate(0, 0.3) for _ in range(SAMPLES)]
    slower = [draw.lognormvariate(0.1, 0.3) for _ in range(SAMPLES)]

    assert abs(refusals.deviations(one, same)) < UNLIKELY
    assert refusals.deviations(slower, one) > UNLIKELY


def test_a_near_miss_of_a_token_takes_as_long_as_a_far_one(
    client: Client, connection: http.client.HTTPConnection
) -> None:
    ask, far = refusals.by_token(connection), refusals.far(token_secrets.PREFIX)
    assert client.get("/Users").status_code == 200

    one, other = refusals.times(ask, refusals.misses(client.tenant.secret), far)

    assert abs(refusals.deviations(one, other)) < UNLIKELY, (statistics.median(one), statistics.median(other))


def test_the_measure_sees_one_look_into_the_database(client: Client, connection: http.client.HTTPConnection) -> None:
    """What tells nothing, since everybody can compute a checksum, takes less time; so small a difference is found."""
    assert client.get("/Users").status_code == 200

    one, other = refusals.times(refusals.by_token(connection), *refusals.mistyped())

    assert refusals.deviations(one, other) > UNLIKELY, (statistics.median(one), statistics.median(other))


def test_a_near_miss_of_a_clients_secret_takes_as_long_as_a_far_one(
    client: Client, stack_engine: Engine, connection: http.client.HTTPConnection
) -> None:
    with database.transaction(stack_engine) as transaction:
        tenant_id = client.tenant.principal.tenant_id
        made, secret = clients.create_with_secret(transaction, tenant_id, "x", Terms(lifetime=None))
    ask, far = refusals.by_client(connection, str(made)), refusals.far(token_secrets.CLIENT_PREFIX)

    one, other = refusals.times(ask, refusals.misses(secret), far)

    assert abs(refusals.deviations(one, other)) < UNLIKELY, (statistics.median(one), statistics.median(other))
