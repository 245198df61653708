"""The nastiest things that clients send, 42 to 55: HTTP itself, filters, pages, versions and paths.

Each case names where it broke a server; `owner/repository#number` is a thread on GitHub. 51 is about bulk requests, in
test_bulk.py.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from tests.factories import Client, patch, person, replace, role


@pytest.mark.parametrize("accept", ["application/scim+json", "application/json", "*/*", None, "text/html"])
@pytest.mark.parametrize(
    "content_type",
    ["application/scim+json", "application/scim+json; charset=utf-8", "application/json;charset=UTF-8", None],
)
def test_media_types_are_taken_as_they_come(client: Client, accept: str | None, content_type: str | None) -> None:
    """Case 42. laravel-scim-server#8, scimitar#51, azure-docs#94189, #12728 and #116775, indigo-iam#1285,
    FusionAuth#1769.
    """
    wanted = {"Accept": accept, "Content-Type": content_type}
    for name in wanted:
        del client.headers[name]

    response = client.post(
        "/Users", content=orjson.dumps(person()), headers={name: value for name, value in wanted.items() if value}
    )

    assert response.status_code == 201, response.text
    assert response.headers["Content-Type"] == "application/scim+json"


NAMES = [
    "O'Brien",
    'say "hi"',
    "back\\slash",
    "a b",
    "a+b",
    "50%",
    "a&b=c",
    "ümlaut",
    "x' OR '1'='1",
    "tab\there",
    "a%20b",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_filter_finds_what_it_names_and_nothing_else(client: Client, name: str) -> None:
    """Case 43. audriga/scim-server-php#1, SCIM-SDK#913, product-is#6631, okta-sdk-java#839."""
    created = client.create_user(userName=name)
    client.create_user(userName=f"not {name}")

    found = client.get("/Users", params={"filter": f"userName eq {orjson.dumps(name).decode()}"}).json()

    assert [u["id"] for u in found["Resources"]] == [created["id"]]


@pytest.mark.parametrize(
    "query",
    [
        'userName+eq+"a%40b.example"',
        "userName%20eq%20%22a%40b.example%22",
        'username%20EQ%20"A@B.example"',
        'urn:ietf:params:scim:schemas:core:2.0:User:userName eq "a@b.example"',
        '(userName eq "a@b.example")',
    ],
)
def test_a_filter_is_read_however_it_is_encoded(client: Client, query: str) -> None:
    """Case 43. Microsoft Q&A 2238842: how the query is encoded."""
    created = client.create_user(userName="a@b.example")

    found = client.get(f"/Users?filter={query}")

    assert [u["id"] for u in found.json()["Resources"]] == [created["id"]], found.text


def test_a_filter_that_is_encoded_twice_is_refused(client: Client) -> None:
    """Case 43: what is encoded twice is decoded once, and is no filter then."""
    twice = quote(quote('userName eq "a"'))

    response = client.get(f"/Users?filter={twice}")

    assert (response.status_code, response.json()["scimType"]) == (400, "invalidFilter")


@pytest.mark.parametrize(
    "text",
    [
        'emails[type eq "work"].value eq "w@example.com"',
        'emails[type eq "work"] eq "w@example.com"',
        'emails[type eq "work" and value eq "w@example.com"]',
        'emails.value eq "w@example.com"',
        'emails eq "w@example.com"',
    ],
)
def test_an_email_can_be_matched_in_every_form(client: Client, text: str) -> None:
    """Case 44. MicrosoftDocs/azure-docs#83855."""
    created = client.create_user(emails=[{"type": "work", "value": "w@example.com"}])
    client.create_user(emails=[{"type": "work", "value": "other@example.com"}])

    found = client.get("/Users", params={"filter": text})

    assert found.status_code == 200, found.text
    assert [u["id"] for u in found.json()["Resources"]] == [created["id"]]


def test_type_and_value_are_matched_in_one_element(client: Client) -> None:
    """Case 44: of one element both must be true."""
    client.create_user(emails=[{"type": "home", "value": "w@example.com"}, {"type": "work", "value": "x@example.com"}])

    found = client.get("/Users", params={"filter": 'emails[type eq "work"].value eq "w@example.com"'}).json()

    assert found["totalResults"] == 0


def test_pages_say_what_they_hold_and_keep_their_order(client: Client) -> None:
    """Case 45. polis#4054, django-scim2#208, product-is#7320 and #12813, better-auth#10398, awslabs/ssosync#1."""
    created = [client.create_user()["id"] for _ in range(5)]
    client.patch(f"/Users/{created[0]}", json=patch(replace("title", "changed last")))

    pages = [client.get("/Users", params={"startIndex": start, "count": 2}).json() for start in (1, 3, 5, 7)]

    assert [(p["totalResults"], p["itemsPerPage"], p["startIndex"]) for p in pages] == [
        (5, 2, 1),
        (5, 2, 3),
        (5, 1, 5),
        (5, 0, 7),
    ]
    assert [u["id"] for p in pages for u in p["Resources"]] == created


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/Users/{id}"), ("DELETE", "/Users"), ("PUT", "/Groups"), ("PATCH", "/Schemas"), ("GET", "/.search")],
)
def test_what_is_not_offered_is_never_not_found(client: Client, method: str, path: str) -> None:
    """Case 46. goauthentik/authentik#16678."""
    created = client.create_user()

    response = client.request(method, path.format(id=created["id"]), json={})

    assert response.status_code in {405, 501}


def test_put_keeps_active_and_clears_members_when_they_are_left_out(client: Client) -> None:
    """Case 47. vouch#1415, Metatavu/keycloak-scim-server#111."""
    user = client.create_user(active=False)
    group = client.create_group(members=[{"value": user["id"]}])

    put_user = client.put(f"/Users/{user['id']}", json=person(userName=user["userName"])).json()
    put_group = client.put(f"/Groups/{group['id']}", json=role(displayName=group["displayName"])).json()

    assert put_user["active"] is False
    assert "members" not in put_group


def test_of_writes_for_one_version_one_succeeds(client: Client) -> None:
    """Case 48. SCIM-SDK#746, thunder-id#5110, directory-scimple#534."""
    created = client.create_user()
    headers = {"If-Match": created["meta"]["version"]}

    def write(number: int) -> int:
        body = patch(replace("title", str(number)))
        return client.patch(f"/Users/{created['id']}", json=body, headers=headers).status_code

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(write, range(8)))

    assert sorted(answers) == [200] + [412] * 7


@pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host", "Forwarded"])
def test_a_location_comes_from_the_settings_and_not_from_the_request(client: Client, header: str) -> None:
    """Case 49. scimgateway#110, SimpleIdServer#37, scimmy-routers#19."""
    value = {"Forwarded": "host=evil.example;proto=http"}.get(header, "evil.example")

    response = client.post("/Users", json=person(), headers={header: value})

    created = response.json()
    assert created["meta"]["location"] == f"{client.base_url}Users/{created['id']}"
    assert "evil" not in response.text + str(response.headers)


def test_meta_is_in_camel_case_and_nothing_is_null(client: Client) -> None:
    """Case 50. Microsoft Q&A 2238842."""
    user = client.create_user(title=None, emails=[{"type": "work", "value": "a@b.example", "display": None}])
    group = client.create_group(externalId=None)
    read = [
        client.get(path).json() for path in (f"/Users/{user['id']}", f"/Groups/{group['id']}", "/Users", "/Schemas")
    ]

    for found in (user, group):
        assert set(found["meta"]) == {"resourceType", "created", "lastModified", "location", "version"}
    assert all(b"null" not in orjson.dumps(body) for body in (user, group, *read))


def test_an_unknown_path_is_refused_and_an_unknown_value_ignored(client: Client) -> None:
    """Case 52. Cogtrix#432: unknown values are ignored, unknown paths are not."""
    created = client.create_user()

    path = client.patch(f"/Users/{created['id']}", json=patch(replace("shoeSize", "7")))
    value = client.patch(
        f"/Users/{created['id']}", json=patch({"op": "replace", "value": {"shoeSize": 7, "title": "x"}})
    )

    assert (path.status_code, path.json()["scimType"]) == (400, "invalidPath")
    assert (value.status_code, value.json()["title"]) == (200, "x")
    assert "shoeSize" not in value.json()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("title", "Somebody else"),
        ("emails", [{"type": "work", "value": "other@example.com"}]),
        ('emails[type eq "home"]', None),
        ("name", {"givenName": "Bea"}),
    ],
)
def test_removing_another_value_does_nothing(client: Client, path: str, value: Any) -> None:
    """Case 53. AzureAD/SCIMReferenceCode#87."""
    created = client.create_user(
        title="Clerk", name={"givenName": "Ada"}, emails=[{"type": "work", "value": "w@example.com"}]
    )

    changed = client.patch(f"/Users/{created['id']}", json=patch({"op": "Remove", "path": path, "value": value}))

    assert (changed.status_code, changed.json()) == (200, created)


def test_a_primary_element_is_replaced_where_it_is_and_made_where_it_is_not(client: Client) -> None:
    """Case 54. Microsoft Q&A 5624709: its validator finds fault with any answer, so this is the RFC's."""
    home, work = {"value": "h@example.com", "type": "home"}, {"value": "w@example.com", "type": "work"}
    with_primary = client.create_user(emails=[home, {**work, "primary": True}])
    without = client.create_user(emails=[home])
    body = patch(replace("emails[primary eq true].value", "new@example.com"))

    replaced, made = (client.patch(f"/Users/{user['id']}", json=body) for user in (with_primary, without))

    assert (replaced.status_code, made.status_code) == (200, 200)
    assert replaced.json()["emails"] == [home, {**work, "primary": True, "value": "new@example.com"}]
    assert made.json()["emails"] == [home, {"primary": True, "value": "new@example.com"}]


@pytest.mark.parametrize(
    "path", ['name[type eq "work"].familyName', 'title[type eq "work"].value', 'userName[value eq "x"]']
)
def test_a_filter_on_a_single_value_is_refused_alone(client: Client, path: str) -> None:
    """Case 55. Microsoft Q&A 5746233: one bad operation must not keep a leaver active for good."""
    created = client.create_user(title="Clerk")

    bad = client.patch(f"/Users/{created['id']}", json=patch(replace(path, "x"), replace("active", value=False)))
    alone = client.patch(f"/Users/{created['id']}", json=patch(replace("active", "False")))

    assert (bad.status_code, bad.json()["scimType"]) == (400, "invalidPath")
    assert "Operation 1" in bad.json()["detail"]
    assert (alone.status_code, alone.json()["active"]) == (200, False)
