"""What a token permits: its scopes, its networks, its time, and its own portal."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text, update

from services.directory import database, ids, tables, tenants, tokens
from services.directory.tokens import Scope, Terms
from shared.scim import messages
from shared.settings import Settings
from tests.factories import Client, Tenant, bulk, bulk_post, patch, person, replace, role

Open = Callable[[Terms], Client]


@pytest.fixture
def opened(client: Client, stack: Settings, stack_engine: Engine) -> Iterator[Open]:
    """Return a client with another token of the test's tenant, on other terms."""
    made: list[Client] = []

    def open_(terms: Terms) -> Client:
        with database.transaction(stack_engine) as connection:
            secret = tokens.create(connection, client.tenant.principal.tenant_id, "narrow", None, terms)
            principal = tokens.authenticate(connection, secret)
        assert principal is not None
        made.append(Client(stack.public_url, Tenant(principal=principal, secret=secret)))
        return made[-1]

    yield open_
    for each in made:
        each.close()


def terms(*scopes: Scope, **others: object) -> Terms:
    return Terms(scopes=frozenset(scopes), **others)  # type: ignore[arg-type]


def test_a_token_that_may_read_writes_nothing(client: Client, opened: Open) -> None:
    user = client.create_user()
    reader = opened(terms(Scope.READ, Scope.USERS, Scope.GROUPS))
    url = f"/Users/{user['id']}"

    refused = [
        reader.post("/Users", json=person()),
        reader.put(url, json=person()),
        reader.patch(url, json=patch(replace("title", "x"))),
        reader.delete(url),
        reader.post("/Bulk", json=bulk(bulk_post("u", "/Users", person()))),
    ]

    assert {response.status_code for response in refused} == {403}
    assert "scope write" in refused[0].json()["detail"]
    assert reader.get(url).json() == user
    assert reader.post("/Users/.search", json={"schemas": [messages.SEARCH_REQUEST]}).status_code == 200
    assert reader.get("/ServiceProviderConfig").status_code == 200


def test_a_token_that_may_write_reads_nothing(opened: Open) -> None:
    writer = opened(terms(Scope.WRITE, Scope.USERS))

    assert writer.post("/Users", json=person()).status_code == 201
    assert writer.get("/Users").status_code == 403
    assert writer.get("/").status_code == 403


def test_a_token_for_users_sees_no_groups(client: Client, opened: Open) -> None:
    client.create_user()
    group = client.create_group()
    only = opened(terms(Scope.READ, Scope.WRITE, Scope.USERS))

    assert only.get("/Groups").status_code == 403
    assert only.get(f"/Groups/{group['id']}").status_code == 403
    assert only.post("/Groups", json=role()).status_code == 403
    assert only.get("/Users").json()["totalResults"] == 1
    assert only.get("/").json()["totalResults"] == 1
    answer = only.post("/Bulk", json=bulk(bulk_post("u", "/Users", person()), bulk_post("g", "/Groups", role())))
    assert [each["status"] for each in answer.json()["Operations"]] == ["201", "403"]
    assert client.get("/Groups").json()["totalResults"] == 1


def test_a_token_that_has_expired_is_told_when(opened: Open, stack_engine: Engine) -> None:
    old = opened(Terms())
    with database.transaction(stack_engine) as connection:
        past = text("'2026-01-02 12:00+00'")
        mine = tables.token.c.id == old.tenant.principal.token_id
        connection.execute(update(tables.token).where(mine).values(expires_at=past))

    refused = old.get("/Users")

    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="scim", error="invalid_token"'
    assert "expired on 2026-01-02" in refused.json()["detail"]


def test_a_token_is_good_from_its_networks_alone(opened: Open) -> None:
    here, elsewhere = opened(Terms(networks=["127.0.0.0/8", "::1/128"])), opened(Terms(networks=["203.0.113.0/24"]))

    assert here.get("/Users").status_code == 200
    refused = elsewhere.get("/Users", headers={"X-Forwarded-For": "203.0.113.7"})
    assert refused.status_code == 403
    assert "this address" in refused.json()["detail"]


def test_a_token_is_wrong_at_the_portal_of_another_tenant(client: Client, stack_engine: Engine) -> None:
    name = str(ids.new())
    with database.transaction(stack_engine) as connection:
        tenants.create(connection, name, f"{name}.example.com")

    elsewhere = client.get("/Users", headers={"Host": f"{name}.example.com"})
    unknown = client.get("/Users", headers={"Host": "nobody.example.com"})

    assert (elsewhere.status_code, unknown.status_code) == (401, 200)
    assert "wrong or was revoked" in elsewhere.json()["detail"]


def test_the_last_use_of_a_token_is_written_down(client: Client, stack_engine: Engine) -> None:
    found = None
    for _ in range(10_000):
        assert client.get("/Users").status_code == 200
        with database.transaction(stack_engine) as connection:
            found = tokens.find(connection, client.tenant.principal.token_id)
        assert found is not None
        if found.last_used_at is not None:
            break

    assert found is not None
    assert found.last_used_at is not None
    assert found.last_used_from == "127.0.0.1"


def test_two_tokens_overlap_while_one_takes_the_place_of_the_other(
    client: Client, stack: Settings, stack_engine: Engine
) -> None:
    old = client.tenant.principal.token_id
    with database.transaction(stack_engine) as connection:
        secret = tokens.rotate(connection, old, timedelta(days=1))

    with Client(stack.public_url, Tenant(principal=client.tenant.principal, secret=secret)) as successor:
        created = successor.create_user()
        assert client.get(f"/Users/{created['id']}").json() == created
        with database.transaction(stack_engine) as connection:
            tokens.revoke(connection, old)
        answers = [client.get("/Users").status_code]
        while answers[-1] == 200 and len(answers) < 10_000:
            answers.append(client.get("/Users").status_code)
        assert answers[-1] == 401
        assert successor.get("/Users").status_code == 200
