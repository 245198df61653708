"""Two thousand attempts at another tenant's things: each is answered exactly like one at what does not exist.

An attempt is made twice, with what the other tenant has and with what nobody has. Status, headers and body must be the
same then, but for the very thing that was named and the request's id.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import Engine

from services.directory import database, ids, tokens
from services.directory.portal import app
from services.directory.portal.routes import Route
from services.directory.tokens import ADMINISTRATION, Terms
from shared.scim import messages
from shared.scim.schemas import enterprise, user
from shared.settings import Settings
from tests.browsing import Browser, signed_in
from tests.factories import Client, bulk, patch, person, role
from tests.factories import replace as replacing
from tests.http.conftest import settled

USERS, GROUPS, BULKS = 8, 4, 110
ENOUGH = 2_000
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_VERSION = re.compile(r'W/\\?"\d+\\?"')
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z?")
_PASSING = frozenset({"date", "x-request-id", "content-length"})


@dataclass(frozen=True, kw_only=True)
class Thing:
    """What is aimed at: a resource of the other tenant with all that names it, or one that nobody has."""

    endpoint: str
    id: str = field(default_factory=lambda: str(ids.new()))
    name: str = field(default_factory=lambda: f"name-{uuid4()}")
    external_id: str = field(default_factory=lambda: f"external-{uuid4()}")
    email: str = field(default_factory=lambda: f"mail-{uuid4()}@example.com")
    related: str = field(default_factory=lambda: str(ids.new()))
    """A member of the group, or a group of the user."""

    def blurred(self, text: str) -> str:
        """Return a text without what is this thing's alone, and without what passes."""
        for name in ("id", "name", "external_id", "email", "related"):
            text = text.replace(getattr(self, name), f"<{name}>").replace(quote(getattr(self, name)), f"<{name}>")
        return _VERSION.sub("<version>", _TIME.sub("<time>", _UUID.sub("<new>", text)))


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One request."""

    method: str
    path: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)

    def send(self, client: Client) -> httpx.Response:
        return client.request(
            self.method, self.path, json=self.body, headers=dict(self.headers), params=dict(self.parameters)
        )


def made_user(owner: Client) -> Thing:
    thing = Thing(endpoint="/Users")
    manager = owner.create_user()
    attributes = {"schemas": [user.URN, enterprise.URN], enterprise.URN: {"manager": {"value": manager["id"]}}}
    created = owner.create_user(
        userName=thing.name,
        displayName=thing.name,
        externalId=thing.external_id,
        emails=[{"value": thing.email, "type": "work", "primary": True}],
        **attributes,
    )
    related = owner.create_group(members=[{"value": created["id"]}])
    return replace(thing, id=created["id"], related=related["id"])


def made_group(owner: Client) -> Thing:
    thing, member = Thing(endpoint="/Groups"), owner.create_user()
    created = owner.create_group(
        displayName=thing.name, externalId=thing.external_id, members=[{"value": member["id"]}]
    )
    return replace(thing, id=created["id"], related=member["id"])


def absent(endpoint: str) -> Thing:
    return Thing(endpoint=endpoint)


def told(thing: Thing, response: httpx.Response) -> tuple[int, dict[str, str], str]:
    """Return what an answer says, but for what was named."""
    headers = {name: thing.blurred(value) for name, value in response.headers.items() if name not in _PASSING}
    text = response.text.replace(response.headers.get("X-Request-ID", "-"), "<request>")
    if "json" in response.headers.get("Content-Type", ""):
        # The order of members is another one when the outcome was read in the journal.
        text = json.dumps(json.loads(text), sort_keys=True)
    return response.status_code, headers, thing.blurred(text)


def at_one(thing: Thing) -> Iterator[Attempt]:
    """Yield attempts by the id itself, at its own endpoint and at the other one."""
    other = {"/Users": "/Groups", "/Groups": "/Users"}[thing.endpoint]
    path, name = f"{thing.endpoint}/{thing.id}", "displayName"
    whole = person(userName=thing.name) if thing.endpoint == "/Users" else role(displayName=thing.name)
    etags = [{}, {"If-Match": 'W/"1"'}, {"If-Match": 'W/"2"'}, {"If-Match": "*"}]
    for each in (path, f"{other}/{thing.id}", f"{path}/", f"{thing.endpoint}/{thing.id.upper()}"):
        yield Attempt(method="GET", path=each)
    for parameters in ({"attributes": "id,meta"}, {"attributes": name}, {"excludedAttributes": "members,groups"}):
        yield Attempt(method="GET", path=path, parameters=parameters)
    for tag in ('W/"1"', 'W/"2"', "*"):
        yield Attempt(method="GET", path=path, headers={"If-None-Match": tag})
    for headers in etags:
        yield Attempt(method="PUT", path=path, body=whole, headers=headers)
        yield Attempt(method="PATCH", path=path, body=patch(replacing(name, "taken over")), headers=headers)
        yield Attempt(method="DELETE", path=path, headers=headers)
    yield Attempt(method="PATCH", path=path, body=patch(replacing("active", value=False)))
    yield Attempt(method="PATCH", path=path, body=patch({"op": "remove", "path": "externalId"}))
    yield Attempt(method="PATCH", path=path, body=patch({"op": "add", "value": {"externalId": thing.external_id}}))
    for method, body in (("PUT", whole), ("PATCH", patch(replacing(name, "x"))), ("DELETE", None)):
        yield Attempt(method=method, path=path, body=body, headers={"Prefer": "respond-async"})
        yield Attempt(
            method=method, path=path, body=body, headers={"Idempotency-Key": f'"{thing.external_id}-{method}"'}
        )


def in_filters(thing: Thing) -> Iterator[Attempt]:
    """Yield attempts by everything that a filter can name."""
    filters = [
        f'id eq "{thing.id}"',
        f'externalId eq "{thing.external_id}"',
        f'displayName eq "{thing.name}"',
        f'displayName sw "{thing.name[:20]}"',
        f'displayName co "{thing.name[5:]}" or id eq "{thing.id}"',
        f'not (id ne "{thing.id}")',
        f'meta.location ew "{thing.id}"',
        *(
            (
                f'userName eq "{thing.name}"',
                f'emails.value eq "{thing.email}"',
                f'emails[type eq "work" and value co "{thing.email[5:30]}"]',
                f'groups.value eq "{thing.related}"',
                f'{enterprise.URN}:manager.value eq "{thing.id}"',
            )
            if thing.endpoint == "/Users"
            else (f'members.value eq "{thing.related}"', f'members[value eq "{thing.related}"]')
        ),
    ]
    for each in filters:
        yield Attempt(method="GET", path=thing.endpoint, parameters={"filter": each})
        search = {"schemas": [messages.SEARCH_REQUEST], "filter": each}
        yield Attempt(method="POST", path=f"{thing.endpoint}/.search", body=search)
    for each in filters[:3]:
        yield Attempt(method="GET", path="/", parameters={"filter": each})
        yield Attempt(method="GET", path=thing.endpoint, parameters={"filter": each, "cursor": "", "sortBy": "id"})


def as_reference(thing: Thing, own: Mapping[str, str]) -> Iterator[Attempt]:
    """Yield attempts to make it a member, or a manager, of what is one's own."""
    mine = f"/Groups/{own['group']}"
    member = {"value": thing.id, "type": thing.endpoint.strip("/s")}
    yield Attempt(method="POST", path="/Groups", body=role(displayName=f"G {thing.id}", members=[member]))
    yield Attempt(method="PATCH", path=mine, body=patch({"op": "add", "path": "members", "value": [member]}))
    yield Attempt(method="PATCH", path=mine, body=patch(replacing("members", [member])))
    yield Attempt(method="PATCH", path=mine, body=patch({"op": "remove", "path": f'members[value eq "{thing.id}"]'}))
    yield Attempt(method="PUT", path=mine, body=role(displayName="Mine", members=[member]))
    boss = {enterprise.URN: {"manager": {"value": thing.id}}}
    yield Attempt(
        method="POST", path="/Users", body=person(userName=f"U {thing.id}", schemas=[user.URN, enterprise.URN], **boss)
    )
    yield Attempt(
        method="PATCH",
        path=f"/Users/{own['user']}",
        body=patch(replacing(f"{enterprise.URN}:manager", {"value": thing.id})),
    )


def in_bulk(thing: Thing) -> Iterator[dict[str, Any]]:
    """Yield operations of a bulk request, in turn, for as long as they are wanted."""
    path = f"{thing.endpoint}/{thing.id}"
    member = {"op": "add", "path": "members", "value": [{"value": thing.id}]}
    while True:
        yield {"method": "DELETE", "path": path}
        yield {"method": "PATCH", "path": path, "data": patch(replacing("displayName", "x"))}
        yield {"method": "PATCH", "path": path, "version": 'W/"1"', "data": patch(replacing("externalId", "x"))}
        yield {
            "method": "PUT",
            "path": path,
            "data": {"schemas": [user.URN], "userName": thing.name, "displayName": "x"},
        }
        yield {"method": "PATCH", "path": f"/Groups/{thing.related}", "data": patch(member)}


BODIES = {
    ("put", "Users"): person(),
    ("put", "Groups"): role(),
    ("patch", "Users"): patch(replacing("displayName", "x")),
    ("patch", "Groups"): patch(replacing("displayName", "x")),
}


@contextmanager
def administrator(stack: Settings, engine: Engine, of: Client) -> Iterator[httpx.Client]:
    """A client of the admin API, of the tenant of another client."""
    with database.transaction(engine) as connection:
        terms = Terms(scopes=ADMINISTRATION)
        secret = tokens.create(connection, of.tenant.principal.tenant_id, "admin", None, terms)
    with httpx.Client(base_url=stack.public_url, headers={"Authorization": f"Bearer {secret}"}, timeout=60) as http:
        yield http


@pytest.fixture
def own(client: Client) -> dict[str, str]:
    """What the one who tries has."""
    mine = client.create_user()
    return {"user": mine["id"], "group": client.create_group(displayName="Mine")["id"]}


def inventory(owner: Client) -> list[dict[str, Any]]:
    """Return all that a tenant has, as it sees it."""
    pages = (owner.get(path, params={"count": 1000}).json() for path in ("/Users", "/Groups"))
    return [resource for page in pages for resource in page["Resources"]]


def test_no_attempt_is_answered_otherwise_than_one_at_what_does_not_exist(
    client: Client, stranger: Client, own: dict[str, str]
) -> None:
    theirs = [*(made_user(stranger) for _ in range(USERS)), *(made_group(stranger) for _ in range(GROUPS))]
    before, attempts = inventory(stranger), 0
    differing: list[tuple[Any, ...]] = []
    for thing in theirs:
        nothing = absent(thing.endpoint)
        for make in (at_one, in_filters, partial(as_reference, own=own)):
            for foreign, missing in zip(make(thing), make(nothing), strict=True):
                answers = told(thing, foreign.send(client)), told(nothing, missing.send(client))
                attempts += 1
                if answers[0] != answers[1]:
                    differing.append((foreign, *answers))
        requests = [bulk(*islice(in_bulk(each), BULKS)) for each in (thing, nothing)]
        in_two = [client.post("/Bulk", json=request) for request in requests]
        attempts += BULKS
        if told(thing, in_two[0]) != told(nothing, in_two[1]):
            differing.append((requests[0], *(response.text for response in in_two)))
        assert len(in_two[0].json()["Operations"]) == BULKS

    assert differing == []
    assert attempts >= ENOUGH
    assert inventory(stranger) == before


def test_no_route_of_the_gateway_tells_of_another_tenants_ids(
    stack: Settings, stack_engine: Engine, client: Client, stranger: Client
) -> None:
    """Every route that the OpenAPI document has, which has all that there are (tests/integration/test_surface.py)."""
    accepted = stranger.post("/Users", json=person(), headers={"Prefer": "respond-async"})
    settled(stranger, accepted.headers["Location"])
    theirs = {
        "resource_id": {"Users": made_user(stranger).id, "Groups": made_group(stranger).id},
        "token_id": {"tokens": str(stranger.tenant.principal.token_id)},
        "txn": {"AsyncResults": accepted.headers["Set-Txn"]},
    }
    walked = set()
    with administrator(stack, stack_engine, client) as admin:
        for path, methods in client.get("/openapi.json").json()["paths"].items():
            name = path.partition("{")[2].partition("}")[0]
            if name not in theirs:
                continue
            [kind] = [part for part in path.split("/") if part in theirs[name]]
            foreign, missing = Thing(endpoint="", id=theirs[name][kind]), Thing(endpoint="")
            for method in methods.keys() & {"get", "put", "patch", "post", "delete"}:
                sender = admin if "servers" in methods else client
                body = BODIES.get((method, kind))
                sent = [
                    sender.request(method, path.replace(f"{{{name}}}", each.id), json=body)
                    for each in (foreign, missing)
                ]
                answers = [told(each, response) for each, response in zip((foreign, missing), sent, strict=True)]

                assert answers[0] == answers[1], (method, path)
                assert answers[0][0] == 404, (method, path)
                walked.add((method, path))
    assert len(walked) >= 13


def test_the_owner_is_answered_otherwise(stranger: Client) -> None:
    """Else the test above would be right of things that nobody can reach."""
    for thing in (made_user(stranger), made_group(stranger)):
        nothing = absent(thing.endpoint)
        for make in (at_one, in_filters):
            pairs = list(zip(make(thing), make(nothing), strict=True))
            reading = [pair for pair in pairs if pair[0].method == "GET" and pair[0].path.startswith(thing.endpoint)]
            differ = [told(thing, a.send(stranger)) != told(nothing, b.send(stranger)) for a, b in reading]

            assert sum(differ) > len(differ) / 2, make


def test_the_name_of_another_tenants_user_is_free_and_stays_free(client: Client, stranger: Client) -> None:
    thing = made_user(stranger)

    taken = client.post("/Users", json=person(userName=thing.name, externalId=thing.external_id))

    assert taken.status_code == 201
    assert taken.json()["id"] != thing.id
    assert stranger.get(f"/Users/{thing.id}").json()["userName"] == thing.name


def test_a_cursor_of_another_tenant_is_as_good_as_none(client: Client, stranger: Client) -> None:
    parameters = {"cursor": "", "count": "2", "sortBy": "userName"}
    for owner in (client, stranger):
        for _ in range(5):
            owner.create_user()
    theirs = stranger.get("/Users", params=parameters).json()["nextCursor"]
    invented = theirs[:-8] + ("AAAAAAAA" if not theirs.endswith("AAAAAAAA") else "BBBBBBBB")

    foreign, missing = (client.get("/Users", params=parameters | {"cursor": each}) for each in (theirs, invented))

    nobody = absent("/Users")
    assert foreign.status_code == 400
    assert told(nobody, foreign) == told(nobody, missing)


@pytest.mark.parametrize("part", ["", ".1", ".2", ".999"])
@pytest.mark.parametrize("kind", ["single", "bulk"])
def test_an_asynchronous_result_is_for_the_token_that_sent_the_request(
    client: Client, stranger: Client, kind: str, part: str
) -> None:
    path, body = "/Users", person()
    if kind == "bulk":
        path = "/Bulk"
        body = bulk(*({"method": "POST", "path": "/Users", "bulkId": f"b{n}", "data": person()} for n in range(3)))
    accepted = stranger.post(path, json=body, headers={"Prefer": "respond-async"})
    assert accepted.status_code == 202
    settled(stranger, accepted.headers["Location"])
    things = Thing(endpoint="", id=accepted.headers["Set-Txn"]), Thing(endpoint="")

    foreign, missing = (told(each, client.get(f"/AsyncResults/{each.id}{part}")) for each in things)

    assert foreign[0] == 404
    assert foreign == missing


@pytest.mark.parametrize("same_body", [True, False])
def test_an_idempotency_key_stands_for_nothing_in_another_tenant(
    client: Client, stranger: Client, *, same_body: bool
) -> None:
    key, body = {"Idempotency-Key": f'"{uuid4()}"'}, person()
    theirs = stranger.post("/Users", json=body, headers=key)

    used = client.post("/Users", json=body if same_body else person(), headers=key)
    fresh = client.post("/Users", json=person(), headers={"Idempotency-Key": f'"{uuid4()}"'})

    assert (theirs.status_code, used.status_code, fresh.status_code) == (201, 201, 201)
    assert used.json()["id"] != theirs.json()["id"]
    assert used.json().keys() == fresh.json().keys()


@pytest.fixture(scope="module")
def portal_routes(stack: Settings) -> Iterator[list[Route]]:
    """The routes of the portal that name something."""
    made = app.create(stack)
    yield [route for route in made.extensions["routes"].values() if "_id>" in route.rule]
    made.extensions["running"].stop()


def test_the_portal_knows_nothing_of_another_tenants_things(
    stack: Settings, stack_engine: Engine, client: Client, stranger: Client, portal_routes: list[Route]
) -> None:
    things = [made_user(stranger), made_group(stranger)]
    theirs = {"token_id": str(stranger.tenant.principal.token_id)}
    with signed_in(stack, stack_engine, client.tenant) as browser:
        word = browser.get("/account").text.partition('name="csrf" value="')[2][:64]
        for route in portal_routes:
            for thing in things:
                nothing = replace(absent(thing.endpoint), name=thing.name)
                foreign = answer(browser, route, theirs.get(place_of(route), thing.id), word)
                missing = answer(browser, route, nothing.id, word)

                assert foreign.status_code == 404, route
                same = replace(thing, id=theirs.get(place_of(route), thing.id))
                assert told(same, foreign) == told(nothing, missing), route


def place_of(route: Route) -> str:
    return route.rule.partition("_id>")[0].rpartition("<")[2] + "_id"


def answer(browser: Browser, route: Route, id_: str, word: str) -> httpx.Response:
    path = re.sub(r"<\w+>", id_, route.rule.replace("<guide>", "entra"))
    if route.methods == ("GET",):
        return browser.get(path)
    return browser.post(path, data={"csrf": word, "overlap": "7"})
