"""The way in: tokens, both prefixes, health, discovery, and what is logged."""

import httpx
import pytest
from sqlalchemy import Engine, select

from services.directory import database, tables, tokens
from shared.scim import messages
from shared.settings import Settings
from tests.factories import Client, patch, person, replace, role

GOOD_LOOKING = "mst_" + "A" * 43 + "000000"


@pytest.mark.parametrize(
    ("header", "challenge"),
    [
        (None, 'Bearer realm="scim"'),
        ("", 'Bearer realm="scim"'),
        ("Basic dXNlcjpwYXNz", 'Bearer realm="scim"'),
        ("Bearer", 'Bearer realm="scim"'),
        ("Bearer nonsense", 'Bearer realm="scim", error="invalid_token"'),
        (f"Bearer {GOOD_LOOKING}", 'Bearer realm="scim", error="invalid_token"'),
    ],
)
@pytest.mark.parametrize("path", ["/Users", "/Groups/x", "/ServiceProviderConfig", "/Schemas", "/Nothing", "/Bulk"])
def test_without_a_good_token_every_endpoint_is_closed(
    stack: Settings, path: str, header: str | None, challenge: str
) -> None:
    headers = {} if header is None else {"Authorization": header}

    response = httpx.get(f"{stack.public_url}/rest/scim/v2{path}", headers=headers)

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == challenge
    assert response.json()["schemas"] == [messages.ERROR]


def test_a_revoked_token_is_refused(client: Client, stack_engine: Engine) -> None:
    with database.transaction(stack_engine) as connection:
        assert tokens.revoke(connection, client.tenant.principal.token_id)

    response = client.get("/Users")

    assert response.status_code == 401


def test_a_revoked_token_is_refused_soon_after_it_was_used(client: Client, stack_engine: Engine) -> None:
    assert client.get("/Users").status_code == 200
    with database.transaction(stack_engine) as connection:
        tokens.revoke(connection, client.tenant.principal.token_id)

    answers = [client.get("/Users").status_code]
    while answers[-1] == 200 and len(answers) < 10_000:
        answers.append(client.get("/Users").status_code)

    assert answers[-1] == 401


def test_the_scheme_is_known_whatever_its_case(client: Client) -> None:
    response = client.get("/Users", headers={"Authorization": f"bearer {client.tenant.secret}"})

    assert response.status_code == 200


def test_tokens_are_stored_as_their_digest_only(client: Client, stack_engine: Engine) -> None:
    with database.transaction(stack_engine) as connection:
        rows = connection.execute(select(tables.token)).all()

    assert client.tenant.secret not in repr(rows)


def test_a_tenant_sees_nothing_of_another(client: Client, stranger: Client) -> None:
    created = client.create_user(userName="ada@example.com")
    url = f"/Users/{created['id']}"

    assert stranger.get(url).status_code == 404
    assert stranger.patch(url, json=patch(replace("title", "x"))).status_code == 404
    assert stranger.delete(url).status_code == 404
    assert stranger.get("/Users").json()["totalResults"] == 0
    assert stranger.post("/Groups", json=role(members=[{"value": created["id"]}])).status_code == 400
    assert stranger.post("/Users", json=person(userName="ada@example.com")).status_code == 201
    assert client.get(url).json() == created


def test_the_short_prefix_works_too(client: Client, stack: Settings) -> None:
    created = client.create_user()

    response = client.get(f"{stack.public_url}/scim/v2/Users/{created['id']}")

    assert response.json() == created


def test_doubled_and_trailing_slashes_are_understood(client: Client, stack: Settings) -> None:
    client.create_user()

    for path in ("//Users", "/Users/", "/Users?aadOptscim062020"):
        response = client.get(f"{stack.public_url}/rest/scim/v2{path}")
        assert response.json()["totalResults"] == 1, path


def test_health_needs_no_token(stack: Settings) -> None:
    assert httpx.get(f"{stack.public_url}/healthz").status_code == 200
    assert httpx.get(f"{stack.public_url}/readyz").json()["status"] == "ready"


def test_a_request_id_is_given_back_and_stands_in_errors(client: Client) -> None:
    response = client.get("/Users/x", headers={"X-Request-ID": "my-request-1"})

    assert response.headers["X-Request-ID"] == "my-request-1"
    assert "my-request-1" in response.json()["detail"]


def test_a_request_id_that_is_no_plain_word_is_not_taken(client: Client) -> None:
    response = client.get("/Users/x", headers={"X-Request-ID": 'a "b" c'})

    assert response.headers["X-Request-ID"] != 'a "b" c'


def test_the_service_says_what_it_can(client: Client) -> None:
    config = client.get("/ServiceProviderConfig").json()
    kinds = client.get("/ResourceTypes").json()
    schemas = client.get("/Schemas").json()

    assert config["patch"]["supported"] is True
    assert config["bulk"] == {"supported": True, "maxOperations": 1000, "maxPayloadSize": 1_048_576}
    assert [kind["endpoint"] for kind in kinds["Resources"]] == ["/Users", "/Groups"]
    assert schemas["totalResults"] == 3
    for schema in schemas["Resources"]:
        assert client.get(f"/Schemas/{schema['id']}").json() == schema
    for kind in kinds["Resources"]:
        assert client.get(f"/ResourceTypes/{kind['id']}").json() == kind


@pytest.mark.parametrize("path", ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas"])
def test_discovery_cannot_be_filtered(client: Client, path: str) -> None:
    assert client.get(path, params={"filter": 'id eq "x"'}).status_code == 403


def test_nothing_unknown_is_discovered(client: Client) -> None:
    assert client.get("/Schemas/urn:x").status_code == 404
    assert client.get("/ResourceTypes/Printer").status_code == 404


def test_locations_come_from_the_configuration_and_not_from_the_host_header(client: Client, stack: Settings) -> None:
    created = client.create_user()

    read = client.get(f"/Users/{created['id']}", headers={"Host": "evil.example"}).json()

    assert read["meta"]["location"].startswith(stack.public_url)
