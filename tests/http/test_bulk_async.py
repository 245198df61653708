"""Bulk requests that nobody waits for: 202 once everything is durable, later an event for each operation."""

from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from shared.scim import events, messages, versions
from shared.settings import Settings
from tests.factories import Client, bulk, bulk_post, patch, person, replace, role
from tests.http.conftest import settled, verified
from tests.http.test_bulk import change, managed_by, members, statuses, values
from tests.shards import held

ASYNC = {"Prefer": "respond-async"}
UNKNOWN_ID = "019a0000-0000-7000-8000-000000000000"


def send(client: Client, *operations: dict[str, Any]) -> httpx.Response:
    accepted = client.post("/Bulk", json=bulk(*operations), headers=ASYNC)
    assert (accepted.status_code, accepted.content) == (202, b""), accepted.text
    return accepted


def told(client: Client, accepted: httpx.Response) -> list[dict[str, Any]]:
    """Return the claims of a request's events, in the order of its operations."""
    response = settled(client, accepted.headers["Location"])
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "application/json"
    sets = response.json()["sets"]
    claims = [verified(client, token) for token in sets.values()]
    assert [each["jti"] for each in claims] == list(sets)
    assert [each["txn"] for each in claims] == [f"{accepted.headers['Set-Txn']}:{n}" for n in range(len(claims))]
    return claims


def payloads(claims: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each["events"][events.ASYNC_RESPONSE] for each in claims]


def test_people_and_their_groups_are_accepted_at_once_and_told_of_later(client: Client) -> None:
    accepted = send(
        client,
        bulk_post("team", "/Groups", role(members=members("ada", "bob"))),
        bulk_post("bob", "/Users", managed_by("ada")),
        bulk_post("ada", "/Users", person(externalId="E1")),
        change("PATCH", "/Users/bulkId:ada", patch(replace("title", "Countess")), bulkId="mine"),
    )

    assert accepted.headers["Preference-Applied"] == "respond-async"
    assert accepted.headers["Location"] == f"{client.base_url}AsyncResults/{accepted.headers['Set-Txn']}"
    claims = told(client, accepted)
    results = payloads(claims)
    assert statuses(results) == ["201", "201", "201", "200"]
    assert [(result["method"], result["bulkId"]) for result in results] == [
        ("POST", "team"),
        ("POST", "bob"),
        ("POST", "ada"),
        ("PATCH", "mine"),
    ]
    team, bob, ada = (client.get(result["location"]).json() for result in results[:3])
    assert values(team) == {ada["id"], bob["id"]}
    assert ada["title"] == "Countess"
    assert [result["version"] for result in results] == [
        'W/"1"',
        'W/"1"',
        'W/"1"',
        versions.of_resource(ada["meta"]["version"]),
    ]
    subject = {"format": "scim", "uri": f"/Users/{ada['id']}", "externalId": "E1", "id": ada["id"]}
    assert claims[2]["sub_id"] == claims[3]["sub_id"] == subject
    assert {tuple(each["aud"]) for each in claims} == {(f"urn:uuid:{client.tenant.principal.token_id}",)}
    assert told(client, accepted) == claims


def test_the_event_of_one_operation_can_be_asked_for(client: Client) -> None:
    accepted = send(client, bulk_post("a", "/Users", person()), bulk_post("b", "/Nowhere", person()))
    claims = told(client, accepted)

    answers = [client.get(f"{accepted.headers['Location']}:{index}") for index in (0, 1)]

    assert [answer.headers["Content-Type"] for answer in answers] == ["application/secevent+jwt"] * 2
    assert [verified(client, answer.text) for answer in answers] == claims
    for other in ("2", "00", "-1", "x", "99999", "999999", ""):
        assert client.get(f"{accepted.headers['Location']}:{other}").status_code == 404


def test_whatever_fails_is_told_with_its_error(client: Client, stranger: Client) -> None:
    taken, foreign, group = client.create_user(), stranger.create_user(), client.create_group()
    operations = [
        bulk_post("taken", "/Users", person(userName=taken["userName"].upper())),
        bulk_post("bob", "/Users", managed_by("taken")),
        bulk_post("team", "/Groups", role(members=members("bob"))),
        change("PATCH", "/Users/bulkId:taken", patch(replace("title", "x"))),
        bulk_post("invalid", "/Users", person(active="perhaps")),
        bulk_post("behind", "/Users", managed_by("invalid")),
        bulk_post("lost", "/Users", managed_by("nobody")),
        change("PATCH", f"/Groups/{group['id']}", patch({"op": "add", "path": "members", "value": members("behind")})),
        change("PUT", f"/Users/{UNKNOWN_ID}", person()),
        change("DELETE", f"/Users/{foreign['id']}"),
        change("DELETE", "/Printers/1?x=ü"),
        change("DELETE", "/Users"),
        change("PATCH", f"/Users/{taken['id']}", patch(replace("title", "x")), version='W/"7"'),
        bulk_post("fine", "/Users", person()),
    ]

    results = payloads(told(client, send(client, *operations)))

    assert statuses(results) == [
        *("409", "409", "409", "409", "400", "409", "400", "409", "404", "404", "404", "405", "412", "201")
    ]
    scim_types = [result.get("response", {}).get("scimType") for result in results]
    assert [scim_types[0], scim_types[4], scim_types[6]] == ["uniqueness", "invalidValue", "invalidValue"]
    for result in results[:-1]:
        assert result["response"]["schemas"] == [messages.ERROR]
        assert result["response"]["status"] == result["status"]
        assert ("location" in result) is (result["method"] != "POST")
    needing = [results[n]["response"]["detail"] for n in (1, 2, 3, 5, 7)]
    assert ["operation 1" in needing[0], "operation 2" in needing[1], "operation 5" in needing[3]] == [True] * 3
    assert results[8]["location"] == f"{client.base_url}Users/{UNKNOWN_ID}"
    assert results[10]["location"] == f"{client.base_url}Printers/1%3Fx%3D%C3%BC"
    assert client.get("/Users").json()["totalResults"] == 2
    assert client.get(f"/Groups/{group['id']}").json() == group


def test_the_result_is_that_of_a_request_which_is_waited_for(client: Client, stranger: Client) -> None:
    """Two tenants send the same, one of them without waiting."""

    def operations(http: Client) -> list[dict[str, Any]]:
        leaver = http.create_user(userName="ada@example.com")
        renamed = http.create_user(userName="bob@example.com")
        group = http.create_group()
        joining = patch({"op": "add", "path": "members", "value": [{"value": leaver["id"]}]})
        own = f"/Users/{renamed['id']}"
        return [
            change("PATCH", f"/Groups/{group['id']}", joining),
            bulk_post("early", "/Users", person(userName="ADA@example.com")),
            change("DELETE", f"/Users/{leaver['id']}"),
            bulk_post("ada", "/Users", person(userName="ada@example.com")),
            change("PATCH", f"/Groups/{group['id']}", joining),
            bulk_post("soon", "/Users", person(userName="bob@example.com")),
            change("PATCH", own, patch(replace("userName", "robert@example.com"))),
            bulk_post("bob", "/Users", person(userName="Bob@example.com")),
            bulk_post("twin", "/Users", person(userName="bob@example.com")),
            *(change("PATCH", own, patch(replace("title", f"title {n}")), version=f'W/"{n + 2}"') for n in range(10)),
        ]

    waited = stranger.post("/Bulk", json=bulk(*operations(stranger))).json()["Operations"]
    results = payloads(told(client, send(client, *operations(client))))

    def shown(of: list[dict[str, Any]]) -> list[Any]:
        return [(r["method"], r.get("bulkId"), r["status"], r.get("version"), "response" in r) for r in of]

    assert shown(results) == shown(waited)
    assert statuses(results[:9]) == ["200", "409", "204", "201", "400", "409", "200", "201", "409"]
    assert [result["version"] for result in results[9:]] == [f'W/"{n}"' for n in range(3, 13)]


def test_a_large_request_ends(client: Client) -> None:
    people = [bulk_post(f"u{n}", "/Users", person()) for n in range(600)]
    groups = [bulk_post(f"g{n}", "/Groups", role(members=members(f"u{n}", f"u{n + 1}"))) for n in range(100)]

    accepted = send(client, *groups, *people)

    assert set(statuses(payloads(told(client, accepted)))) == {"201"}
    assert client.get("/Users").json()["totalResults"] == 600
    assert client.get("/Groups").json()["totalResults"] == 100


def test_what_comes_in_time_is_answered_as_usual(client: Client) -> None:
    taken = client.create_user()
    operations = [
        bulk_post("team", "/Groups", role(members=members("ada"))),
        bulk_post("ada", "/Users", person()),
        bulk_post("b", "/Users", person(userName=taken["userName"])),
        change("DELETE", "/Users/nobody"),
    ]

    answer = client.post("/Bulk", json=bulk(*operations), headers={"Prefer": "respond-async, wait=25"})

    assert answer.status_code == 200, answer.text
    assert "Set-Txn" not in answer.headers
    assert "Preference-Applied" not in answer.headers
    results = answer.json()["Operations"]
    assert statuses(results) == ["201", "201", "409", "404"]
    assert [result.get("bulkId") for result in results] == ["team", "ada", "b", None]
    assert values(client.get(results[0]["location"]).json()) == {results[1]["location"].rpartition("/")[2]}
    assert results[2]["response"]["scimType"] == "uniqueness"


@pytest.mark.parametrize("prefer", ["respond-async", "respond-async, wait=1"])
def test_what_is_not_worked_off_is_pending_and_never_cancelled(
    client: Client, stack: Settings, stack_engine: Engine, prefer: str
) -> None:
    operations = [bulk_post("team", "/Groups", role(members=members("a"))), bulk_post("a", "/Users", person())]
    refused = bulk_post("no", "/Users", {})

    with held(stack_engine, stack.shards):
        accepted = client.post("/Bulk", json=bulk(*operations, refused), headers={"Prefer": prefer})
        pending = client.get(accepted.headers["Location"])
        first, last = (client.get(f"{accepted.headers['Location']}:{n}") for n in (0, 2))
        assert client.get("/Users").json()["totalResults"] == 0

    assert [accepted.status_code, pending.status_code, first.status_code, last.status_code] == [202, 202, 202, 200]
    assert (pending.content, pending.headers["Set-Txn"]) == (b"", accepted.headers["Set-Txn"])
    assert int(pending.headers["Retry-After"]) > 0
    assert statuses(payloads(told(client, accepted))) == ["201", "201", "400"]


def test_writes_behind_an_accepted_request_keep_their_order(
    client: Client, stack: Settings, stack_engine: Engine
) -> None:
    user = client.create_user()
    own = f"/Users/{user['id']}"

    with held(stack_engine, stack.shards):
        accepted = send(
            client,
            bulk_post("g", "/Groups", role(members=members("u"))),
            bulk_post("u", "/Users", person()),
            change("PATCH", own, patch(replace("title", "first"))),
        )
        behind = client.patch(own, json=patch(replace("title", "second")), headers=ASYNC)

    assert statuses(payloads(told(client, accepted))) == ["201", "201", "200"]
    assert settled(client, behind.headers["Location"]).status_code == 200
    assert client.get(own).json()["title"] == "second"


def test_only_the_token_that_sent_a_request_finds_its_result(
    client: Client, colleague: Client, stranger: Client
) -> None:
    accepted = send(client, bulk_post("a", "/Users", person()))
    location = accepted.headers["Location"]
    settled(client, location)

    answers = [other.get(where) for other in (colleague, stranger) for where in (location, f"{location}:0")]

    assert [answer.status_code for answer in answers] == [404] * 4
    assert httpx.get(location).status_code == 401


@pytest.mark.parametrize(
    ("operations", "members_of_bulk"),
    [
        ([bulk_post("a", "/Users", managed_by("b")), bulk_post("b", "/Users", managed_by("a"))], {}),
        ([bulk_post("a", "/Users", person()), bulk_post("b", "/Users", person())], {"failOnErrors": 1}),
    ],
    ids=["a circle", "failOnErrors"],
)
def test_what_depends_on_outcomes_is_answered_synchronously(
    client: Client, operations: list[dict[str, Any]], members_of_bulk: dict[str, Any]
) -> None:
    answer = client.post("/Bulk", json=bulk(*operations, **members_of_bulk), headers=ASYNC)

    assert answer.status_code == 200
    assert statuses(answer.json()["Operations"]) == ["201", "201"]
    assert "Preference-Applied" not in answer.headers
    assert "Set-Txn" not in answer.headers


def test_what_is_malformed_as_a_whole_is_refused_at_once(client: Client) -> None:
    assert client.post("/Bulk", json={"Operations": []}, headers=ASYNC).status_code == 400
    assert client.post("/Bulk", json=bulk(), headers=ASYNC).status_code == 400
    assert client.get("/Users").json()["totalResults"] == 0
