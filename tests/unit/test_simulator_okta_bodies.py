"""Okta's requests, in both modes."""

from dataclasses import replace

from services.simulator import okta_bodies, people, profiles
from services.simulator.okta_bodies import Member
from services.simulator.people import Group, Person, Presence

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GROUP = Group(index=0, external_id="g", display_name="Readers", members=frozenset())
ADA = Member(id="7", display="ada@example.com")
PATCH = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]}


def person() -> Person:
    company = people.found(1, people=2, groups=0, memberships=0)
    (_, second) = company.people.values()
    return replace(second, mobile_phone=None)


def test_a_new_user_is_active_and_has_a_password_and_no_groups() -> None:
    body = okta_bodies.created_user(replace(person(), presence=Presence.DISABLED))

    assert body["schemas"] == [USER, ENTERPRISE]
    assert (body["active"], body["groups"], body["locale"]) == (True, [], person().locale)
    assert body["externalId"] == person().external_id
    assert len(body["password"]) >= 8
    assert body["emails"] == [{"primary": True, "type": "work", "value": person().mail}]
    assert body[ENTERPRISE]["manager"] == {"value": person().manager}


def test_a_replaced_user_reads_back_as_the_person() -> None:
    body = okta_bodies.replaced_user(person(), "7")

    assert profiles.OKTA.found(body) == profiles.OKTA.attributes(person())
    assert (body["id"], body["groups"], "password" in body) == ("7", [], False)


def test_a_template_keeps_what_it_does_not_map() -> None:
    found = {"id": "7", "nickName": "Addie", "title": "old", "phoneNumbers": [{"type": "mobile", "value": "+1"}]}

    body = okta_bodies.changed_user(person(), {**found, "meta": {"version": "1"}})

    assert (body["id"], body["nickName"], body["meta"]) == ("7", "Addie", {"version": "1"})
    assert body["title"] == person().title
    assert [phone["type"] for phone in body["phoneNumbers"]] == ["work"]


def test_activation_and_renaming_have_no_path() -> None:
    disabled = okta_bodies.activation(is_active=False)
    renamed = okta_bodies.renamed_group(GROUP, "9")

    assert disabled == {**PATCH, "Operations": [{"op": "replace", "value": {"active": False}}]}
    assert renamed == {**PATCH, "Operations": [{"op": "replace", "value": {"id": "9", "displayName": "Readers"}}]}


def test_a_new_group_is_empty_and_has_no_external_id() -> None:
    body = okta_bodies.created_group(GROUP)

    assert body == {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "displayName": "Readers",
        "members": [],
    }


def test_members_come_and_go_in_one_patch() -> None:
    [body] = okta_bodies.changed_members(["3"], [ADA])

    assert body["Operations"] == [
        {"op": "remove", "path": 'members[value eq "3"]'},
        {"op": "add", "path": "members", "value": [{"value": "7", "display": "ada@example.com"}]},
    ]
    assert list(okta_bodies.changed_members([], [])) == []


def test_a_full_push_replaces_the_members_even_by_none() -> None:
    [empty] = okta_bodies.pushed_members([])
    [one] = okta_bodies.pushed_members([ADA])

    assert empty["Operations"] == [{"op": "replace", "path": "members", "value": []}]
    assert [op["value"] for op in one["Operations"]] == [[{"value": "7", "display": "ada@example.com"}]]


def test_many_members_are_spread_over_patches() -> None:
    members = [Member(id=str(number), display="x") for number in range(2500)]

    bodies = list(okta_bodies.changed_members([str(number) for number in range(250)], members))

    assert [len(body["Operations"]) for body in bodies] == [101, 101, 51]
    assert sum(len(op.get("value", ())) for body in bodies for op in body["Operations"]) == 2500
