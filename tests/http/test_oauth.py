"""Access tokens for clients with a secret: how they are got, what they permit, and how soon they end (RFC 6749)."""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, KeySet
from sqlalchemy import Engine

from services.directory import clients, database, ids, signing_keys, tenants
from services.directory.tokens import Scope, Terms
from shared.settings import Settings
from tests.factories import Client, person

SOON = 10_000
"""Tries after which something should have been noticed, on a machine of any speed."""


@dataclass(frozen=True)
class Application:
    """A client of a tenant's, as the identity provider has it."""

    id: UUID
    secret: str
    url: str

    def ask(self, **parameters: str) -> httpx.Response:
        """Ask for an access token, with the parameters in the body."""
        return httpx.post(f"{self.url}/oauth/token", data={"grant_type": "client_credentials"} | parameters)

    def ask_in_header(self, name: str, secret: str, **parameters: str) -> httpx.Response:
        """Ask for an access token, with id and secret in the header."""
        given = {"grant_type": "client_credentials"} | parameters
        return httpx.post(f"{self.url}/oauth/token", data=given, auth=(name, secret))

    def token(self, **parameters: str) -> str:
        """Return a new access token."""
        answer = self.ask(client_id=str(self.id), client_secret=self.secret, **parameters)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])


Make = Callable[..., Application]


@pytest.fixture
def make(client: Client, stack: Settings, stack_engine: Engine) -> Make:
    """Return how to make a client of the test's tenant."""

    def create(**terms: Any) -> Application:
        with database.transaction(stack_engine) as connection:
            made = clients.create_with_secret(
                connection, client.tenant.principal.tenant_id, "test", Terms(lifetime=None, **terms)
            )
        return Application(*made, stack.public_url)

    return create


@pytest.fixture
def application(make: Make) -> Application:
    return make()


def get(stack: Settings, token: str, path: str = "/Users", **headers: str) -> httpx.Response:
    return httpx.get(
        f"{stack.public_url}/rest/scim/v2{path}", headers={"Authorization": f"Bearer {token}"} | headers, timeout=30
    )


def test_a_token_is_given_for_a_secret_in_the_header_or_in_the_body(
    application: Application, stack: Settings, client: Client
) -> None:
    created = client.create_user()
    pair = (str(application.id), application.secret)

    basic = application.ask_in_header(*pair)
    post = application.ask(client_id=pair[0], client_secret=pair[1], scope="scim")

    for answer in (basic, post):
        body = answer.json()
        assert (answer.status_code, body["token_type"], body["expires_in"]) == (200, "Bearer", 3600)
        assert body["scope"] == "groups read users write"
        assert (answer.headers["Cache-Control"], answer.headers["Pragma"]) == ("no-store", "no-cache")
        assert get(stack, body["access_token"], f"/Users/{created['id']}").json() == created


def test_a_token_is_a_signed_jwt_of_the_published_keys(application: Application, stack: Settings) -> None:
    metadata = httpx.get(f"{stack.public_url}/.well-known/oauth-authorization-server").json()
    published = httpx.get(metadata["jwks_uri"]).json()

    decoded = jwt.decode(application.token(), KeySet.import_key_set(published), algorithms=["ES256"])

    assert "d" not in published["keys"][0]
    assert metadata["issuer"] == decoded.claims["iss"] == stack.public_url
    assert metadata["token_endpoint"] == f"{stack.public_url}/oauth/token"
    assert "private_key_jwt" in metadata["token_endpoint_auth_methods_supported"]
    assert (decoded.header["typ"], decoded.claims["aud"]) == ("at+jwt", f"{stack.public_url}/rest/scim/v2")
    assert decoded.claims["exp"] - decoded.claims["iat"] == 3600
    assert decoded.claims["sub"] == decoded.claims["client_id"] == str(application.id)


def test_a_portal_has_metadata_of_its_own(stack: Settings, stack_engine: Engine) -> None:
    host = f"{ids.new()}.example.com"
    with database.transaction(stack_engine) as connection:
        tenants.create(connection, str(ids.new()), host)
    url = f"{stack.public_url}/.well-known/oauth-authorization-server"

    assert httpx.get(url, headers={"Host": host}).json()["issuer"] == f"https://{host}"
    assert httpx.get(url, headers={"Host": "evil.example"}).json()["issuer"] == stack.public_url


@pytest.mark.parametrize(
    ("given", "status", "error"),
    [
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"client_id": "", "client_secret": ""}, 401, "invalid_client"),
        ({"client_secret": ""}, 401, "invalid_client"),
        ({"client_secret": "mcs_wrong"}, 401, "invalid_client"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"client_id": "01a20a49-a7b3-7142-9afb-9c2853eadbfb"}, 401, "invalid_client"),
        ({"scope": "read admin"}, 400, "invalid_scope"),
        ({"client_assertion": "x"}, 400, "invalid_request"),
    ],
)
def test_what_is_wrong_is_refused_as_the_rfc_has_it(
    application: Application, given: dict[str, str], status: int, error: str
) -> None:
    answer = application.ask(**({"client_id": str(application.id), "client_secret": application.secret} | given))

    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert ("WWW-Authenticate" in answer.headers) is (status == 401)
    assert application.secret not in answer.text


def test_a_malformed_request_is_refused(application: Application) -> None:
    url, right = f"{application.url}/oauth/token", {"client_id": str(application.id), "client_secret": "x"}
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    answers = {
        "no form": httpx.post(url, json={"grant_type": "client_credentials"} | right),
        "twice": httpx.post(url, content=b"grant_type=client_credentials&grant_type=x", headers=form),
        "large": httpx.post(url, content=b"grant_type=" + b"x" * 70_000, headers=form),
        "two ways": application.ask_in_header("a", "b", client_secret="x"),
        "two clients": application.ask_in_header("a", "b", client_id="c"),
    }

    assert {what: (a.status_code, a.json()["error"]) for what, a in answers.items()} == dict.fromkeys(
        answers, (400, "invalid_request")
    )
    assert httpx.get(url).status_code == 405


def test_a_header_that_is_no_basic_one_is_refused(application: Application) -> None:
    answer = httpx.post(
        f"{application.url}/oauth/token",
        data={"grant_type": "client_credentials"},
        headers={"Authorization": "Basic %%%"},
    )

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_token_permits_what_was_asked_for_and_the_client_may(make: Make, stack: Settings) -> None:
    reader = make(scopes={Scope.READ, Scope.USERS, Scope.GROUPS})
    users = reader.token(scope="read users")

    assert reader.ask(client_id=str(reader.id), client_secret=reader.secret, scope="write").status_code == 400
    assert get(stack, users).status_code == 200
    assert get(stack, users, "/Groups").status_code == 403
    assert get(stack, reader.token(), "/Groups").status_code == 200
    headers = {"Authorization": f"Bearer {reader.token()}", "Content-Type": "application/scim+json"}
    assert httpx.post(f"{stack.public_url}/rest/scim/v2/Users", json=person(), headers=headers).status_code == 403


def test_a_client_is_good_from_its_networks_alone(make: Make) -> None:
    elsewhere = make(networks=["203.0.113.0/24"])

    answer = elsewhere.ask(client_id=str(elsewhere.id), client_secret=elsewhere.secret)

    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")


def test_a_client_and_its_tokens_are_wrong_at_the_portal_of_another_tenant(
    application: Application, stack: Settings, stack_engine: Engine
) -> None:
    host = f"{ids.new()}.example.com"
    with database.transaction(stack_engine) as connection:
        tenants.create(connection, str(ids.new()), host)
    token = application.token()
    given = {"grant_type": "client_credentials", "client_id": str(application.id), "client_secret": application.secret}

    refused = httpx.post(f"{application.url}/oauth/token", data=given, headers={"Host": host})

    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert get(stack, token, Host=host).status_code == 401
    assert get(stack, token).status_code == 200


def test_revoking_a_client_ends_the_tokens_that_it_has(
    application: Application, stack: Settings, stack_engine: Engine
) -> None:
    token = application.token()
    assert get(stack, token).status_code == 200
    with database.transaction(stack_engine) as connection:
        assert clients.revoke(connection, application.id)

    answers = [get(stack, token).status_code]
    while answers[-1] == 200 and len(answers) < SOON:
        answers.append(get(stack, token).status_code)

    assert answers[-1] == 401
    assert application.ask(client_id=str(application.id), client_secret=application.secret).status_code == 401


@pytest.mark.parametrize(
    ("claims", "header"),
    [
        ({"exp": 1_700_000_000}, {}),
        ({"aud": "https://elsewhere.example"}, {}),
        ({"iss": "https://elsewhere.example"}, {}),
        ({"sub": str(UUID(int=7))}, {}),
        ({"exp": None}, {}),
        ({}, {"typ": "JWT"}),
        ({}, {"typ": "secevent+jwt"}),
    ],
    ids=str,
)
def test_a_token_with_a_wrong_claim_is_refused_though_the_signature_is_right(
    application: Application, stack: Settings, stack_engine: Engine, claims: dict[str, Any], header: dict[str, Any]
) -> None:
    with database.transaction(stack_engine) as connection:
        key = signing_keys.signer(connection)
    good = jwt.decode(application.token(), key, algorithms=["ES256"])

    changed = {name: value for name, value in (good.claims | claims).items() if value is not None}
    token = jwt.encode(good.header | header, changed, key)

    assert get(stack, token).status_code == 401
    assert get(stack, jwt.encode(good.header, good.claims, key)).status_code == 200


def test_a_forged_token_is_refused(application: Application, stack: Settings) -> None:
    token = application.token()
    head, body, signature = token.split(".")
    other = ECKey.generate_key("P-256")
    decoded = jwt.decode(token, KeySet.import_key_set(_published(stack)), algorithms=["ES256"])

    forged = [
        f"{head}.{body}.{signature[:-4]}AAAA",
        f"{head}.{body}.",
        f"{head}..{signature}",
        jwt.encode(decoded.header, decoded.claims, other),
        jwt.encode(decoded.header | {"kid": "made-up"}, decoded.claims, other),
        "a.b.c",
        "..",
        token + "x",
    ]

    assert [get(stack, each).status_code for each in forged] == [401] * len(forged)


def test_tokens_go_on_while_the_key_that_signs_is_replaced(
    application: Application, stack: Settings, stack_engine: Engine
) -> None:
    """Three rotations that take effect at once, under load from clients that get new tokens all the time."""
    statuses: Counter[int] = Counter()
    kids: set[str] = set()
    is_over = threading.Event()

    def ask() -> None:
        old = application.token()
        with httpx.Client(base_url=f"{stack.public_url}/rest/scim/v2", timeout=30) as http:
            while not is_over.is_set():
                new = application.token()
                kids.add(_kid(new))
                for token in (old, new):
                    statuses[http.get("/Users?count=0", headers={"Authorization": f"Bearer {token}"}).status_code] += 1

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for each in askers:
        each.start()
    try:
        for rotations in range(1, 4):
            while len(kids) < rotations:
                is_over.wait(0.01)
            with database.transaction(stack_engine) as connection:
                signing_keys.rotate(connection, timedelta())
        while len(kids) < 4:
            is_over.wait(0.01)
    finally:
        is_over.set()
        for each in askers:
            each.join()

    assert set(statuses) == {200}
    assert len(_published(stack)["keys"]) >= 4


def test_what_a_revoked_key_signed_is_refused(application: Application, stack: Settings, stack_engine: Engine) -> None:
    token = application.token()
    assert get(stack, token).status_code == 200
    with database.transaction(stack_engine) as connection:
        signing_keys.revoke(connection, _kid(token))

    answers = [get(stack, token).status_code]
    while answers[-1] == 200 and len(answers) < SOON:
        answers.append(get(stack, token).status_code)

    assert answers[-1] == 401
    assert get(stack, application.token()).status_code == 200


def test_results_belong_to_the_client_and_not_to_one_token(application: Application, stack: Settings) -> None:
    headers = {"Prefer": "respond-async", "Content-Type": "application/scim+json"}
    url = f"{stack.public_url}/rest/scim/v2/Users"
    bearer = {"Authorization": f"Bearer {application.token()}"}
    taken = httpx.post(url, json=person(), headers=headers | bearer)

    answer = get(stack, application.token(), f"/AsyncResults/{taken.headers['Set-Txn']}")

    assert (taken.status_code, answer.status_code in {200, 202}) == (202, True)


def _kid(token: str) -> str:
    return str(jws.extract_compact(token.encode()).headers()["kid"])


def _published(stack: Settings) -> Any:
    return httpx.get(f"{stack.public_url}/rest/scim/v2/jwks.json").json()
