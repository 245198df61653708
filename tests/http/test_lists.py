"""Lists: sorted, by index and by cursor, by GET and by `.search`, of one type and of all."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shared.scim import messages
from tests.factories import Client, employee, patch, replace

PEOPLE: list[dict[str, Any]] = [
    {"userName": "delta", "title": "b", "emails": [{"value": "z@x.y"}, {"value": "a@x.y", "primary": True}]},
    {"userName": "Alpha", "title": "C", "emails": [{"value": "m@x.y"}, {"value": "b@x.y"}]},
    {"userName": "charlie", "name": {"familyName": "Ångström"}},
    {"userName": "Bravo", "title": "a", "name": {"familyName": "Zorn"}, "active": False},
]


@pytest.fixture
def people(client: Client) -> list[dict[str, Any]]:
    return [client.create_user(**person) for person in PEOPLE]


def names(client: Client, **parameters: Any) -> list[str]:
    page = client.get("/Users", params=parameters).json()
    return [user["userName"] for user in page["Resources"]]


def pages(client: Client, path: str = "/Users", **parameters: Any) -> Iterator[dict[str, Any]]:
    """Follow cursors from the first page to the last."""
    cursor = ""
    while True:
        page = client.get(path, params=parameters | {"cursor": cursor}).json()
        yield page
        if "nextCursor" not in page:
            return
        cursor = page["nextCursor"]


def search(**fields: Any) -> dict[str, Any]:
    return {"schemas": [messages.SEARCH_REQUEST]} | fields


@pytest.mark.parametrize(
    ("sort_by", "expected"),
    [
        ("userName", ["Alpha", "Bravo", "charlie", "delta"]),
        ("USERNAME", ["Alpha", "Bravo", "charlie", "delta"]),
        ("title", ["Bravo", "delta", "Alpha", "charlie"]),
        ("name.familyName", ["Bravo", "charlie", "delta", "Alpha"]),
        ("emails.value", ["delta", "Alpha", "charlie", "Bravo"]),
        ("emails", ["delta", "Alpha", "charlie", "Bravo"]),
        ("active", ["Bravo", "delta", "Alpha", "charlie"]),
        ("meta.created", ["delta", "Alpha", "charlie", "Bravo"]),
        ("id", ["delta", "Alpha", "charlie", "Bravo"]),
    ],
)
def test_sorting_follows_the_attribute(
    client: Client, people: list[dict[str, Any]], sort_by: str, expected: list[str]
) -> None:
    assert names(client, sortBy=sort_by) == expected
    assert names(client, sortBy=sort_by, sortOrder="ascending") == expected


@pytest.mark.parametrize(
    ("sort_by", "expected"),
    [
        ("userName", ["delta", "charlie", "Bravo", "Alpha"]),
        ("title", ["charlie", "Alpha", "delta", "Bravo"]),
    ],
)
def test_what_is_absent_comes_first_in_descending_order(
    client: Client, people: list[dict[str, Any]], sort_by: str, expected: list[str]
) -> None:
    assert names(client, sortBy=sort_by, sortOrder="descending") == expected


@pytest.mark.parametrize("sort_by", ["shoeSize", "name", "password", "groups", "meta.location", ""])
def test_what_has_no_order_is_refused_or_ignored_when_empty(client: Client, sort_by: str) -> None:
    response = client.get("/Users", params={"sortBy": sort_by})

    if sort_by:
        assert (response.status_code, response.json()["scimType"]) == (400, "invalidPath")
    else:
        assert response.status_code == 200


def test_an_unknown_order_is_refused(client: Client) -> None:
    response = client.get("/Users", params={"sortBy": "userName", "sortOrder": "upwards"})

    assert (response.status_code, response.json()["scimType"]) == (400, "invalidValue")


@pytest.mark.parametrize("order", ["ascending", "descending"])
@pytest.mark.parametrize("sort_by", ["", "userName", "title", "emails.value", "active"])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_cursors_walk_through_everything_once_and_in_order(
    client: Client, people: list[dict[str, Any]], sort_by: str, order: str, count: int
) -> None:
    walked = list(pages(client, sortBy=sort_by, sortOrder=order, count=count))

    found = [user["userName"] for page in walked for user in page["Resources"]]
    assert found == names(client, sortBy=sort_by, sortOrder=order)
    assert all(page["totalResults"] == 4 for page in walked)
    assert all(page["itemsPerPage"] == len(page["Resources"]) <= count for page in walked)
    assert all("startIndex" not in page for page in walked)


def test_a_cursor_survives_the_deletion_of_the_one_it_stands_on(client: Client, people: list[dict[str, Any]]) -> None:
    first = client.get("/Users", params={"cursor": "", "count": 2, "sortBy": "userName"}).json()
    client.delete(f"/Users/{first['Resources'][-1]['id']}")

    second = client.get("/Users", params={"cursor": first["nextCursor"], "count": 2, "sortBy": "userName"}).json()

    assert [user["userName"] for user in second["Resources"]] == ["charlie", "delta"]


def test_what_is_created_meanwhile_moves_no_page(client: Client, people: list[dict[str, Any]]) -> None:
    first = client.get("/Users", params={"cursor": "", "count": 2, "sortBy": "userName"}).json()
    client.create_user(userName="Aaron")

    second = client.get("/Users", params={"cursor": first["nextCursor"], "count": 2, "sortBy": "userName"}).json()

    assert [user["userName"] for user in second["Resources"]] == ["charlie", "delta"]


def test_a_cursor_is_of_unreserved_characters_and_shows_no_value(client: Client, people: list[dict[str, Any]]) -> None:
    page = client.get("/Users", params={"cursor": "", "count": 1, "sortBy": "userName"}).json()

    assert re.fullmatch(r"[A-Za-z0-9._~-]+", page["nextCursor"])


@pytest.mark.parametrize("text", ["x", "a.b.c", "W10.aaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbb", "%00", "\u2603"])
def test_a_forged_cursor_is_refused(client: Client, text: str) -> None:
    response = client.get("/Users", params={"cursor": text})

    assert (response.status_code, response.json()["scimType"]) == (400, "invalidCursor")


@pytest.mark.parametrize(
    "changed", [{"filter": "active eq true"}, {"sortBy": "title"}, {"sortOrder": "descending"}, {"attributes": "id"}]
)
def test_a_cursor_is_good_for_its_own_query_only(
    client: Client, people: list[dict[str, Any]], changed: dict[str, str]
) -> None:
    page = client.get("/Users", params={"cursor": "", "count": 1, "sortBy": "userName"}).json()

    parameters: dict[str, Any] = {"cursor": page["nextCursor"], "count": 1, "sortBy": "userName"} | changed
    response = client.get("/Users", params=parameters)

    assert (response.status_code, response.json()["scimType"]) == (400, "invalidCursor")


def test_a_cursor_is_good_for_its_own_token_and_type_only(
    client: Client, stranger: Client, people: list[dict[str, Any]]
) -> None:
    page = client.get("/Users", params={"cursor": "", "count": 1}).json()
    parameters: dict[str, Any] = {"cursor": page["nextCursor"], "count": 1}

    for response in (stranger.get("/Users", params=parameters), client.get("/Groups", params=parameters)):
        assert (response.status_code, response.json()["scimType"]) == (400, "invalidCursor")


def test_the_count_stays_the_same_from_page_to_page(client: Client, people: list[dict[str, Any]]) -> None:
    page = client.get("/Users", params={"cursor": "", "count": 1}).json()

    other = client.get("/Users", params={"cursor": page["nextCursor"], "count": 2})
    none = client.get("/Users", params={"cursor": page["nextCursor"]})

    assert (other.status_code, other.json()["scimType"]) == (400, "invalidCount")
    assert len(none.json()["Resources"]) == 1


def test_a_count_beyond_the_largest_page_is_refused_with_a_cursor_and_cut_without(client: Client) -> None:
    refused = client.get("/Users", params={"cursor": "", "count": 1_000_000})
    cut = client.get("/Users", params={"count": 1_000_000})

    assert (refused.status_code, refused.json()["scimType"]) == (400, "invalidCount")
    assert cut.status_code == 200


def test_count_zero_with_a_cursor_only_counts(client: Client, people: list[dict[str, Any]]) -> None:
    page = client.get("/Users", params={"cursor": "", "count": 0}).json()

    assert (page["totalResults"], page["Resources"], "nextCursor" in page) == (4, [], False)


def test_a_search_by_post_answers_as_the_list_does(client: Client, people: list[dict[str, Any]]) -> None:
    wanted: dict[str, Any] = {
        "filter": "title pr",
        "sortBy": "title",
        "sortOrder": "descending",
        "startIndex": 2,
        "count": 2,
    }

    listed = client.get("/Users", params=wanted | {"attributes": "userName,title"}).json()
    searched = client.post("/Users/.search", json=search(**wanted, attributes=["userName", "title"])).json()

    assert searched == listed
    assert [user["userName"] for user in searched["Resources"]] == ["delta", "Bravo"]


def test_a_search_by_post_takes_cursors(client: Client, people: list[dict[str, Any]]) -> None:
    first = client.post("/Users/.search", json=search(cursor="", count=3)).json()
    second = client.post("/Users/.search", json=search(cursor=first["nextCursor"], count=3)).json()

    assert [len(page["Resources"]) for page in (first, second)] == [3, 1]


@pytest.mark.parametrize(
    ("document", "scim_type"),
    [
        ({"schemas": ["urn:x"]}, "invalidSyntax"),
        (search(filter=7), "invalidValue"),
        (search(filter="zz"), "invalidFilter"),
        (search(count="many"), "invalidValue"),
        (search(count=True), "invalidValue"),
        (search(attributes=[7]), "invalidValue"),
        (search(cursor=7), "invalidValue"),
    ],
)
def test_a_malformed_search_is_refused(client: Client, document: dict[str, Any], scim_type: str) -> None:
    response = client.post("/Users/.search", json=document)

    assert (response.status_code, response.json()["scimType"]) == (400, scim_type)


@pytest.fixture
def everything(client: Client, people: list[dict[str, Any]]) -> list[str]:
    groups = [client.create_group(displayName=name)["id"] for name in ("Blue", "Azure")]
    return [person["id"] for person in people] + groups


def test_the_root_lists_resources_of_all_types(client: Client, everything: list[str]) -> None:
    page = client.get("/").json()

    assert page["totalResults"] == 6
    assert [each["id"] for each in page["Resources"]] == everything


def test_the_root_pages_by_index_and_by_cursor(client: Client, everything: list[str]) -> None:
    by_index = [each["id"] for start in (1, 4) for each in _root(client, startIndex=start, count=3)["Resources"]]
    by_cursor = [each["id"] for page in pages(client, "/", count=4) for each in page["Resources"]]

    assert by_index == by_cursor == everything


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('meta.resourceType eq "Group"', {"Blue", "Azure"}),
        ('displayName eq "blue" or userName eq "alpha"', {"Blue", "Alpha"}),
        ('not (userName eq "alpha")', {"Blue", "Azure", "Bravo", "charlie", "delta"}),
        ("userName pr", {"Alpha", "Bravo", "charlie", "delta"}),
        ("not (userName pr)", {"Blue", "Azure"}),
        ('emails[value eq "z@x.y"]', {"delta"}),
        ('not (emails[value eq "z@x.y"])', {"Blue", "Azure", "Alpha", "Bravo", "charlie"}),
        ('emails.value ne "z@x.y" and displayName pr', {"Blue", "Azure"}),
    ],
)
def test_at_the_root_what_a_type_lacks_has_no_value(
    client: Client, everything: list[str], text: str, expected: set[str]
) -> None:
    found = client.post("/.search", json=search(filter=text)).json()["Resources"]

    assert {each.get("displayName") or each.get("userName") for each in found} == expected


def test_the_root_sorts_over_all_types(client: Client, everything: list[str]) -> None:
    page = _root(client, sortBy="displayName", sortOrder="ascending")
    walked = [each["id"] for p in pages(client, "/", count=2, sortBy="displayName") for each in p["Resources"]]

    assert [each.get("displayName") for each in page["Resources"]] == ["Azure", "Blue", None, None, None, None]
    assert walked == [each["id"] for each in page["Resources"]]


def test_what_no_type_has_is_refused_at_the_root(client: Client) -> None:
    response = client.get("/", params={"filter": 'shoeSize eq "7"'})

    assert (response.status_code, response.json()["scimType"]) == (400, "invalidFilter")


def test_the_service_says_how_it_pages(client: Client) -> None:
    config = client.get("/ServiceProviderConfig").json()

    assert config["sort"]["supported"] is True
    assert config["pagination"]["cursor"] is True
    assert config["pagination"]["index"] is True
    assert config["pagination"]["defaultPaginationMethod"] == "index"
    assert config["pagination"]["cursorTimeout"] > 0


def test_a_filter_over_an_extension_sorts_by_it(client: Client) -> None:
    urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    for number in ("2", "10", "1"):
        client.create_user(**employee(userName=f"n{number}", **{urn: {"employeeNumber": number}}))
    changed = client.get("/Users", params={"sortBy": f"{urn}:employeeNumber"}).json()["Resources"]
    client.patch(f"/Users/{changed[0]['id']}", json=patch(replace(f"{urn}:employeeNumber", "99")))

    assert [user["userName"] for user in changed] == ["n1", "n10", "n2"]
    assert names(client, sortBy="employeeNumber", sortOrder="descending") == ["n1", "n2", "n10"]


def _root(client: Client, **parameters: Any) -> dict[str, Any]:
    page: dict[str, Any] = client.get("/", params=parameters).json()
    return page


@pytest.mark.parametrize("path", ["/Users/.search", "/Groups/.search", "/.search"])
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_a_search_is_a_post_and_no_resource_is_called_so(client: Client, path: str, method: str) -> None:
    response = client.request(method, path)

    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == {"POST"}


@pytest.mark.parametrize(("operator", "expected"), [("eq", 1), ("gt", 0), ("ge", 1), ("le", 1), ("lt", 0)])
def test_a_time_that_was_shown_can_be_compared_with(client: Client, operator: str, expected: int) -> None:
    """`gt` the last one seen must not find the last one seen for ever."""
    user = client.create_user()
    meta = client.patch(f"/Users/{user['id']}", json=patch(replace("title", "x"))).json()["meta"]

    for name in ("created", "lastModified"):
        found = client.get("/Users", params={"filter": f'meta.{name} {operator} "{meta[name]}"', "count": 0}).json()
        assert found["totalResults"] == expected


@pytest.mark.parametrize(
    "spelled", [str.upper, lambda id_: id_.replace("-", ""), "{{{}}}".format, "urn:uuid:{}".format]
)
def test_an_id_is_found_by_its_own_spelling_only(client: Client, spelled: Callable[[str], str]) -> None:
    created = client.create_user()["id"]

    found = names(client, filter=f'id eq "{spelled(created)}"')
    others = names(client, filter=f'id ne "{spelled(created)}"')

    assert (found, len(others)) == ([], 1)
    assert client.get(f"/Users/{spelled(created)}").status_code == 404
