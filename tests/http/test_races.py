"""Writes on different resources that touch each other: nobody is left behind, nobody sees what is not theirs."""

from concurrent.futures import ThreadPoolExecutor

from shared.scim.schemas import enterprise
from tests.factories import Client, patch, replace

MANAGER = f"{enterprise.URN}:manager"


def add(*ids: str) -> dict[str, object]:
    return {"op": "add", "path": "members", "value": [{"value": i} for i in ids]}


def test_a_deletion_that_meets_a_joining_leaves_no_ghost_in_the_group(client: Client) -> None:
    for _ in range(4):
        group = client.create_group()["id"]
        users = [client.create_user()["id"] for _ in range(8)]

        with ThreadPoolExecutor(16) as pool:
            joining = [pool.submit(client.patch, f"/Groups/{group}", json=patch(add(user))) for user in users]
            leaving = [pool.submit(client.delete, f"/Users/{user}") for user in users]

        assert {each.result().status_code for each in leaving} == {204}
        assert {each.result().status_code for each in joining} <= {200, 400}
        assert "members" not in client.get(f"/Groups/{group}").json()


def test_groups_that_are_members_of_each_other_can_be_deleted_at_once(client: Client) -> None:
    for _ in range(3):
        groups = [client.create_group()["id"] for _ in range(6)]
        for group in groups:
            others = [other for other in groups if other != group]
            assert client.patch(f"/Groups/{group}", json=patch(add(*others))).status_code == 200

        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda group: client.delete(f"/Groups/{group}").status_code, groups))

        assert answers == [204] * 6


def test_fifty_creates_of_one_name_make_one_user(client: Client) -> None:
    with ThreadPoolExecutor(50) as pool:
        body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "wanted@example.com"}
        answers = sorted(pool.map(lambda _: client.post("/Users", json=body).status_code, range(50)))

    assert answers == [201] + [409] * 49


def test_of_many_writes_for_one_version_one_succeeds(client: Client) -> None:
    user = client.create_user()
    tag = {"If-Match": user["meta"]["version"]}

    def write(number: int) -> int:
        body = patch(replace("title", f"writer {number}"))
        return client.patch(f"/Users/{user['id']}", json=body, headers=tag).status_code

    with ThreadPoolExecutor(20) as pool:
        answers = sorted(pool.map(write, range(20)))

    assert answers == [200] + [412] * 19


def test_a_group_has_a_new_version_when_a_member_is_deleted(client: Client) -> None:
    user = client.create_user()["id"]
    group = client.create_group(members=[{"value": user}])

    client.delete(f"/Users/{user}")

    seen = client.get(f"/Groups/{group['id']}", headers={"If-None-Match": group["meta"]["version"]})
    assert (seen.status_code, seen.json()["meta"]["version"]) == (200, 'W/"2"')


def test_a_manager_of_another_tenant_has_no_name_here(client: Client, stranger: Client) -> None:
    spied = stranger.create_user(displayName="Carol Confidential")
    group = stranger.create_group(displayName="Secret Project")

    for target in (spied, group):
        created = client.create_user(**{enterprise.URN: {"manager": {"value": target["id"]}}})
        changed = client.patch(f"/Users/{client.create_user()['id']}", json=patch(replace(MANAGER, target["id"])))
        read = client.get(f"/Users/{created['id']}")
        listed = client.get("/Users")
        for text in (str(created), changed.text, read.text, listed.text):
            assert "Confidential" not in text
            assert "Secret" not in text


def test_a_deleted_manager_has_no_name_any_more(client: Client) -> None:
    boss = client.create_user(displayName="Former Boss")
    user = client.create_user(**{enterprise.URN: {"manager": {"value": boss["id"]}}})

    client.delete(f"/Users/{boss['id']}")

    assert "Former Boss" not in client.get(f"/Users/{user['id']}").text
