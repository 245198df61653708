"""The nastiest things that clients send, 29 to 41: matching, uniqueness, and who comes, goes and comes back.

Each case names where it broke a server; `owner/repository#number` is a thread on GitHub.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared.scim.schemas import enterprise
from tests.factories import Client, employee, patch, person, replace, role


def find(client: Client, text: str, endpoint: str = "/Users") -> list[dict[str, Any]]:
    response = client.get(endpoint, params={"filter": text})
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["Resources"]
    return found


def test_a_user_name_is_found_and_refused_in_any_case(client: Client) -> None:
    """Case 29. langfuse#13528, ory/polis#4067, SimpleIdServer#489."""
    created = client.create_user(userName="Ada.Müller@Example.com")

    assert [u["id"] for u in find(client, 'userName eq "ADA.MÜLLER@EXAMPLE.COM"')] == [created["id"]]
    assert client.post("/Users", json=person(userName="ada.müller@example.com")).status_code == 409


def test_only_the_user_name_is_unique_and_the_refusal_says_so(client: Client) -> None:
    """Case 30. ory/polis#4065 to #4067."""
    same = {"externalId": "E1", "displayName": "Ada", "emails": [{"type": "work", "value": "shared@example.com"}]}
    first = client.create_user(**same)
    client.create_user(**same)

    refused = client.post("/Users", json=person(userName=first["userName"]))

    assert (refused.status_code, refused.json()["scimType"], refused.json()["status"]) == (409, "uniqueness", "409")


@pytest.mark.parametrize("value", ["TAKEN@example.com", "taken@example.com"])
def test_a_user_name_cannot_become_a_taken_one(client: Client, value: str) -> None:
    """Case 31. SimpleIdServer#928."""
    client.create_user(userName="taken@example.com")
    other = client.create_user()

    patched = client.patch(f"/Users/{other['id']}", json=patch(replace("userName", value)))
    put = client.put(f"/Users/{other['id']}", json=person(userName=value))

    assert [(r.status_code, r.json()["scimType"]) for r in (patched, put)] == [(409, "uniqueness")] * 2
    assert client.get(f"/Users/{other['id']}").json() == other


def test_a_disabled_user_is_returned_with_active_false(client: Client) -> None:
    """Case 32. ssoready#155, FusionAuth#1871, #3244 and #3311."""
    created = client.create_user(externalId="E1")
    client.patch(f"/Users/{created['id']}", json=patch(replace("active", "False")))

    seen = [
        client.get(f"/Users/{created['id']}").json(),
        *find(client, f'userName eq "{created["userName"]}"'),
        *find(client, 'externalId eq "E1"'),
        *client.get("/Users").json()["Resources"],
    ]

    assert [(u["id"], u["active"]) for u in seen] == [(created["id"], False)] * 4


def test_who_is_enabled_again_is_still_a_member(client: Client) -> None:
    """Case 33. PostHog#42603; entra-docs, how-provisioning-works.md."""
    created = client.create_user()
    group = client.create_group(members=[{"value": created["id"]}])

    for active in (False, True):
        client.patch(f"/Users/{created['id']}", json=patch(replace("active", active)))

    assert [g["value"] for g in client.get(f"/Users/{created['id']}").json()["groups"]] == [group["id"]]


def test_a_post_for_a_leaver_is_no_dead_end(client: Client) -> None:
    """Case 34. better-auth/better-auth#11111: see test_rehire.py, and docs/decisions/0014-rehire.md."""
    created = client.create_user(externalId="E1")
    client.patch(f"/Users/{created['id']}", json=patch(replace("active", value=False)))

    back = client.post("/Users", json=person(userName=created["userName"], externalId="E1"))
    other = client.post("/Users", json=person(userName=created["userName"], externalId="E2"))

    assert (back.status_code, back.json()["id"], back.json()["active"]) == (201, created["id"], True)
    assert (other.status_code, other.json()["scimType"]) == (409, "uniqueness")


def test_a_repeated_post_makes_nobody_twice_and_can_be_matched(client: Client) -> None:
    """Case 35. Microsoft Q&A 1151866: the first answer was lost, and the client sends again."""
    body = person(externalId="E1")
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: client.post("/Users", json=body), range(5)))

    [created] = [answer.json() for answer in answers if answer.status_code == 201]
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    assert [u["id"] for u in find(client, f'userName eq "{body["userName"]}"')] == [created["id"]]


def test_a_burst_is_served_and_not_sent_away(client: Client) -> None:
    """Case 36. Microsoft Q&A 1922038: an initial cycle counts every 429 as a failure."""
    with ThreadPoolExecutor(25) as pool:
        answers = list(pool.map(lambda _: client.post("/Users", json=person()).status_code, range(100)))

    assert set(answers) == {201}


@pytest.mark.parametrize(
    ("endpoint", "text"),
    [
        ("/Users", 'userName eq "00000000-0000-4000-8000-000000000001"'),
        ("/Users", 'externalId eq "nobody"'),
        ("/Users", 'id eq "nobody" and manager eq "nobody"'),
        ("/Groups", 'displayName eq "nothing"'),
        ("/Groups", 'id eq "nothing" and members eq "nobody"'),
    ],
)
def test_nothing_found_is_an_empty_list(client: Client, endpoint: str, text: str) -> None:
    """Case 37. entra-docs, quarantine; troubleshoot-user-provisioning-validation.md."""
    response = client.get(endpoint, params={"filter": text})

    assert (response.status_code, response.json()["totalResults"], response.json()["Resources"]) == (200, 0, [])


def test_an_email_adopts_no_account(client: Client) -> None:
    """Case 38. ciso-assistant#4658."""
    emails = [{"type": "work", "value": "boss@example.com", "primary": True}]
    boss = client.create_user(emails=emails)

    other = client.create_user(emails=emails)

    assert other["id"] != boss["id"]
    assert client.get(f"/Users/{boss['id']}").json() == boss


def test_an_id_from_a_client_overwrites_nobody(client: Client) -> None:
    """Case 39. agent-bom#3540."""
    victim, own = client.create_user(title="Boss"), client.create_user()

    created = client.create_user(id=victim["id"], title="x")
    put = client.put(f"/Users/{own['id']}", json=person(id=victim["id"], userName=own["userName"])).json()
    patched = client.patch(f"/Users/{own['id']}", json=patch({"op": "replace", "value": {"id": victim["id"]}}))
    refused = client.patch(f"/Users/{own['id']}", json=patch(replace("id", victim["id"])))

    assert victim["id"] not in (created["id"], put["id"], patched.json()["id"])
    assert (patched.status_code, refused.status_code, refused.json()["scimType"]) == (200, 400, "mutability")
    assert client.get(f"/Users/{victim['id']}").json() == victim


def test_a_renamed_user_stays_the_same(client: Client) -> None:
    """Case 40. ssoready#164."""
    created = client.create_user()
    group = client.create_group(members=[{"value": created["id"]}])

    renamed = client.patch(f"/Users/{created['id']}", json=patch(replace("userName", "new@example.com"))).json()

    assert (renamed["id"], renamed["userName"]) == (created["id"], "new@example.com")
    assert [g["value"] for g in renamed["groups"]] == [group["id"]]
    assert find(client, f'userName eq "{created["userName"]}"') == []


def test_who_is_referred_to_can_be_deleted(client: Client) -> None:
    """Case 41. getprobo/probo#1277."""
    boss = client.create_user()["id"]
    report = client.create_user(**employee(**{enterprise.URN: {"manager": {"value": boss}}}))
    group = client.create_group(members=[{"value": boss}])
    outer = client.create_group(members=[{"value": group["id"]}])

    answers = [client.delete(path) for path in (f"/Users/{boss}", f"/Groups/{group['id']}")]
    gone = [client.get(path) for path in (f"/Users/{boss}", f"/Groups/{group['id']}")]

    assert [answer.status_code for answer in answers] == [204, 204]
    assert [answer.status_code for answer in gone] == [404, 404]
    assert client.get(f"/Users/{report['id']}").status_code == 200
    assert "members" not in client.get(f"/Groups/{outer['id']}").json()
    assert client.post("/Groups", json=role(displayName=group["displayName"])).status_code == 201
