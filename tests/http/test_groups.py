"""Groups over HTTP: members come and go as rows."""

import uuid
from concurrent.futures import ThreadPoolExecutor

from tests.factories import Client, patch, person, replace, role


def add(*ids: str) -> dict[str, object]:
    return {"op": "Add", "path": "members", "value": [{"$ref": None, "value": i} for i in ids]}


def members(client: Client, group_id: str) -> set[str]:
    return {member["value"] for member in client.get(f"/Groups/{group_id}").json().get("members", [])}


def test_a_group_shows_its_members_and_the_member_its_groups(client: Client) -> None:
    user = client.create_user(displayName="Ada")

    group = client.create_group(displayName="Night Patrol", members=[{"value": user["id"]}])

    assert group["members"] == [
        {"value": user["id"], "$ref": user["meta"]["location"], "type": "User", "display": "Ada"}
    ]
    assert client.get(f"/Users/{user['id']}").json()["groups"] == [
        {"value": group["id"], "$ref": group["meta"]["location"], "display": "Night Patrol", "type": "direct"}
    ]


def test_a_group_can_be_a_member(client: Client) -> None:
    inner = client.create_group()

    outer = client.create_group(members=[{"value": inner["id"], "type": "Group"}])

    assert outer["members"][0]["type"] == "Group"
    assert outer["members"][0]["$ref"] == inner["meta"]["location"]


def test_a_group_cannot_be_a_member_of_itself(client: Client) -> None:
    group = client.create_group()

    response = client.patch(f"/Groups/{group['id']}", json=patch(add(group["id"])))

    assert (response.status_code, response.json()["scimType"]) == (400, "invalidValue")


def test_adding_a_member_twice_adds_it_once_and_changes_nothing(client: Client) -> None:
    user, group = client.create_user(), client.create_group()
    url = f"/Groups/{group['id']}"

    first = client.patch(url, json=patch(add(user["id"])))
    second = client.patch(url, json=patch(add(user["id"])))

    assert (first.status_code, second.status_code) == (200, 200)
    assert second.json() == first.json()
    assert members(client, group["id"]) == {user["id"]}


def test_removing_listed_members_removes_only_them(client: Client) -> None:
    users = [client.create_user()["id"] for _ in range(3)]
    group = client.create_group(members=[{"value": i} for i in users])
    listed = {"op": "Remove", "path": "members", "value": [{"$ref": None, "value": users[0]}]}

    client.patch(f"/Groups/{group['id']}", json=patch(listed))

    assert members(client, group["id"]) == set(users[1:])


def test_removing_by_filter_removes_that_member(client: Client) -> None:
    users = [client.create_user()["id"] for _ in range(2)]
    group = client.create_group(members=[{"value": i} for i in users])

    response = client.patch(
        f"/Groups/{group['id']}", json=patch({"op": "remove", "path": f'members[value eq "{users[0]}"]'})
    )

    assert response.status_code == 200
    assert members(client, group["id"]) == {users[1]}


def test_removing_who_is_not_a_member_succeeds_and_changes_nothing(client: Client) -> None:
    group = client.create_group()

    response = client.patch(
        f"/Groups/{group['id']}", json=patch({"op": "remove", "path": f'members[value eq "{uuid.uuid4()}"]'})
    )

    assert (response.status_code, response.json()["meta"]["version"]) == (200, 'W/"1"')


def test_members_are_emptied_only_when_asked(client: Client) -> None:
    user = client.create_user()["id"]
    group = client.create_group(members=[{"value": user}])
    url = f"/Groups/{group['id']}"

    client.patch(url, json=patch(replace("displayName", "Renamed")))
    kept = members(client, group["id"])
    client.patch(url, json=patch(replace("members", [])))

    assert kept == {user}
    assert members(client, group["id"]) == set()


def test_one_patch_is_applied_as_a_whole_or_not_at_all(client: Client) -> None:
    user, group = client.create_user()["id"], client.create_group()
    changes = patch(replace("displayName", "Half done"), add(user), add(str(uuid.uuid4())))

    response = client.patch(f"/Groups/{group['id']}", json=changes)

    assert (response.status_code, response.json()["scimType"]) == (400, "invalidValue")
    assert client.get(f"/Groups/{group['id']}").json() == group


def test_put_replaces_the_members(client: Client) -> None:
    users = [client.create_user()["id"] for _ in range(3)]
    group = client.create_group(members=[{"value": i} for i in users[:2]])

    body = role(displayName=group["displayName"], members=[{"value": i} for i in users[1:]])
    client.put(f"/Groups/{group['id']}", json=body)

    assert members(client, group["id"]) == set(users[1:])


def test_members_are_left_out_when_excluded(client: Client) -> None:
    group = client.create_group(members=[{"value": client.create_user()["id"]}])

    found = client.get(f"/Groups/{group['id']}", params={"excludedAttributes": "members"}).json()

    assert "members" not in found


def test_a_large_group_answers_a_member_change_without_its_members(client: Client) -> None:
    with ThreadPoolExecutor(16) as pool:
        ids = list(pool.map(lambda _: client.create_user()["id"], range(102)))
    group = client.create_group(members=[{"value": i} for i in ids[:101]])

    brief = client.patch(f"/Groups/{group['id']}", json=patch(add(ids[101])))
    asked = client.patch(
        f"/Groups/{group['id']}", params={"attributes": "displayName"}, json=patch(replace("externalId", "x"))
    )

    assert len(group["members"]) == 101
    assert (brief.status_code, brief.content) == (204, b"")
    assert brief.headers["ETag"] == 'W/"2"'
    assert asked.json()["displayName"] == group["displayName"]
    assert len(members(client, group["id"])) == 102


def test_a_deleted_member_leaves_its_groups(client: Client) -> None:
    user = client.create_user()["id"]
    group = client.create_group(members=[{"value": user}])

    client.delete(f"/Users/{user}")

    assert members(client, group["id"]) == set()


def test_a_disabled_member_stays_in_its_groups(client: Client) -> None:
    user = client.create_user()["id"]
    group = client.create_group(members=[{"value": user}])

    client.patch(f"/Users/{user}", json=patch(replace("active", value=False)))

    assert members(client, group["id"]) == {user}


def test_membership_can_be_asked_for_by_filter(client: Client) -> None:
    user = client.create_user()["id"]
    group = client.create_group(members=[{"value": user}])
    client.create_group()

    for text in (
        f'members eq "{user}"',
        f'members[value eq "{user}"]',
        f'id eq "{group["id"]}" and members eq "{user}"',
    ):
        found = client.get("/Groups", params={"filter": text, "attributes": "id"}).json()
        assert [each["id"] for each in found["Resources"]] == [group["id"]], text


def test_group_names_are_unique(client: Client) -> None:
    group = client.create_group()

    response = client.post("/Groups", json=role(displayName=group["displayName"].upper()))

    assert (response.status_code, response.json()["scimType"]) == (409, "uniqueness")


def test_concurrent_member_changes_lose_nobody(client: Client) -> None:
    group = client.create_group()
    with ThreadPoolExecutor(10) as pool:
        ids = list(pool.map(lambda _: client.post("/Users", json=person()).json()["id"], range(50)))
        answers = list(pool.map(lambda i: client.patch(f"/Groups/{group['id']}", json=patch(add(i))).status_code, ids))

    assert set(answers) == {200}
    assert members(client, group["id"]) == set(ids)


def test_a_member_without_a_display_name_has_no_display(client: Client) -> None:
    user = client.create_user()

    group = client.create_group(members=[{"value": user["id"]}])

    assert group["members"] == [{"value": user["id"], "$ref": user["meta"]["location"], "type": "User"}]
    assert client.get(f"/Groups/{group['id']}").json() == group
