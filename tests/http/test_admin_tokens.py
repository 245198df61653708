"""The admin API of tokens: whoever automates their rotation, with a token that opens nothing else."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, text

from services.directory import audit_reading, database, ids, tokens
from services.directory.tokens import ADMINISTRATION, Scope, Terms, TokenError
from shared.settings import Settings
from tests.factories import Client, Tenant, person

PATH = "/rest/admin/v1/tokens"


def administrator(stack: Settings, secret: str) -> httpx.Client:
    return httpx.Client(base_url=stack.public_url, headers={"Authorization": f"Bearer {secret}"}, timeout=60)


@pytest.fixture
def make(stack: Settings, stack_engine: Engine) -> Iterator[Callable[[Tenant], httpx.Client]]:
    """Make clients of the admin API, which are closed in the end."""
    opened: list[httpx.Client] = []

    def make_one(tenant: Tenant) -> httpx.Client:
        with database.transaction(stack_engine) as connection:
            terms = Terms(scopes=ADMINISTRATION)
            secret = tokens.create(connection, tenant.principal.tenant_id, "automation", None, terms)
        opened.append(administrator(stack, secret))
        return opened[-1]

    yield make_one
    for each in opened:
        each.close()


@pytest.fixture
def admin(make: Callable[[Tenant], httpx.Client], client: Client) -> httpx.Client:
    """A client of the admin API, of the tenant of `client`."""
    return make(client.tenant)


def scim(stack: Settings, secret: str) -> httpx.Response:
    return httpx.get(f"{stack.public_url}/rest/scim/v2/Users", headers={"Authorization": f"Bearer {secret}"})


def listed(admin: httpx.Client) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in admin.get(PATH).json()["tokens"]}


def problem(response: httpx.Response, status: int) -> str:
    """Return the detail of a problem (RFC 9457)."""
    body = response.json()
    assert (response.status_code, response.headers["Content-Type"]) == (status, "application/problem+json")
    assert body.keys() == {"type", "title", "status", "detail", "requestId"}
    assert (body["type"], body["status"]) == ("about:blank", status)
    assert body["requestId"] == response.headers["X-Request-ID"]
    detail: str = body["detail"]
    return detail


def test_a_token_is_created_used_and_told_of_without_its_secret(stack: Settings, admin: httpx.Client) -> None:
    created = admin.post(PATH, json={"name": "Entra", "scopes": ["read", "users"], "networks": ["127.0.0.0/8"]})

    body = created.json()
    secret = body.pop("secret")
    assert created.status_code == 201
    assert created.headers["Cache-Control"] == "no-store"
    assert (body["name"], body["scopes"], body["networks"]) == ("Entra", ["read", "users"], ["127.0.0.0/8"])
    assert (body["state"], body["endsIn"], body["isInUse"]) == ("active", secret[-4:], False)
    ends = datetime.fromisoformat(body["expiresAt"]) - datetime.now(UTC)
    assert timedelta(days=364) < ends <= timedelta(days=365)
    shown = admin.get(created.headers["Location"])
    assert shown.json() == body == listed(admin)[body["id"]]
    assert secret not in shown.text
    assert scim(stack, secret).status_code == 200


def test_a_token_is_rotated_watched_and_retired(stack: Settings, stack_engine: Engine, admin: httpx.Client) -> None:
    old = admin.post(PATH, json={"name": "Okta", "expiresInDays": 30}).json()
    assert scim(stack, old["secret"]).status_code == 200
    noted(stack_engine, old["id"])

    new = admin.post(f"{PATH}/{old['id']}/rotate", json={"overlapSeconds": 3600})

    assert new.status_code == 201
    assert [scim(stack, each["secret"]).status_code for each in (old, new.json())] == [200, 200]
    shown = listed(admin)[old["id"]]
    assert (shown["state"], shown["replacedBy"], shown["isInUse"]) == ("replaced", new.json()["id"], True)
    assert "127.0.0.1" in shown["whyNeeded"]
    assert "last used" in problem(admin.post(f"{PATH}/{old['id']}/retire"), 409)
    aged(stack_engine, old["id"])
    retired = admin.post(f"{PATH}/{old['id']}/retire")
    assert (retired.status_code, retired.json()["state"]) == (200, "revoked")
    assert scim(stack, new.json()["secret"]).status_code == 200


def test_a_tenant_has_so_many_tokens_that_work_and_no_more(
    stack_engine: Engine, client: Client, admin: httpx.Client
) -> None:
    tenant_id = client.tenant.principal.tenant_id
    working = sum(each["state"] == "active" for each in listed(admin).values())
    with database.transaction(stack_engine) as connection:
        for _ in range(tokens.MOST - working):
            tokens.create(connection, tenant_id, "many")

    refused = admin.post(PATH, json={"name": "one more"})

    assert f"{tokens.MOST} tokens" in problem(refused, 409)
    many = next(each for each in listed(admin).values() if each["name"] == "many")
    assert admin.post(f"{PATH}/{many['id']}/revoke").status_code == 200
    assert admin.post(PATH, json={"name": "one more"}).status_code == 201


def test_what_has_no_successor_is_not_retired_but_can_be_revoked(stack: Settings, admin: httpx.Client) -> None:
    made = admin.post(PATH, json={"name": "Okta", "expiresInDays": None}).json()
    assert made["expiresAt"] is None

    assert "no successor" in problem(admin.post(f"{PATH}/{made['id']}/retire"), 409)
    revoked = admin.post(f"{PATH}/{made['id']}/revoke")

    assert (revoked.status_code, revoked.json()["state"]) == (200, "revoked")
    assert "before" in problem(admin.post(f"{PATH}/{made['id']}/revoke"), 409)
    problem(admin.post(f"{PATH}/{made['id']}/rotate"), 409)
    assert scim(stack, made["secret"]).status_code == 401


def test_a_token_is_rotated_once(admin: httpx.Client) -> None:
    made = admin.post(PATH, json={"name": "Okta"}).json()
    assert admin.post(f"{PATH}/{made['id']}/rotate").status_code == 201

    assert "successor" in problem(admin.post(f"{PATH}/{made['id']}/rotate"), 409)


def test_a_provisioning_token_opens_nothing(admin: httpx.Client, client: Client) -> None:
    token_id = str(client.tenant.principal.token_id)
    attempts = [("GET", PATH), ("POST", PATH), ("GET", f"{PATH}/{token_id}"), ("GET", f"{PATH}/nothing/at/all")]
    attempts += [("POST", f"{PATH}/{token_id}/{step}") for step in ("rotate", "retire", "revoke")]
    root = str(client.base_url).partition("/rest/")[0]
    before = listed(admin).keys()

    for method, path in attempts:
        assert "admin" in problem(client.request(method, root + path, json={"name": "x"}), 403), path

    assert listed(admin).keys() == before


def test_a_token_of_the_admin_api_opens_no_scim(stack: Settings, admin: httpx.Client) -> None:
    base = "/rest/scim/v2"
    reading = [admin.get(base + path) for path in ("/Users", "/Groups", "/Schemas", "/Me", "/")]
    writing = [admin.post(base + "/Users", json=person()), admin.post(base + "/Bulk", json={})]

    assert {response.status_code for response in (*reading, *writing)} == {403}


def test_without_a_token_nothing_is_told(stack: Settings, client: Client) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        for path in (PATH, f"{PATH}/{client.tenant.principal.token_id}", "/rest/admin/v1/nothing"):
            response = httpx.get(stack.public_url + path, headers=headers)

            problem(response, 401)
            assert response.headers["WWW-Authenticate"].startswith("Bearer")


def test_another_tenants_tokens_are_as_unknown_as_nobodys(
    make: Callable[[Tenant], httpx.Client], client: Client, stranger: Client
) -> None:
    admin, theirs = make(client.tenant), str(stranger.tenant.principal.token_id)

    for step in ("", "/rotate", "/retire", "/revoke"):
        method = "POST" if step else "GET"
        foreign, absent = (admin.request(method, f"{PATH}/{each}{step}") for each in (theirs, str(ids.new())))

        assert problem(foreign, 404) == problem(absent, 404)
    assert theirs not in listed(admin)
    assert stranger.get("/Users").status_code == 200


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x", "scopes": ["admin"]}, "scopes"),
        ({"name": "x", "scopes": []}, "scopes"),
        ({"name": "x", "scopes": ["read"]}, "users or groups"),
        ({"name": "x", "scopes": "read"}, "scopes"),
        ({"name": "x", "networks": ["everywhere"]}, "network"),
        ({"name": "x", "expiresInDays": 0}, "expiresInDays"),
        ({"name": "x", "expiresInDays": 1.5}, "expiresInDays"),
        ({"name": "x", "lifetime": 5}, "lifetime"),
        ({"name": 5}, "name"),
        ({"name": "x" * 101}, "name"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_members_name(admin: httpx.Client, body: Any, said: str) -> None:
    before = listed(admin).keys()

    assert said in problem(admin.post(PATH, json=body), 400)

    assert listed(admin).keys() == before


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"{", "application/json", 400),
        (b'{"name": "\\u0000"}', "application/json", 400),
        (b"name=x", "application/x-www-form-urlencoded", 415),
        (b" " * 20_000, "application/json", 413),
    ],
)
def test_a_body_that_cannot_be_read_is_a_problem(
    admin: httpx.Client, content: bytes, media_type: str, status: int
) -> None:
    problem(admin.post(PATH, content=content, headers={"Content-Type": media_type}), status)


@pytest.mark.parametrize("wrong", ["1", "a" * 300, "%00", "%27", "01a20b91-667d-7703-ADF1-016c9ddc1b9b"])
def test_a_malformed_id_is_not_found(admin: httpx.Client, wrong: str) -> None:
    problem(admin.get(f"{PATH}/{wrong}"), 404)


def test_unknown_paths_and_methods_are_problems(admin: httpx.Client) -> None:
    problem(admin.get("/rest/admin/v1/nothing"), 404)
    refused = admin.delete(PATH)
    problem(refused, 405)
    assert set(refused.headers["Allow"].split(", ")) >= {"GET", "POST"}


def test_a_token_of_the_admin_api_can_rotate_itself(stack: Settings, stack_engine: Engine, admin: httpx.Client) -> None:
    [own] = [each for each in listed(admin).values() if each["scopes"] == [Scope.ADMIN]]

    made = admin.post(f"{PATH}/{own['id']}/rotate").json()

    with administrator(stack, made["secret"]) as successor:
        assert successor.get(PATH).status_code == 200
    assert made["scopes"] == [Scope.ADMIN]


def test_what_is_done_is_in_the_audit(stack_engine: Engine, admin: httpx.Client, client: Client) -> None:
    [own] = [each["id"] for each in listed(admin).values() if each["scopes"] == [Scope.ADMIN]]
    old = admin.post(PATH, json={"name": "Okta"}).json()
    new = admin.post(f"{PATH}/{old['id']}/rotate").json()
    admin.post(f"{PATH}/{old['id']}/retire")
    admin.post(f"{PATH}/{new['id']}/revoke")

    with database.transaction(stack_engine) as connection:
        rows = audit_reading.newest(connection, client.tenant.principal.tenant_id, 10)

    done = [(row.action, row.target) for row in reversed(rows) if row.actor == f"token {own}"]
    assert done == [
        ("token created", old["id"]),
        ("token rotated", old["id"]),
        ("token retired", old["id"]),
        ("token revoked", new["id"]),
    ]
    secrets = {old["secret"], new["secret"]}
    assert not any(secret in str(row.details) for secret in secrets for row in rows)


def test_a_token_is_either_for_people_or_for_tokens() -> None:
    with pytest.raises(TokenError, match="admin"):
        tokens.check(Terms(scopes={Scope.ADMIN, Scope.READ, Scope.USERS}))


def noted(engine: Engine, token_id: str) -> None:
    """Wait until the use of a token is written down."""
    for _ in range(6_000):
        with database.autocommit(engine) as connection:
            connection.execute(text("SELECT pg_sleep(0.05)"))
            if connection.scalar(text("SELECT last_used_at FROM token WHERE id = :id"), {"id": token_id}):
                return
    raise AssertionError("nobody wrote down that the token was used")


def aged(engine: Engine, token_id: str) -> None:
    """Let the last use of a token be long ago."""
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE token SET last_used_at = now() - interval '2 days' WHERE id = :id"), {"id": token_id}
        )
