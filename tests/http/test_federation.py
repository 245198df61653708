"""JWTs of another issuer, as Microsoft Entra's: as assertions for access tokens, and with each request (RFC 7523)."""

import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import Engine

from services.directory import clients, database
from services.directory.clients import Federation
from services.directory.tokens import Scope, Terms
from services.gateway import issuers
from services.gateway.client_authentication import ASSERTION_TYPE
from shared.settings import Settings
from tests import issuer as issuing
from tests.factories import Client
from tests.issuer import AUDIENCE, SUBJECT, Issuer

SOON = 10_000
TERMS = Terms(lifetime=None)
LONG_AGO = 1_700_000_000


@pytest.fixture
def entra() -> Iterator[Issuer]:
    """An issuer of the test's own, so that nobody has its keys yet."""
    with issuing.serving() as running:
        yield running


@pytest.fixture
def federation(entra: Issuer) -> Federation:
    return Federation(issuer=entra.url, subject=SUBJECT, audiences=[AUDIENCE])


@pytest.fixture
def workload(client: Client, stack_engine: Engine, federation: Federation) -> UUID:
    """A client that shows assertions."""
    with database.transaction(stack_engine) as connection:
        return clients.create_with_assertion(
            connection, client.tenant.principal.tenant_id, "workload", TERMS, federation
        )


@pytest.fixture
def trusted(client: Client, stack_engine: Engine, federation: Federation) -> UUID:
    """A client whose requests carry the issuer's tokens."""
    with database.transaction(stack_engine) as connection:
        return clients.trust(connection, client.tenant.principal.tenant_id, "trusted", TERMS, federation)


Ask = Callable[..., httpx.Response]


@pytest.fixture
def ask(stack: Settings, workload: UUID) -> Ask:
    """Return how to ask for an access token with an assertion, as Entra does."""

    def send(assertion: str, **parameters: str) -> httpx.Response:
        given = {
            "grant_type": "client_credentials",
            "client_id": str(workload),
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion,
            "scope": "scim",
        }
        return httpx.post(f"{stack.public_url}/oauth/token", data=given | parameters, timeout=30)

    return send


def get(stack: Settings, token: str, path: str = "/Users") -> httpx.Response:
    url = f"{stack.public_url}/rest/scim/v2{path}"
    return httpx.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=30)


BROKEN: dict[str, dict[str, Any]] = {
    "expired": {"exp": LONG_AGO},
    "without an end": {"exp": None},
    "too long": {"exp": int(time.time()) + 200_000},
    "not yet": {"nbf": int(time.time()) + 3600},
    "of tomorrow": {"iat": int(time.time()) + 3600},
    "for another": {"aud": "api://another"},
    "for nobody": {"aud": None},
    "another's": {"sub": "another"},
    "nobody's": {"sub": None},
    "by another": {"iss": "https://login.example/v2.0"},
}


def test_an_assertion_is_exchanged_for_an_access_token(
    entra: Issuer, ask: Ask, client: Client, stack: Settings
) -> None:
    created = client.create_user()

    answer = ask(entra.token())

    assert (answer.status_code, answer.json()["expires_in"]) == (200, 3600)
    assert get(stack, answer.json()["access_token"], f"/Users/{created['id']}").json() == created
    assert entra.asked == {"metadata": 1, "keys": 1}


@pytest.mark.parametrize("claims", BROKEN.values(), ids=BROKEN)
def test_an_assertion_with_a_wrong_claim_is_refused(entra: Issuer, ask: Ask, claims: dict[str, Any]) -> None:
    answer = ask(entra.token(**claims))

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert ask(entra.token()).status_code == 200


def test_clocks_may_differ_a_little(entra: Issuer, ask: Ask) -> None:
    now = int(time.time())

    assert ask(entra.token(iat=now + 30, nbf=now + 30)).status_code == 200
    assert ask(entra.token(exp=now - 30)).status_code == 200
    assert ask(entra.token(exp=now - 90)).status_code == 401


def test_an_assertion_with_an_id_is_good_once(entra: Issuer, ask: Ask) -> None:
    once, same = entra.token(jti=issuing.jti()), entra.token()

    first, second = ask(once), ask(once)

    assert (first.status_code, second.status_code) == (200, 401)
    assert "used before" in second.json()["error_description"]
    # Entra's have none, and are kept by its service as long as they are good.
    assert [ask(same).status_code, ask(same).status_code] == [200, 200]


def test_only_the_published_keys_sign_and_only_with_public_key_algorithms(entra: Issuer, ask: Ask) -> None:
    key = entra.keys[0]
    claims = entra.claims()
    # The published key, taken for a secret: what a verifier falls for that believes the header.
    body = _encoded(claims)
    head = _encoded({"alg": "HS256", "kid": key.kid})
    mac = hmac.digest(key.as_pem(private=False), f"{head}.{body}".encode(), "sha256")

    refused = [
        ask(entra.token(issuing.new_key(), {"kid": key.kid})),
        ask(entra.token(issuing.new_key())),
        ask(entra.token(header={"kid": "made-up"})),
        ask(f"{head}.{body}.{urlsafe_b64encode(mac).decode().rstrip('=')}"),
        ask(f"{_encoded({'alg': 'none', 'kid': key.kid})}.{body}."),
        ask("nonsense"),
        ask(entra.token(), client_assertion_type="urn:x"),
        ask(entra.token(), client_id=str(UUID(int=9))),
    ]

    assert {answer.status_code for answer in refused} == {400, 401}
    assert [answer.status_code for answer in refused].count(400) == 1


def test_a_new_key_of_the_issuer_is_found_at_once(entra: Issuer, ask: Ask) -> None:
    assert ask(entra.token()).status_code == 200
    entra.rotate()

    assert ask(entra.token()).status_code == 200
    assert entra.asked["keys"] == 2


def test_made_up_key_ids_do_not_make_us_hammer_the_issuer(entra: Issuer, ask: Ask) -> None:
    assert ask(entra.token()).status_code == 200

    refused = {ask(entra.token(header={"kid": f"made-up-{number}"})).status_code for number in range(100)}

    assert refused == {401}
    assert entra.asked["keys"] <= issuers.LOOKS
    assert ask(entra.token()).status_code == 200


def test_an_issuer_that_is_down_is_asked_again_later_and_stops_nobody(entra: Issuer, ask: Ask) -> None:
    entra.is_down = True
    assert ask(entra.token()).status_code == 401
    entra.is_down = False
    assert ask(entra.token()).status_code == 200
    entra.is_down = True

    assert ask(entra.token()).status_code == 200
    assert ask(entra.token(header={"kid": "made-up"})).status_code == 401
    assert ask(entra.token()).status_code == 200


def test_what_the_issuer_signs_is_no_bearer_token_unless_a_tenant_says_so(
    entra: Issuer, workload: UUID, stack: Settings
) -> None:
    assert get(stack, entra.token()).status_code == 401


def test_tokens_of_a_trusted_issuer_are_accepted_with_each_request(
    entra: Issuer, trusted: UUID, client: Client, stack: Settings
) -> None:
    created = client.create_user()
    token = entra.token()

    answers = [get(stack, token, f"/Users/{created['id']}") for _ in range(20)]

    assert [answer.json() for answer in answers] == [created] * 20
    assert entra.asked == {"metadata": 1, "keys": 1}


@pytest.mark.parametrize("claims", BROKEN.values(), ids=BROKEN)
def test_a_token_of_a_trusted_issuer_with_a_wrong_claim_is_refused(
    entra: Issuer, trusted: UUID, stack: Settings, claims: dict[str, Any]
) -> None:
    refused = get(stack, entra.token(**claims))

    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="scim", error="invalid_token"'


def test_a_tenant_that_trusts_an_issuer_no_more_refuses_its_tokens(
    entra: Issuer, trusted: UUID, stack: Settings, stack_engine: Engine
) -> None:
    token = entra.token()
    assert get(stack, token).status_code == 200
    with database.transaction(stack_engine) as connection:
        assert clients.revoke(connection, trusted)

    answers = [get(stack, token).status_code]
    while answers[-1] == 200 and len(answers) < SOON:
        answers.append(get(stack, token).status_code)

    assert answers[-1] == 401


def test_made_up_tokens_of_a_trusted_issuer_do_not_make_us_hammer_it(
    entra: Issuer, trusted: UUID, stack: Settings
) -> None:
    refused = {get(stack, entra.token(header={"kid": f"made-up-{n}"})).status_code for n in range(100)}

    assert refused <= {401, 429}
    assert 1 <= entra.asked["keys"] <= issuers.LOOKS
    assert get(stack, entra.token()).status_code in {200, 429}


def test_a_token_cannot_mean_two_clients(
    entra: Issuer, trusted: UUID, stranger: Client, stack_engine: Engine, federation: Federation
) -> None:
    other = stranger.tenant.principal.tenant_id
    with database.transaction(stack_engine) as connection:
        for subject in (SUBJECT, None):
            wanted = Federation(issuer=entra.url, audiences=["api://x", AUDIENCE], subject=subject)
            with pytest.raises(clients.ClientError, match="already"):
                clients.trust(connection, other, "thief", TERMS, wanted)
        fine = Federation(issuer=entra.url, audiences=[AUDIENCE], subject="another")
        clients.trust(connection, other, "other", TERMS, fine)


def test_a_trusted_issuer_is_given_scopes_as_a_client(
    entra: Issuer, client: Client, stack: Settings, stack_engine: Engine, federation: Federation
) -> None:
    terms = Terms(scopes={Scope.READ, Scope.USERS}, lifetime=None)
    with database.transaction(stack_engine) as connection:
        clients.trust(connection, client.tenant.principal.tenant_id, "reader", terms, federation)

    assert get(stack, entra.token()).status_code == 200
    assert get(stack, entra.token(), "/Groups").status_code == 403


def _encoded(part: dict[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
