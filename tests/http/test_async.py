"""Asynchronous requests: 202 at once, and later a signed event for the token that sent the request (RFC 9967)."""

from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, text

from services.directory import database
from shared.scim import events, messages
from shared.settings import Settings
from tests import conftest, stacks
from tests.factories import Client, patch, person, replace, role
from tests.http.conftest import settled, verified
from tests.shards import held

ASYNC = {"Prefer": "respond-async"}


def event(client: Client, accepted: httpx.Response) -> dict[str, Any]:
    """Return the claims of the event that an asynchronous request ended in."""
    assert accepted.status_code == 202, accepted.text
    response = settled(client, accepted.headers["Location"])
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "application/secevent+jwt"
    claims = verified(client, response.text)
    assert claims["txn"] == accepted.headers["Set-Txn"]
    return claims


def payload(claims: dict[str, Any]) -> dict[str, Any]:
    assert list(claims["events"]) == [events.ASYNC_RESPONSE]
    found: dict[str, Any] = claims["events"][events.ASYNC_RESPONSE]
    return found


def test_a_create_is_accepted_at_once_and_told_of_later(client: Client) -> None:
    accepted = client.post("/Users", json=person(externalId="E1"), headers=ASYNC)

    assert (accepted.status_code, accepted.content) == (202, b"")
    assert accepted.headers["Preference-Applied"] == "respond-async"
    assert accepted.headers["Location"] == f"{client.base_url}AsyncResults/{accepted.headers['Set-Txn']}"
    claims = event(client, accepted)
    [created] = client.get("/Users").json()["Resources"]
    assert payload(claims) == {
        "method": "POST",
        "status": "201",
        "version": created["meta"]["version"],
        "location": created["meta"]["location"],
    }
    assert claims["sub_id"] == {
        "format": "scim",
        "uri": f"/Users/{created['id']}",
        "externalId": "E1",
        "id": created["id"],
    }
    assert claims["iss"] == str(client.base_url).rstrip("/")
    assert claims["aud"] == [f"urn:uuid:{client.tenant.principal.token_id}"]
    assert {"jti", "iat"} <= set(claims)
    assert "sub" not in claims


@pytest.mark.parametrize(("method", "status"), [("PUT", "200"), ("PATCH", "200"), ("DELETE", "204")])
def test_a_change_is_accepted_at_once_and_told_of_later(client: Client, method: str, status: str) -> None:
    created = client.create_user()
    bodies = {"PUT": person(title="x"), "PATCH": patch(replace("title", "x"))}

    accepted = client.request(method, f"/Users/{created['id']}", json=bodies.get(method), headers=ASYNC)

    told = payload(event(client, accepted))
    assert (told["method"], told["status"], told["location"]) == (method, status, created["meta"]["location"])
    assert told.get("version") == (None if method == "DELETE" else 'W/"2"')
    assert client.get(f"/Users/{created['id']}").status_code == (404 if method == "DELETE" else 200)


def test_a_group_is_written_asynchronously_too(client: Client) -> None:
    member = client.create_user()

    accepted = client.post("/Groups", json=role(members=[{"value": member["id"]}]), headers=ASYNC)

    claims = event(client, accepted)
    assert payload(claims)["status"] == "201"
    assert client.get(claims["sub_id"]["uri"]).json()["members"][0]["value"] == member["id"]


def test_a_failed_create_is_told_with_its_error(client: Client) -> None:
    client.create_user(userName="ada@example.com")

    accepted = client.post("/Users", json=person(userName="ADA@example.com"), headers=ASYNC)

    claims = event(client, accepted)
    told = payload(claims)
    assert (told["method"], told["status"]) == ("POST", "409")
    assert "location" not in told
    assert "version" not in told
    assert told["response"]["schemas"] == [messages.ERROR]
    assert (told["response"]["status"], told["response"]["scimType"]) == ("409", "uniqueness")
    assert "ada" not in told["response"]["detail"].lower()
    assert claims["sub_id"] == {"format": "scim", "uri": "/Users"}


def test_a_failed_change_is_told_with_its_error_and_its_resource(client: Client) -> None:
    created = client.create_user()

    accepted = client.put(f"/Users/{created['id']}", json=person(), headers=ASYNC | {"If-Match": 'W/"7"'})

    claims = event(client, accepted)
    assert payload(claims)["response"]["status"] == payload(claims)["status"] == "412"
    assert payload(claims)["location"] == created["meta"]["location"]
    assert claims["sub_id"]["uri"] == f"/Users/{created['id']}"


def test_what_comes_in_time_is_answered_as_usual(client: Client) -> None:
    waiting = {"Prefer": "respond-async, wait=20"}

    made = client.post("/Users", json=person(), headers=waiting)
    clash = client.post("/Users", json=person(userName=made.json()["userName"]), headers=waiting)
    gone = client.delete(f"/Users/{made.json()['id']}", headers=waiting)

    assert (made.status_code, clash.status_code, gone.status_code) == (201, 409, 204)
    assert made.headers["Location"] == made.json()["meta"]["location"]
    assert "Set-Txn" not in made.headers
    assert "Preference-Applied" not in made.headers


def test_other_preferences_change_nothing(client: Client) -> None:
    made = client.post("/Users", json=person(), headers={"Prefer": "wait=5, return=minimal"})

    assert made.status_code == 201


def test_what_is_malformed_is_refused_at_once(client: Client) -> None:
    assert client.post("/Users", json={}, headers=ASYNC).status_code == 400
    assert client.post("/Users", json=person(active="perhaps"), headers=ASYNC).status_code == 400
    assert client.delete("/Users/01a20a4c-8cac-7161-8262-5fdf177381cc", headers=ASYNC).status_code == 404
    assert client.get("/Users").json()["totalResults"] == 0


@pytest.mark.parametrize("prefer", ["respond-async", "respond-async, wait=1"])
def test_what_is_not_worked_off_is_pending_and_never_cancelled(
    client: Client, stack: Settings, stack_engine: Engine, prefer: str
) -> None:
    with held(stack_engine, stack.shards):
        accepted = client.post("/Users", json=person(), headers={"Prefer": prefer})
        pending = client.get(accepted.headers["Location"])
        again = client.get(accepted.headers["Location"])
        assert client.get("/Users").json()["totalResults"] == 0

    assert accepted.status_code == pending.status_code == again.status_code == 202
    assert (pending.content, pending.headers["Set-Txn"]) == (b"", accepted.headers["Set-Txn"])
    assert int(pending.headers["Retry-After"]) > 0
    assert payload(event(client, accepted))["status"] == "201"
    assert client.get("/Users").json()["totalResults"] == 1


def test_a_result_is_the_same_however_often_it_is_fetched(client: Client) -> None:
    accepted = client.post("/Users", json=person(), headers=ASYNC)

    assert event(client, accepted) == event(client, accepted)


def test_only_the_token_that_sent_a_request_finds_its_result(
    client: Client, colleague: Client, stranger: Client
) -> None:
    accepted = client.post("/Users", json=person(), headers=ASYNC)
    location = accepted.headers["Location"]
    settled(client, location)

    answers = [other.get(location) for other in (colleague, stranger)]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert httpx.get(location).status_code == 401
    assert answers[0].json()["schemas"] == [messages.ERROR]


@pytest.mark.parametrize("txn", ["x", "01a20a4c-8cac-7161-8262-5fdf177381cc"])
def test_a_result_that_nobody_asked_for_is_not_there(client: Client, txn: str) -> None:
    assert client.get(f"/AsyncResults/{txn}").status_code == 404
    assert client.delete(f"/AsyncResults/{txn}").status_code == 405


@pytest.mark.parametrize("prefix", ["/rest/scim/v2", "/scim/v2"])
def test_the_keys_need_no_token_and_hold_nothing_private(stack: Settings, prefix: str) -> None:
    response = httpx.get(f"{stack.public_url}{prefix}/jwks.json")

    assert response.headers["Content-Type"] == "application/jwk-set+json"
    keys = response.json()["keys"]
    assert {(key["kty"], key["alg"], key["use"], "d" in key) for key in keys} == {("EC", "ES256", "sig", False)}
    assert all(key["kid"] for key in keys)


def test_the_configuration_is_silent_about_it(client: Client) -> None:
    assert "securityEvents" not in client.get("/ServiceProviderConfig").json()


def test_the_configuration_tells_of_it_where_that_is_wanted(tmp_path_factory: pytest.TempPathFactory) -> None:
    environ = conftest.environment() | {"MUSTER_SECURITY_EVENTS": "true"}
    data = tmp_path_factory.mktemp("telling")
    with stacks.lean(data, environ) as own:
        pool = database.connect(own.settings.database_url, process="test")
        with Client(own.settings.public_url, conftest.make_tenant(pool)) as http:
            told = http.get("/ServiceProviderConfig").json()["securityEvents"]
        pool.dispose()

    assert told == {"asyncRequest": "request", "eventUris": [events.ASYNC_RESPONSE]}


def test_who_does_not_wait_keeps_a_turn_while_another_tenant_has_writes(
    client: Client, stranger: Client, stack_engine: Engine
) -> None:
    stranger.create_user()

    accepted = client.post("/Users", json=person(), headers=ASYNC)

    event(client, accepted)
    is_told = text("SELECT reply_to <> '' FROM operation WHERE id = :id")
    with database.transaction(stack_engine) as connection:
        assert connection.scalar(is_told, {"id": accepted.headers["Set-Txn"]}) is True
