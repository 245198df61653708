"""Measure whether the time that a refusal takes tells a near miss of a secret from a far one: `make refusals`.

Guesses come in pairs, a near and a far one, in an order that no load follows. A mistyped token, which is refused
without a look into the database, stands beside them to show how small a difference is seen.
"""

import http.client
import math
import random
import secrets
import statistics
import string
import time
from collections.abc import Callable, Sequence
from itertools import cycle, groupby, islice
from pathlib import Path
from urllib.parse import urlencode

from sqlalchemy import Engine

from bench.figures import Figure
from bench.load import report, stack
from services.directory import clients, database, tenants, token_secrets, tokens
from services.directory.tokens import Terms

ROUNDS = 3
SAMPLES = 1500
SHARED = (0, 1, 8, 21, 42)
"""How many of its 43 random characters a near miss has in common with the secret, from the first."""

UNLIKELY = 4.5
"""Standard deviations: one sample of samples in 150,000 is further off by chance."""

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
SETTINGS = {"MUSTER_WRONG_TOKENS_PER_MINUTE": "0"}
RESULTS = Path(__file__).parent / "refusals.md"
Ask = Callable[[str], None]


def main() -> None:
    """Measure, print, and write bench/refusals.md."""
    figures: list[Figure] = []
    with stack(SETTINGS) as (address, engine):
        token, client, secret = _secrets(engine)
        connection = http.client.HTTPConnection(address, timeout=60)
        shown, sent = by_token(connection), by_client(connection, client)
        figures += _compared("a token", shown, lambda: (misses(token), far(token_secrets.PREFIX)))
        figures += _compared("a client's secret", sent, lambda: (misses(secret), far(token_secrets.CLIENT_PREFIX)))
        figures += _compared("a token that is looked up (near) or mistyped (far)", shown, mistyped)
        connection.close()
    report("Last results of `make refusals`", figures, RESULTS)


def by_token(connection: http.client.HTTPConnection) -> Ask:
    """Return what asks for a list with a token, which is refused."""

    def ask(secret: str) -> None:
        connection.request("GET", "/rest/scim/v2/Users", headers={"Authorization": f"Bearer {secret}"})
        response = connection.getresponse()
        response.read()
        assert response.status == 401

    return ask


def by_client(connection: http.client.HTTPConnection, client_id: str) -> Ask:
    """Return what asks for an access token with a client's secret, which is refused."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    def ask(secret: str) -> None:
        given = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        connection.request("POST", "/oauth/token", urlencode(given), headers=form)
        response = connection.getresponse()
        response.read()
        assert response.status == 401

    return ask


def times(ask: Ask, some: Sequence[str], others: Sequence[str]) -> tuple[list[float], list[float]]:
    """Return how long each of two kinds of guesses takes, pair by pair, in an order that no load follows."""
    samples: tuple[list[float], list[float]] = ([], [])
    for pair in zip(some, others, strict=True):
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
    rest = "".join(secrets.choice(ALPHABET.replace(each, "")) for each in body[shared:])
    return prefix + body[:shared] + rest + token_secrets._checksum(body[:shared] + rest)  # noqa: SLF001 - a forger has it


def misses(secret: str) -> list[str]:
    """Return near misses, each another one: the first character is wrong, or some in the middle, or the last."""
    return [near(secret, shared) for shared in islice(cycle(SHARED), SAMPLES)]


def far(prefix: str) -> list[str]:
    """Return secrets that have nothing to do with any that there is."""
    return [token_secrets.generate(prefix) for _ in range(SAMPLES)]


def mistyped() -> tuple[list[str], list[str]]:
    """Return secrets, and the same with a wrong checksum, which everybody can tell without asking."""
    right = far(token_secrets.PREFIX)
    return right, [secret[:-1] + ("0" if secret[-1] != "0" else "1") for secret in right]


def _secrets(engine: Engine) -> tuple[str, str, str]:
    with database.transaction(engine) as connection:
        tenant_id = tenants.create(connection, "refusing", None).id
        client, secret = clients.create_with_secret(connection, tenant_id, "x", Terms(lifetime=None))
        return tokens.create(connection, tenant_id, "refused"), client, secret


def _compared(name: str, ask: Ask, draw: Callable[[], tuple[list[str], list[str]]]) -> list[Figure]:
    """Return the figures of so many rounds of pairs."""
    rounds = [times(ask, *draw()) for _ in range(ROUNDS)]
    middles = {
        f"{name}: a near miss": [statistics.median(one) for one, _ in rounds],
        f"{name}: a far one": [statistics.median(other) for _, other in rounds],
        "... by how much the one takes longer than the other": [
            statistics.median(a - b for a, b in zip(*samples, strict=True)) for samples in rounds
        ],
    }
    found = [
        Figure(name=what, unit="us", rounds=tuple(each * 1e6 for each in taken)) for what, taken in middles.items()
    ]
    apart = tuple(deviations(*samples) for samples in rounds)
    return [*found, Figure(name=f"... apart, of {SAMPLES} pairs a round", unit="standard deviations", rounds=apart)]


if __name__ == "__main__":
    main()
