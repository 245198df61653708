"""What is malformed is refused in the RFC's words, and changes nothing."""

import json
import re
from typing import Any

import httpx
import pytest

from shared.scim import messages
from shared.scim.resource_types import GROUPS
from tests.factories import Client, patch, person, replace

NOBODY = "01900000-0000-7000-8000-000000000000"
ERROR = re.compile(r"^[^\n]{10,600}$")
NESTED = (
    b'{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"x","name":'
    + b'{"a":' * 5000
    + b"1"
    + b"}" * 5001
)


def check_error(response: httpx.Response, status: int, scim_type: str | None) -> dict[str, Any]:
    body: dict[str, Any] = response.json()
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/scim+json"
    assert body["schemas"] == [messages.ERROR]
    assert body["status"] == str(status)
    assert body.get("scimType") == scim_type
    assert ERROR.match(body["detail"]), body["detail"]
    assert "Traceback" not in response.text
    return body


BODIES: list[tuple[str, bytes, int, str]] = [
    ("empty", b"", 400, "invalidSyntax"),
    ("not JSON", b"{userName: x}", 400, "invalidSyntax"),
    ("cut off", b'{"userName": "x', 400, "invalidSyntax"),
    ("not an object", b'["a"]', 400, "invalidSyntax"),
    ("a string", b'"a"', 400, "invalidSyntax"),
    ("not UTF-8", b'{"userName": "\xff\xfe"}', 400, "invalidSyntax"),
    (
        "a lone surrogate",
        b'{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"\\ud800"}',
        400,
        "invalidSyntax",
    ),
    ("NaN", b'{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":NaN}', 400, "invalidSyntax"),
    ("deeply nested", NESTED, 400, "invalidSyntax"),
    ("no schemas", b'{"userName": "x"}', 400, "invalidSyntax"),
    (
        "NUL in a value",
        b'{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a\\u0000b"}',
        400,
        "invalidValue",
    ),
    (
        "NUL in what is ignored",
        b'{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"n","x":"\\u0000"}',
        400,
        "invalidValue",
    ),
    (
        "NUL in a key",
        b'{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"n","\\u0000":"x"}',
        400,
        "invalidValue",
    ),
]


@pytest.mark.parametrize(("name", "body", "status", "scim_type"), BODIES, ids=[case[0] for case in BODIES])
def test_a_malformed_body_is_refused(client: Client, name: str, body: bytes, status: int, scim_type: str) -> None:
    response = client.post("/Users", content=body)

    check_error(response, status, scim_type)
    assert client.get("/Users").json()["totalResults"] == 0


VALUES: list[tuple[str, Any]] = [
    ("userName", 7),
    ("userName", ""),
    ("userName", " \t\u00a0"),
    ("userName", None),
    ("userName", ["a", "b"]),
    ("userName", {"a": "b"}),
    ("active", "perhaps"),
    ("active", 1),
    ("name", "Ada"),
    ("name", [1, 2]),
    ("emails", [7]),
    ("emails", [{"value": 7}]),
    ("emails", [{"value": "a", "primary": True}, {"value": "b", "primary": True}]),
    ("title", "x" * 100_000),
]


@pytest.mark.parametrize(("attribute", "value"), VALUES)
def test_a_wrong_value_is_refused_and_the_attribute_named(client: Client, attribute: str, value: Any) -> None:
    response = client.post("/Users", json=person(**{attribute: value}))

    body = check_error(response, 400, "invalidValue")
    assert attribute in body["detail"]
    assert client.get("/Users").json()["totalResults"] == 0


PATCHES: list[tuple[str, dict[str, Any], str]] = [
    ("no operations", patch(), "invalidSyntax"),
    ("no such op", patch({"op": "move", "path": "title", "value": "x"}), "invalidSyntax"),
    ("no op", patch({"path": "title", "value": "x"}), "invalidSyntax"),
    ("unknown path", patch(replace("shoeSize", 7)), "invalidPath"),
    ("unknown sub-attribute", patch(replace("name.shoeSize", 7)), "invalidPath"),
    ("malformed path", patch(replace("emails[type eq", "x")), "invalidPath"),
    ("malformed filter in a path", patch(replace('emails[type zz "work"].value', "x")), "invalidFilter"),
    ("read only", patch(replace("id", "x")), "mutability"),
    ("read only inside", patch(replace("meta.created", "2020-01-01T00:00:00Z")), "mutability"),
    ("read only collection", patch({"op": "add", "path": "groups", "value": [{"value": "x"}]}), "mutability"),
    ("removal without a path", patch({"op": "remove"}), "noTarget"),
    ("removal of what is required", patch({"op": "remove", "path": "userName"}), "mutability"),
    ("wrong type", patch(replace("active", "perhaps")), "invalidValue"),
    ("not the message", {"schemas": ["urn:x"], "Operations": [replace("title", "x")]}, "invalidSyntax"),
]


@pytest.mark.parametrize(("name", "body", "scim_type"), PATCHES, ids=[case[0] for case in PATCHES])
def test_a_malformed_patch_is_refused_and_changes_nothing(
    client: Client, name: str, body: dict[str, Any], scim_type: str
) -> None:
    created = client.create_user(title="before")

    response = client.patch(f"/Users/{created['id']}", json=body)

    check_error(response, 400, scim_type)
    assert client.get(f"/Users/{created['id']}").json() == created


FILTERS = [
    "",
    "userName",
    "userName eq",
    'userName eq "x',
    "userName xx 7",
    'shoeSize eq "7"',
    "active gt true",
    "((((",
    ")",
]
FILTERS += ["(" * 10_000, 'userName eq "' + "x" * 7_000]


@pytest.mark.parametrize("text", FILTERS, ids=lambda text: text[:20])
def test_a_malformed_filter_is_refused(client: Client, text: str) -> None:
    response = client.get("/Users", params={"filter": text})

    check_error(response, 400, "invalidFilter")


@pytest.mark.parametrize(
    ("query", "scim_type", "said"),
    [
        ("filter=userName%20eq%20%22%ff%22", "invalidValue", "UTF-8"),
        ("attributes=%ff", "invalidValue", "UTF-8"),
        ("count=2&count=5", "invalidValue", "count is given twice"),
        ("filter=title%20pr&FILTER=userName%20pr", "invalidValue", "filter is given twice"),
        ("attributes=nope%5b", "invalidPath", "attributes"),
        ("excludedAttributes=emails%5btype%20pr", "invalidPath", "excludedAttributes"),
    ],
)
def test_a_query_that_says_two_things_or_none_is_refused(client: Client, query: str, scim_type: str, said: str) -> None:
    user = client.create_user()

    listed = client.get(f"/Users?{query}")

    assert said in check_error(listed, 400, scim_type)["detail"]
    if "ttributes" in query:
        assert said in check_error(client.get(f"/Users/{user['id']}?{query}"), 400, scim_type)["detail"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"userName": 1e999}', "a number that is too large (line 1, column"),
        (b'{"userName": "\\ud800"}', "half of a surrogate pair (line 1, column"),
        (b'{"userName": "\xff"}', "is not UTF-8 (request"),
        (NESTED, "deeper than 32 levels"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "deeper than 32 levels"),
        (b'{"userName": "x"', "is not JSON (line 1, column"),
    ],
)
def test_what_is_wrong_with_a_body_is_told(client: Client, body: bytes, said: str) -> None:
    response = client.post("/Users", content=body)

    assert said in check_error(response, 400, "invalidSyntax")["detail"]


@pytest.mark.parametrize("name", ["startIndex", "count"])
@pytest.mark.parametrize("value", ["x", "1.5", "9" * 30 + "x"])
def test_a_page_that_is_no_number_is_refused(client: Client, name: str, value: str) -> None:
    response = client.get("/Users", params={name: value})

    assert name in check_error(response, 400, "invalidValue")["detail"]


@pytest.mark.parametrize("value", ["9" * 30, "+" + "0" * 30 + "5", "9" * 5_000])
def test_a_page_larger_than_the_largest_is_the_largest(client: Client, value: str) -> None:
    created = client.create_user()

    assert client.get("/Users", params={"count": value}).json()["Resources"] == [created]


@pytest.mark.parametrize("unless", ["*", 'W/"1"', '"7", W/"1"'])
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_write_unless_there_is_such_a_resource_is_refused(client: Client, method: str, unless: str) -> None:
    """RFC 9110 section 13.1.2."""
    created, headers = client.create_user(), {"If-None-Match": unless}
    bodies: dict[str, Any] = {"PUT": person(userName=created["userName"]), "PATCH": patch(replace("title", "x"))}

    there = client.request(method, f"/Users/{created['id']}", json=bodies.get(method), headers=headers)
    nowhere = client.request(method, f"/Users/{NOBODY}", json=bodies.get(method), headers=headers)

    assert (there.status_code, nowhere.status_code) == (412, 404)
    assert client.get(f"/Users/{created['id']}").json() == created


def test_a_write_unless_the_resource_is_at_another_version_is_done(client: Client) -> None:
    created = client.create_user()

    done = client.patch(
        f"/Users/{created['id']}", json=patch(replace("title", "x")), headers={"If-None-Match": 'W/"7"'}
    )

    assert (done.status_code, done.json()["title"]) == (200, "x")


def test_members_that_cannot_be_are_named_by_their_places(client: Client) -> None:
    values = [{"value": f"wrong-{number}"} for number in range(7)]

    refused = client.post("/Groups", json={"schemas": [GROUPS.schema.id], "displayName": "g", "members": values})

    assert "1, 2, 3, 4, 5 and 2 more" in check_error(refused, 400, "invalidValue")["detail"]


@pytest.mark.parametrize(
    ("operation", "scim_type"),
    [
        (
            {"op": "add", "path": "members", "value": [{"value": NOBODY}]},
            "invalidValue",
        ),
        ({"op": "add", "path": "members", "value": [{"value": "wrong"}]}, "invalidValue"),
        ({"op": "replace", "path": "displayName", "value": ""}, "invalidValue"),
        ({"op": "remove", "path": 'members[$ref eq "x"]'}, "invalidFilter"),
    ],
)
def test_what_is_wrong_with_one_operation_is_told_with_its_place(
    client: Client, operation: dict[str, Any], scim_type: str
) -> None:
    group = client.create_group()

    refused = client.patch(f"/Groups/{group['id']}", json=patch(replace("externalId", "x"), operation))

    assert check_error(refused, 400, scim_type)["detail"].startswith("Operation 2: ")
    assert client.get(f"/Groups/{group['id']}").json() == group


def test_a_start_far_behind_the_end_is_an_empty_page(client: Client) -> None:
    client.create_user()

    page = client.get("/Users", params={"startIndex": 10**15}).json()

    assert (page["totalResults"], page["Resources"]) == (1, [])


def test_a_body_over_a_megabyte_is_refused(client: Client) -> None:
    response = client.post("/Users", content=b'{"x":"' + b"x" * 1_100_000 + b'"}')

    check_error(response, 413, None)


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "multipart/form-data"])
def test_another_media_type_is_refused(client: Client, media_type: str) -> None:
    response = client.post("/Users", content=b"{}", headers={"Content-Type": media_type})

    check_error(response, 415, None)


@pytest.mark.parametrize(
    "media_type",
    ["application/scim+json", "application/json", "application/scim+json; charset=utf-8", "APPLICATION/JSON"],
)
def test_both_media_types_are_taken_with_parameters(client: Client, media_type: str) -> None:
    response = client.post("/Users", json=person(), headers={"Content-Type": media_type, "Accept": "*/*"})

    assert response.status_code == 201
    assert response.headers["Content-Type"] == "application/scim+json"


def test_an_unknown_endpoint_is_not_found(client: Client) -> None:
    check_error(client.get("/Printers"), 404, None)
    check_error(client.get("/Users/1/2"), 404, None)


@pytest.mark.parametrize("identifier", ["x", "%00", "..%2f..", "null", "00000000-0000-0000-0000-000000000000"])
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_an_unknown_id_is_not_found(client: Client, method: str, identifier: str) -> None:
    body = patch(replace("title", "x")) if method == "PATCH" else person()

    response = client.request(method, f"/Users/{identifier}", json=None if method in {"GET", "DELETE"} else body)

    check_error(response, 404, None)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/Users"),
        ("DELETE", "/Groups"),
        ("POST", "/Users/x"),
        ("POST", "/Schemas"),
        ("PUT", "/ServiceProviderConfig"),
    ],
)
def test_a_method_that_is_not_offered_is_405_and_never_404(client: Client, method: str, path: str) -> None:
    response = client.request(method, path, json={})

    check_error(response, 405, None)
    assert "GET" in response.headers["Allow"] or "PUT" in response.headers["Allow"]


@pytest.mark.parametrize(("method", "path"), [("GET", "/Me"), ("PATCH", "/Me")])
def test_what_the_rfc_has_and_this_server_has_not_is_501(client: Client, method: str, path: str) -> None:
    check_error(client.request(method, path), 501, None)


def test_both_kinds_of_projection_at_once_are_refused(client: Client) -> None:
    response = client.get("/Users", params={"attributes": "title", "excludedAttributes": "name"})

    check_error(response, 400, "invalidValue")


def test_an_unknown_attribute_in_a_value_is_ignored(client: Client) -> None:
    created = client.create_user(shoeSize=7, nickName="Addie")

    assert "shoeSize" not in created
    assert created["nickName"] == "Addie"


def test_a_detail_names_no_value(client: Client) -> None:
    response = client.post("/Users", json=person(active="a-secret-value"))

    assert "a-secret-value" not in response.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Encoding": "gzip"}, 415),
        ({"Content-Encoding": "Identity"}, 201),
        ({"Content-Type": "application/scim+json; charset=utf-16"}, 415),
        ({"Content-Type": "application/scim+json; charset=UTF-8"}, 201),
    ],
)
def test_a_body_is_plain_json_in_utf_8(client: Client, headers: dict[str, str], status: int) -> None:
    body = b"\xef\xbb\xbf" + json.dumps(person()).encode()

    response = client.post("/Users", content=body, headers={"Content-Type": "application/scim+json"} | headers)

    assert response.status_code == status, response.text
