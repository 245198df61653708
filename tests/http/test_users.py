"""Users over HTTP, through gateway, journal, worker and directory."""

import json
import uuid

import pytest

from shared.scim.schemas import enterprise
from tests.factories import Client, employee, patch, person, replace


def test_a_created_user_is_returned_with_its_location_and_version(client: Client) -> None:
    response = client.post("/Users", json=person(userName="ada@example.com", externalId="E1"))

    created = response.json()
    assert response.status_code == 201
    assert response.headers["Content-Type"] == "application/scim+json"
    assert response.headers["Location"] == created["meta"]["location"] == f"{client.base_url}Users/{created['id']}"
    assert response.headers["ETag"] == created["meta"]["version"] == 'W/"1"'
    assert (created["userName"], created["externalId"], created["active"]) == ("ada@example.com", "E1", True)


def test_a_user_is_read_back_as_it_was_answered(client: Client) -> None:
    created = client.create_user(**employee(name={"givenName": "Ada"}, emails=[{"type": "work", "value": "a@b.c"}]))

    read = client.get(f"/Users/{created['id']}")

    assert read.json() == created


def test_user_names_are_unique_whatever_their_case(client: Client) -> None:
    client.create_user(userName="ada@example.com")

    response = client.post("/Users", json=person(userName="ADA@example.com"))

    assert response.status_code == 409
    assert response.json()["scimType"] == "uniqueness"
    assert response.json()["status"] == "409"


def test_a_user_name_cannot_be_changed_to_a_taken_one(client: Client) -> None:
    client.create_user(userName="ada@example.com")
    other = client.create_user()

    response = client.patch(f"/Users/{other['id']}", json=patch(replace("userName", "Ada@Example.com")))

    assert (response.status_code, response.json()["scimType"]) == (409, "uniqueness")
    assert client.get(f"/Users/{other['id']}").json() == other


def test_put_replaces_everything_and_keeps_the_id(client: Client) -> None:
    created = client.create_user(title="Clerk", nickName="Addie")

    response = client.put(f"/Users/{created['id']}", json=person(userName=created["userName"], title="Head"))

    replaced = response.json()
    assert response.status_code == 200
    assert (replaced["id"], replaced["title"], replaced["meta"]["version"]) == (created["id"], "Head", 'W/"2"')
    assert "nickName" not in replaced


def test_put_without_active_does_not_enable_a_disabled_user(client: Client) -> None:
    created = client.create_user(active=False)

    replaced = client.put(f"/Users/{created['id']}", json=person(userName=created["userName"])).json()

    assert replaced["active"] is False


def test_put_never_creates(client: Client) -> None:
    response = client.put(f"/Users/{uuid.uuid4()}", json=person())

    assert response.status_code == 404


def test_a_deleted_user_is_gone_and_its_name_is_free(client: Client) -> None:
    created = client.create_user(userName="leaver@example.com")

    deleted = client.delete(f"/Users/{created['id']}")

    assert (deleted.status_code, deleted.content) == (204, b"")
    assert "Content-Type" not in deleted.headers
    assert client.get(f"/Users/{created['id']}").status_code == 404
    assert client.delete(f"/Users/{created['id']}").status_code == 404
    assert client.patch(f"/Users/{created['id']}", json=patch(replace("title", "x"))).status_code == 404
    assert client.get("/Users", params={"filter": 'userName eq "leaver@example.com"'}).json()["totalResults"] == 0
    assert client.create_user(userName="leaver@example.com")["id"] != created["id"]


def test_a_disabled_user_is_still_found(client: Client) -> None:
    created = client.create_user(userName="off@example.com")
    client.patch(f"/Users/{created['id']}", json=patch(replace("active", "False")))

    found = client.get("/Users", params={"filter": 'userName eq "OFF@example.com"'}).json()

    assert [user["active"] for user in found["Resources"]] == [False]


def test_what_matches_nothing_is_an_empty_list(client: Client) -> None:
    response = client.get("/Users", params={"filter": f'userName eq "{uuid.uuid4()}"'})

    assert response.status_code == 200
    assert (response.json()["totalResults"], response.json()["Resources"]) == (0, [])


def test_pages_cover_all_users_once_and_in_a_stable_order(client: Client) -> None:
    created = [client.create_user()["id"] for _ in range(7)]

    pages = [client.get("/Users", params={"startIndex": start, "count": 3}).json() for start in (1, 4, 7)]

    assert [page["itemsPerPage"] for page in pages] == [3, 3, 1]
    assert {page["totalResults"] for page in pages} == {7}
    assert [user["id"] for page in pages for user in page["Resources"]] == created


def test_count_zero_only_counts_and_nonsense_is_corrected(client: Client) -> None:
    client.create_user()

    none = client.get("/Users", params={"count": 0}).json()
    negative = client.get("/Users", params={"count": -5, "startIndex": -3}).json()

    assert (none["totalResults"], none["Resources"]) == (1, [])
    assert (negative["totalResults"], negative["Resources"], negative["startIndex"]) == (1, [], 1)


def test_attributes_limit_every_answer(client: Client) -> None:
    created = client.post("/Users", params={"attributes": "userName"}, json=person(title="x")).json()
    changed = client.patch(
        f"/Users/{created['id']}", params={"excludedAttributes": "userName"}, json=patch(replace("title", "y"))
    ).json()
    listed = client.get("/Users", params={"attributes": "title"}).json()["Resources"][0]

    assert set(created) == {"schemas", "id", "userName"}
    assert "userName" not in changed
    assert (listed["title"], "userName" in listed) == ("y", False)


def test_the_manager_is_shown_with_name_and_location(client: Client) -> None:
    boss = client.create_user(displayName="The Boss")
    created = client.create_user()
    path = f"{enterprise.URN}:manager"

    changed = client.patch(f"/Users/{created['id']}", json=patch(replace(path, boss["id"]))).json()

    assert changed[enterprise.URN]["manager"] == {
        "value": boss["id"],
        "$ref": boss["meta"]["location"],
        "displayName": "The Boss",
    }
    query = f'id eq "{created["id"]}" and manager eq "{boss["id"]}"'
    assert client.get("/Users", params={"filter": query, "attributes": "id"}).json()["totalResults"] == 1


@pytest.mark.parametrize("parameters", [{}, {"excludedAttributes": "groups"}, {"attributes": "userName,groups.value"}])
def test_an_unchanged_resource_is_not_sent_again(client: Client, parameters: dict[str, str]) -> None:
    created = client.create_user()

    response = client.get(
        f"/Users/{created['id']}", params=parameters, headers={"If-None-Match": created["meta"]["version"]}
    )

    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["ETag"] == created["meta"]["version"]


def test_what_is_shown_of_others_is_not_sent_again_until_it_changes(client: Client) -> None:
    boss = client.create_user(displayName="Before")
    user = client.create_user(**{enterprise.URN: {"manager": {"value": boss["id"]}}})
    group = client.create_group(members=[{"value": boss["id"]}])
    client.create_group(members=[{"value": user["id"]}])
    urls = [f"/Users/{user['id']}", f"/Groups/{group['id']}"]
    tags = [client.get(url).headers["ETag"] for url in urls]

    before = [client.get(url, headers={"If-None-Match": tag}) for url, tag in zip(urls, tags, strict=True)]
    client.patch(f"/Users/{boss['id']}", json=patch(replace("displayName", "After")))
    after = [client.get(url, headers={"If-None-Match": tag}) for url, tag in zip(urls, tags, strict=True)]

    assert [each.status_code for each in before] == [304, 304]
    assert [each.status_code for each in after] == [200, 200]
    assert after[0].json()[enterprise.URN]["manager"]["displayName"] == "After"
    assert after[1].json()["members"][0]["display"] == "After"


def test_the_groups_of_a_user_are_told_though_the_user_has_not_changed(client: Client) -> None:
    user = client.create_user()
    url, alone = f"/Users/{user['id']}", user["meta"]["version"]
    group = client.create_group(members=[{"value": user["id"]}])

    inside = client.get(url, headers={"If-None-Match": alone})
    any_ = client.get(url, headers={"If-None-Match": "*"})
    client.patch(f"/Groups/{group['id']}", json=patch({"op": "remove", "path": "members"}))
    outside = client.get(url, headers={"If-None-Match": inside.headers["ETag"]})

    assert [one["value"] for one in inside.json()["groups"]] == [group["id"]]
    assert any_.status_code == 304
    assert (outside.status_code, outside.headers["ETag"], "groups" in outside.json()) == (200, alone, False)


def test_a_tag_that_tells_of_others_is_the_same_everywhere_and_fits_if_match(client: Client) -> None:
    user = client.create_user(displayName="Ada")
    group = client.create_group(members=[{"value": user["id"]}])
    url = f"/Users/{user['id']}"
    tag = client.get(url).headers["ETag"]

    listed = client.get("/Users", params={"filter": f'id eq "{user["id"]}" and meta.version eq {json.dumps(tag)}'})
    changed = client.patch(url, json=patch(replace("title", "x")), headers={"If-Match": tag})
    late = client.patch(url, json=patch(replace("title", "y")), headers={"If-Match": tag})

    assert tag != user["meta"]["version"]
    assert [each["meta"]["version"] for each in listed.json()["Resources"]] == [tag]
    assert client.get(f"/Groups/{group['id']}").headers["ETag"] == group["meta"]["version"]
    assert (changed.status_code, late.status_code) == (200, 412)
    assert changed.headers["ETag"] == changed.json()["meta"]["version"] == client.get(url).headers["ETag"]


def test_a_write_for_another_version_is_refused(client: Client) -> None:
    created = client.create_user()
    url, body = f"/Users/{created['id']}", patch(replace("title", "x"))

    refused = client.patch(url, json=body, headers={"If-Match": 'W/"9"'})
    accepted = client.patch(url, json=body, headers={"If-Match": 'W/"1"'})

    assert (refused.status_code, accepted.status_code) == (412, 200)


def test_what_the_server_decides_is_ignored_in_a_create(client: Client) -> None:
    created = client.create_user(id="mine", meta={"created": "1999-01-01T00:00:00Z"}, groups=[{"value": "x"}])

    assert created["id"] != "mine"
    assert not created["meta"]["created"].startswith("1999")
    assert "groups" not in created


def test_a_manager_is_shown_by_the_display_name(client: Client) -> None:
    ada, bob = client.create_user(displayName="Ada"), client.create_user()

    managers = [
        client.create_user(**{enterprise.URN: {"manager": {"value": boss["id"]}}})[enterprise.URN]["manager"]
        for boss in (ada, bob)
    ]

    assert [manager.get("displayName") for manager in managers] == ["Ada", None]


def test_the_uri_of_a_manager_is_one_whatever_the_id_is(client: Client) -> None:
    created = client.create_user(**{enterprise.URN: {"manager": {"value": 'a/../b?c#d e"é'}}})

    manager = created[enterprise.URN]["manager"]
    again = client.create_user(**{enterprise.URN: {"manager": {"$ref": manager["$ref"]}}})

    assert manager["$ref"] == f"{client.base_url}Users/a%2F..%2Fb%3Fc%23d%20e%22%C3%A9"
    assert again[enterprise.URN]["manager"] == manager


def test_the_name_of_a_manager_who_is_gone_or_of_another_tenant_is_not_shown(client: Client, stranger: Client) -> None:
    gone, foreign = client.create_user(displayName="Gone"), stranger.create_user(displayName="Foreign")
    client.delete(f"/Users/{gone['id']}")

    created = [client.create_user(**{enterprise.URN: {"manager": {"value": b["id"]}}}) for b in (gone, foreign)]

    for user in created:
        assert "displayName" not in user[enterprise.URN]["manager"]
        assert client.get(f"/Users/{user['id']}").json() == user
