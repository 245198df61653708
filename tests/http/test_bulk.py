"""Many writes in one request: references, circles, order, limits, and a result for each operation."""

from typing import Any

import pytest
from sqlalchemy import Engine, select

from services.directory import database, tables
from shared.scim import messages, versions
from shared.scim.schemas import enterprise
from shared.settings import Settings
from tests.factories import Client, bulk, bulk_post, employee, patch, person, replace, role
from tests.http.conftest import Journal

UNKNOWN_ID = "019a0000-0000-7000-8000-000000000000"


def change(method: str, path: str, data: Any = None, **members: Any) -> dict[str, Any]:
    return {"method": method, "path": path, **({} if data is None else {"data": data}), **members}


def send(client: Client, *operations: dict[str, Any], **members: Any) -> list[dict[str, Any]]:
    response = client.post("/Bulk", json=bulk(*operations, **members))
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "application/scim+json"
    body = response.json()
    assert body["schemas"] == [messages.BULK_RESPONSE]
    results: list[dict[str, Any]] = body["Operations"]
    return results


def statuses(results: list[dict[str, Any]]) -> list[str]:
    return [result["status"] for result in results]


def values(group: dict[str, Any]) -> set[str]:
    return {member["value"] for member in group.get("members", [])}


def members(*bulk_ids: str) -> list[dict[str, str]]:
    return [{"value": f"bulkId:{bulk_id}"} for bulk_id in bulk_ids]


def managed_by(bulk_id: str) -> dict[str, Any]:
    return employee(**{enterprise.URN: {"manager": {"value": f"bulkId:{bulk_id}"}}})


def test_every_method_has_the_result_that_the_single_request_would_have(client: Client) -> None:
    old, gone = client.create_user(), client.create_user()
    own = f"/Users/{old['id']}"

    results = send(
        client,
        bulk_post("new", "/Users", person(title="new")),
        change("PUT", own, person(userName=old["userName"], title="put")),
        change("patch", own, patch(replace("title", "patched")), bulkId="mine"),
        change("DELETE", f"/Users/{gone['id']}"),
    )

    created = client.get("/Users", params={"filter": 'title eq "new"'}).json()["Resources"][0]
    assert results == [
        {
            "method": "POST",
            "bulkId": "new",
            "status": "201",
            "location": created["meta"]["location"],
            "version": 'W/"1"',
        },
        {"method": "PUT", "status": "200", "location": old["meta"]["location"], "version": 'W/"2"'},
        {
            "method": "PATCH",
            "bulkId": "mine",
            "status": "200",
            "location": old["meta"]["location"],
            "version": 'W/"3"',
        },
        {"method": "DELETE", "status": "204", "location": gone["meta"]["location"]},
    ]
    assert client.get(own).json()["title"] == "patched"
    assert client.get(f"/Users/{gone['id']}").status_code == 404


def test_two_hundred_operations_in_one_request(client: Client) -> None:
    people = [bulk_post(f"u{n}", "/Users", person()) for n in range(180)]
    groups = [
        bulk_post(f"g{n}", "/Groups", role(members=members(*(f"u{u}" for u in range(n, 180, 20))))) for n in range(20)
    ]

    results = send(client, *groups, *people)

    assert set(statuses(results)) == {"201"}
    assert [result["bulkId"] for result in results] == [f"g{n}" for n in range(20)] + [f"u{n}" for n in range(180)]
    ids = {result["bulkId"]: result["location"].rpartition("/")[2] for result in results}
    for n in range(20):
        assert values(client.get(f"/Groups/{ids[f'g{n}']}").json()) == {ids[f"u{u}"] for u in range(n, 180, 20)}


def test_the_short_prefix_works_too(client: Client, stack: Settings) -> None:
    response = client.post(f"{stack.public_url}/scim/v2/Bulk", json=bulk(bulk_post("x", "/Users", person())))

    assert statuses(response.json()["Operations"]) == ["201"]


def test_references_are_resolved_wherever_they_stand(client: Client) -> None:
    """Case 51, forward references and those in paths. wso2/product-is#3300, charon#393."""
    group = client.create_group()

    results = send(
        client,
        change("PATCH", f"/Groups/{group['id']}", patch({"op": "add", "path": "members", "value": members("ada")})),
        change("PATCH", "/Users/bulkId:ada", patch(replace("title", "Countess"))),
        bulk_post("bob", "/Users", managed_by("ada")),
        bulk_post("ada", "/Users", person()),
        change(
            "PATCH", f"/Groups/{group['id']}", patch({"op": "add", "path": "members", "value": members("bob", "eve")})
        ),
        change(
            "PATCH",
            f"/Groups/{group['id']}",
            patch({"op": "remove", "path": 'members[value eq "bulkId:eve"]'}),
        ),
        bulk_post("eve", "/Users", person()),
    )

    assert statuses(results) == ["200", "200", "201", "201", "200", "200", "201"]
    ada, bob = (client.get(results[n]["location"]).json() for n in (3, 2))
    assert results[1]["location"] == ada["meta"]["location"]
    assert (ada["title"], bob[enterprise.URN]["manager"]["value"]) == ("Countess", ada["id"])
    assert values(client.get(f"/Groups/{group['id']}").json()) == {ada["id"], bob["id"]}


def test_groups_that_have_each_other_as_members_are_created(client: Client) -> None:
    results = send(
        client,
        bulk_post("a", "/Groups", role(members=members("b", "u"))),
        bulk_post("b", "/Groups", role(members=members("c"))),
        bulk_post("c", "/Groups", role(members=members("a", "b"))),
        bulk_post("u", "/Users", person()),
        bulk_post("d", "/Groups", role(members=members("a"))),
    )

    assert statuses(results) == ["201"] * 5
    found = {result["bulkId"]: client.get(result["location"]).json() for result in results}
    ids = {bulk_id: resource["id"] for bulk_id, resource in found.items()}
    assert values(found["a"]) == {ids["b"], ids["u"]}
    assert values(found["b"]) == {ids["c"]}
    assert values(found["c"]) == {ids["a"], ids["b"]}
    assert values(found["d"]) == {ids["a"]}
    shown = [found[result["bulkId"]]["meta"]["version"] for result in results]
    assert [result["version"] for result in results] == [versions.of_resource(tag) for tag in shown]


def test_people_who_manage_each_other_and_oneself_are_created(client: Client) -> None:
    results = send(
        client,
        bulk_post("a", "/Users", managed_by("b")),
        bulk_post("b", "/Users", managed_by("a")),
        bulk_post("self", "/Users", managed_by("self")),
    )

    assert statuses(results) == ["201"] * 3
    found = [client.get(result["location"]).json() for result in results]
    managers = [user[enterprise.URN]["manager"]["value"] for user in found]
    assert managers == [found[1]["id"], found[0]["id"], found[2]["id"]]


def test_a_circle_with_a_failure_leaves_nothing(client: Client) -> None:
    taken = client.create_group()

    results = send(
        client,
        bulk_post("a", "/Groups", role(displayName="Circle", members=members("b"))),
        bulk_post("b", "/Groups", role(displayName=taken["displayName"], members=members("a"))),
        bulk_post("c", "/Groups", role(members=members("a"))),
    )

    assert statuses(results) == ["409"] * 3
    assert [r["response"].get("scimType") for r in results] == [None, "uniqueness", None]
    assert ["location" in r for r in results] == [False] * 3
    groups = client.get("/Groups").json()["Resources"]
    assert [group["id"] for group in groups] == [taken["id"]]
    assert statuses(send(client, bulk_post("a", "/Groups", role(displayName="Circle")))) == ["201"]


def test_a_circle_that_cannot_be_closed_is_taken_back(client: Client) -> None:
    results = send(
        client,
        bulk_post("a", "/Groups", role(displayName="Circle", members=members("b"))),
        bulk_post("b", "/Groups", role(members=members("a", "b"))),
    )

    assert statuses(results) == ["409", "400"]
    assert results[1]["response"]["scimType"] == "invalidValue"
    assert client.get("/Groups").json()["totalResults"] == 0


def test_a_circle_with_a_refused_operation_is_not_begun(client: Client, stack_operations: Journal) -> None:
    results = send(
        client,
        bulk_post("a", "/Groups", role(displayName="never-begun-circle", members=members("b"))),
        bulk_post("b", "/Groups", {**role(members=members("a")), "displayName": None}),
    )

    assert statuses(results) == ["409", "400"]
    assert "never-begun-circle" not in stack_operations


def test_what_refers_to_a_failed_operation_fails_and_stores_nothing(client: Client, stack_operations: Journal) -> None:
    """Case 51, the other half: nothing is ever stored as the text 'bulkId:x'."""
    taken = client.create_user()
    group = client.create_group()

    results = send(
        client,
        bulk_post("ada", "/Users", person(userName=taken["userName"].upper())),
        bulk_post("bob", "/Users", managed_by("ada")),
        bulk_post("team", "/Groups", role(members=members("bob"))),
        change("PATCH", f"/Groups/{group['id']}", patch({"op": "add", "path": "members", "value": members("ada")})),
        change("PATCH", "/Users/bulkId:ada", patch(replace("title", "x"))),
        bulk_post("lone", "/Users", person()),
    )

    assert statuses(results) == ["409"] * 5 + ["201"]
    assert results[0]["response"]["scimType"] == "uniqueness"
    assert "operation 1" in results[1]["response"]["detail"]
    assert client.get(f"/Groups/{group['id']}").json() == group
    assert client.get("/Users").json()["totalResults"] == 2
    assert "bulkId:" not in stack_operations


@pytest.mark.parametrize("reference", ["bulkId:nobody", "bulkid:nobody", "bulkId:"])
def test_a_reference_to_nothing_is_refused(client: Client, stack_operations: Journal, reference: str) -> None:
    group = client.create_group()
    manager = {enterprise.URN: {"manager": {"value": reference}}}

    results = send(
        client,
        bulk_post("ada", "/Users", employee(**manager)),
        bulk_post("team", "/Groups", role(members=[{"value": reference}])),
        change("PATCH", f"/Users/{reference}", patch(replace("title", "x"))),
        change("DELETE", f"/Users/{reference}"),
        change("PATCH", f"/Groups/{group['id']}", patch({"op": "remove", "path": f'members[value eq "{reference}"]'})),
        change("PATCH", "/Users/bulkId:ada", patch(replace("title", "x"))),
    )

    assert statuses(results) == ["400"] * 5 + ["409"]
    assert {r["response"].get("scimType") for r in results[:5]} == {"invalidValue"}
    assert "ulkid:" not in stack_operations
    assert "ulkId:" not in stack_operations


def test_the_order_of_the_request_is_kept_where_it_shows(client: Client, stack_engine: Engine) -> None:
    leaver = client.create_user(userName="ada@example.com")
    renamed = client.create_user(userName="bob@example.com")
    group = client.create_group()
    joining = patch({"op": "add", "path": "members", "value": [{"value": leaver["id"]}]})
    own = f"/Users/{renamed['id']}"

    results = send(
        client,
        change("PATCH", f"/Groups/{group['id']}", joining),
        bulk_post("early", "/Users", person(userName="ADA@example.com")),
        change("DELETE", f"/Users/{leaver['id']}"),
        bulk_post("ada", "/Users", person(userName="ada@example.com")),
        change("PATCH", f"/Groups/{group['id']}", joining),
        bulk_post("soon", "/Users", person(userName="bob@example.com")),
        change("PATCH", own, patch(replace("userName", "robert@example.com"))),
        bulk_post("bob", "/Users", person(userName="Bob@example.com")),
        bulk_post("twin", "/Users", person(userName="bob@example.com")),
        *(change("PATCH", own, patch(replace("title", f"title {n}"))) for n in range(10)),
    )

    assert statuses(results[:9]) == ["200", "409", "204", "201", "400", "409", "200", "201", "409"]
    assert [result["version"] for result in results[9:]] == [f'W/"{n}"' for n in range(3, 13)]
    assert client.get(own).json()["title"] == "title 9"
    assert len(_titles(stack_engine, renamed["id"])) == 10


def _titles(engine: Engine, lane: str) -> list[Any]:
    table = tables.operation
    with database.transaction(engine) as connection:
        statement = select(table.c.request).where(table.c.lane == lane, table.c.method == "PATCH").order_by(table.c.seq)
        return [request[0]["value"] for request in connection.scalars(statement) if request[0]["path"] == "title"]


def test_a_member_is_selected_by_the_name_that_the_request_gave_before(client: Client) -> None:
    users = [client.create_user(displayName="old") for _ in range(8)]
    groups = [client.create_group(members=[{"value": user["id"]}]) for user in users]
    removal = patch({"op": "remove", "path": 'members[display eq "new"]'})

    results = send(
        client,
        *(
            operation
            for user, group in zip(users, groups, strict=True)
            for operation in (
                change("PATCH", f"/Users/{user['id']}", patch(replace("displayName", "new"))),
                change("PATCH", f"/Groups/{group['id']}", removal),
            )
        ),
    )

    assert statuses(results) == ["200"] * 16
    assert [values(client.get(f"/Groups/{group['id']}").json()) for group in groups] == [set()] * 8


def test_a_version_is_a_condition(client: Client) -> None:
    created = client.create_user()
    own = f"/Users/{created['id']}"

    results = send(
        client,
        change("PATCH", own, patch(replace("title", "a")), version='W/"1"'),
        change("PATCH", own, patch(replace("title", "b")), version='W/"1"'),
        change("DELETE", own, version='W/"9"'),
    )

    assert statuses(results) == ["200", "412", "412"]
    assert [result["location"] for result in results] == [created["meta"]["location"]] * 3
    assert client.get(own).json()["title"] == "a"


def test_the_deletion_of_a_member_is_a_new_version_for_those_behind_it_alone(client: Client) -> None:
    users = [client.create_user() for _ in range(2)]
    group = client.create_group(members=[{"value": user["id"]} for user in users])
    renaming = patch(replace("displayName", "Renamed"))
    own = f"/Groups/{group['id']}"

    results = send(
        client,
        change("PATCH", own, patch(replace("externalId", "x")), version='W/"1"'),
        change("DELETE", f"/Users/{users[0]['id']}"),
        change("PATCH", own, renaming, version='W/"2"'),
        change("PATCH", own, renaming, version='W/"3"'),
        change("DELETE", f"/Users/{users[1]['id']}"),
    )

    assert statuses(results) == ["200", "204", "412", "200", "204"]
    assert client.get(own).json()["meta"]["version"] == 'W/"5"'


def test_what_a_delete_brings_along_is_not_read(client: Client) -> None:
    user = client.create_user()
    delete = change("DELETE", f"/Users/{user['id']}", {"members": [{"value": "bulkId:nobody"}]})

    [result] = send(client, delete)

    assert result["status"] == "204"


def test_failures_of_single_operations_are_their_results(client: Client, stranger: Client) -> None:
    foreign, user = stranger.create_user(), client.create_user()

    results = send(
        client,
        bulk_post("a", "/Users", {"schemas": ["urn:x"]}),
        bulk_post("b", "/Users", person(active="perhaps")),
        bulk_post("c", "/Users", None),
        change("PATCH", f"/Users/{user['id']}", patch(replace("shoeSize", 7))),
        change("PUT", f"/Users/{UNKNOWN_ID}", person()),
        change("DELETE", "/Users/nobody"),
        change("DELETE", f"/Users/{foreign['id']}"),
        change("DELETE", f"/Groups/{user['id']}"),
        change("DELETE", "/Printers/1?x=ü"),
        change("DELETE", "/Users"),
        bulk_post("d", f"/Users/{user['id']}", person()),
        bulk_post("e", "/Bulk", bulk()),
        bulk_post("f", "/Users", person()),
    )

    assert statuses(results) == [
        "400",
        "400",
        "400",
        "400",
        "404",
        "404",
        "404",
        "404",
        "404",
        "405",
        "405",
        "404",
        "201",
    ]
    scim_types = [result.get("response", {}).get("scimType") for result in results]
    assert scim_types[:5] == ["invalidSyntax", "invalidValue", "invalidSyntax", "invalidPath", None]
    for result in results[:-1]:
        assert result["response"]["schemas"] == [messages.ERROR]
        assert result["response"]["status"] == result["status"]
        assert ("location" in result) is (result["method"] != "POST")
    base = user["meta"]["location"].removesuffix(f"/Users/{user['id']}")
    assert results[5]["location"] == f"{base}/Users/nobody"
    assert results[8]["location"] == f"{base}/Printers/1%3Fx%3D%C3%BC"
    assert stranger.get(f"/Users/{foreign['id']}").status_code == 200


def test_no_value_is_told_in_an_error(client: Client) -> None:
    client.create_user(userName="zebulon@secret.example")
    secret = "Zebulon-secret"

    results = send(
        client,
        bulk_post("zebulon@secret.example", "/Users", person(userName="zebulon@secret.example")),
        bulk_post("b", "/Users", person(active=secret)),
        bulk_post("c", "/Groups", role(members=members("zebulon@secret.example"))),
        bulk_post("d", "/Groups", role(members=[{"value": secret}])),
        bulk_post("e", "/Groups", role(members=[{"value": f"bulkId:{secret}"}])),
        bulk_post("f", f"/{secret}", person()),
    )

    details = [result["response"]["detail"] for result in results]
    assert len(details) == 6
    assert [detail for detail in details if "ebulon" in detail] == []


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (1, ["201", "409"]),
        (2, ["201", "409", "201", "400"]),
        (3, ["201", "409", "201", "400", "201", "409"]),
        (4, ["201", "409", "201", "400", "201", "409", "201"]),
    ],
)
def test_after_so_many_errors_nothing_more_is_begun(client: Client, limit: int, expected: list[str]) -> None:
    taken = client.create_user()

    results = send(
        client,
        bulk_post("a", "/Users", person()),
        bulk_post("b", "/Users", person(userName=taken["userName"])),
        bulk_post("c", "/Users", person()),
        bulk_post("d", "/Users", person(active="perhaps")),
        bulk_post("e", "/Users", person()),
        bulk_post("f", "/Groups", role(members=members("b"))),
        bulk_post("g", "/Users", person()),
        failOnErrors=limit,
    )

    assert statuses(results) == expected
    assert client.get("/Users").json()["totalResults"] == 1 + expected.count("201")


SOUND = bulk_post("sound", "/Users", person())
ENVELOPES: list[tuple[str, Any, str]] = [
    ("no schemas", {"Operations": [SOUND]}, "invalidSyntax"),
    ("other schemas", {"schemas": [messages.PATCH_OP], "Operations": [SOUND]}, "invalidSyntax"),
    ("no operations", {"schemas": [messages.BULK_REQUEST]}, "invalidSyntax"),
    ("empty operations", bulk(), "invalidSyntax"),
    ("one that is no object", {"schemas": [messages.BULK_REQUEST], "Operations": [SOUND, "x"]}, "invalidSyntax"),
    ("no method", bulk(SOUND, {"path": "/Users", "bulkId": "a", "data": {}}), "invalidSyntax"),
    ("another method", bulk(SOUND, change("GET", "/Users")), "invalidSyntax"),
    ("no path", bulk(SOUND, {"method": "POST", "bulkId": "a", "data": {}}), "invalidSyntax"),
    ("no bulkId", bulk(SOUND, {"method": "POST", "path": "/Users", "data": person()}), "invalidSyntax"),
    ("bulkId no string", bulk(SOUND, {"method": "POST", "path": "/Users", "bulkId": 7}), "invalidSyntax"),
    ("bulkId twice", bulk(SOUND, SOUND), "invalidValue"),
    ("no limit of errors", bulk(SOUND, failOnErrors=0), "invalidValue"),
]


@pytest.mark.parametrize(("name", "body", "scim_type"), ENVELOPES, ids=[case[0] for case in ENVELOPES])
def test_what_is_no_bulk_request_is_refused_as_a_whole(client: Client, name: str, body: Any, scim_type: str) -> None:
    response = client.post("/Bulk", json=body)

    assert (response.status_code, response.json()["scimType"]) == (400, scim_type), response.text
    assert client.get("/Users").json()["totalResults"] == 0


def test_more_operations_than_allowed_are_refused_naming_the_limit(client: Client) -> None:
    response = client.post("/Bulk", json=bulk(*(bulk_post(f"u{n}", "/Users", {}) for n in range(1001))))

    assert response.status_code == 413
    assert "maxOperations (1000)" in response.json()["detail"]


def test_a_larger_body_than_allowed_is_refused_naming_the_limit(client: Client) -> None:
    response = client.post("/Bulk", content=b'{"x":"' + b"x" * 1_100_000 + b'"}')

    assert response.status_code == 413
    assert "maxPayloadSize (1048576 bytes)" in response.json()["detail"]


def test_only_post_is_offered(client: Client) -> None:
    response = client.get("/Bulk")

    assert (response.status_code, response.headers["Allow"]) == (405, "POST")


def test_a_patch_of_a_large_group_is_answered_as_it_is_alone(client: Client) -> None:
    people = [bulk_post(f"u{n}", "/Users", person()) for n in range(101)]
    created = send(client, *people, bulk_post("g", "/Groups", role(members=members(*(f"u{n}" for n in range(101))))))

    own = created[-1]["location"].partition("/scim/v2")[2]
    results = send(client, change("PATCH", own, patch(replace("displayName", "Renamed"))))

    assert [(r["status"], r["version"]) for r in (created[-1], results[0])] == [("201", 'W/"1"'), ("204", 'W/"2"')]
