"""Entra's requests, in both dialects."""

from dataclasses import replace

from services.simulator import entra_bodies, entra_groups, entra_users, people, profiles
from services.simulator.entra_bodies import Changes, Dialect
from services.simulator.mapping import Body
from services.simulator.people import Person, Presence

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MANAGER = f"{ENTERPRISE}:manager"
WORK_MAIL = 'emails[type eq "work"].value'


def person() -> Person:
    company = people.found(1, people=1, groups=0, memberships=0)
    (only,) = company.people.values()
    return replace(only, mobile_phone=None, title="Controller", department="Finance")


def changes(now: Person) -> Changes:
    return entra_users.changed(profiles.ENTRA.attributes(person()), profiles.ENTRA.attributes(now))


def operations(body: Body) -> object:
    assert body["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]
    return body["Operations"]


def test_a_new_user_has_both_schemas_and_no_manager() -> None:
    body = entra_bodies.created_user(person())

    assert body["schemas"] == ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE]
    assert body["emails"] == [{"primary": True, "type": "work", "value": person().mail}]
    assert body["name"] == {"givenName": person().given_name, "familyName": person().family_name}
    assert body[ENTERPRISE] == {"employeeNumber": "100000", "department": "Finance"}
    assert [phone["type"] for phone in body["phoneNumbers"]] == ["work"]
    assert (body["active"], body["roles"], body["meta"]) == (True, [], {"resourceType": "User"})


def test_a_new_user_reads_back_as_the_person() -> None:
    assert profiles.ENTRA.found(entra_bodies.created_user(person())) == profiles.ENTRA.attributes(person())


def test_empty_and_absent_read_back_as_the_same() -> None:
    empty = {"title": "", "emails": [], "phoneNumbers": [{"type": "mobile", "value": ""}], "name": None}

    assert profiles.ENTRA.found(empty) == profiles.ENTRA.found({})


def test_the_default_dialect_writes_booleans_as_text() -> None:
    body = entra_bodies.changed_user(Dialect.DEFAULT, changes(replace(person(), presence=Presence.DISABLED)))

    assert operations(body) == [{"op": "Replace", "path": "active", "value": "False"}]


def test_the_flag_writes_real_booleans_without_a_path() -> None:
    body = entra_bodies.changed_user(Dialect.FLAG, changes(replace(person(), presence=Presence.DISABLED)))

    assert operations(body) == [{"op": "replace", "value": {"active": False}}]


def test_the_default_dialect_sends_one_operation_for_each_attribute() -> None:
    now = replace(person(), mail="new@example.com", department="Legal", mobile_phone="+1")

    body = entra_bodies.changed_user(Dialect.DEFAULT, changes(now))

    assert operations(body) == [
        {"op": "Replace", "path": WORK_MAIL, "value": "new@example.com"},
        {"op": "Add", "path": 'phoneNumbers[type eq "mobile"].value', "value": "+1"},
        {"op": "Replace", "path": f"{ENTERPRISE}:department", "value": "Legal"},
    ]


def test_the_flag_combines_plain_paths_and_separates_value_paths() -> None:
    now = replace(person(), given_name="A", mail="new@example.com", department="Legal", mobile_phone="+1")

    body = entra_bodies.changed_user(Dialect.FLAG, changes(now))

    assert operations(body) == [
        {
            "op": "replace",
            "value": {
                "displayName": f"A {person().family_name}",
                "name.givenName": "A",
                f"{ENTERPRISE}:department": "Legal",
            },
        },
        {"op": "replace", "path": WORK_MAIL, "value": "new@example.com"},
        {"op": "add", "path": 'phoneNumbers[type eq "mobile"].value', "value": "+1"},
    ]


def test_what_is_gone_is_replaced_by_nothing() -> None:
    cleared = {"title": ("Controller", None)}

    assert operations(entra_bodies.changed_user(Dialect.DEFAULT, cleared)) == [
        {"op": "Replace", "path": "title", "value": ""}
    ]
    assert operations(entra_bodies.changed_user(Dialect.FLAG, cleared)) == [{"op": "replace", "value": {"title": ""}}]


def test_managers_are_an_array_or_a_bare_id() -> None:
    default = entra_bodies.set_manager(Dialect.DEFAULT, "7", "https://x/Users/7")
    flag = entra_bodies.set_manager(Dialect.FLAG, "7", "https://x/Users/7")

    assert operations(default) == [
        {"op": "Add", "path": "manager", "value": [{"$ref": "https://x/Users/7", "value": "7"}]}
    ]
    assert operations(flag) == [{"op": "add", "path": MANAGER, "value": "7"}]


def test_managers_are_cleared_by_an_empty_text() -> None:
    assert operations(entra_bodies.cleared_manager(Dialect.DEFAULT)) == [
        {"op": "Replace", "path": "manager", "value": ""}
    ]
    assert operations(entra_bodies.cleared_manager(Dialect.FLAG)) == [{"op": "replace", "path": MANAGER, "value": ""}]


def test_members_are_added_and_removed_as_the_dialect_does() -> None:
    one = [{"$ref": None, "value": "7"}]

    assert operations(entra_bodies.added_member(Dialect.DEFAULT, "7")) == [
        {"op": "Add", "path": "members", "value": one}
    ]
    assert operations(entra_bodies.removed_member(Dialect.DEFAULT, "7")) == [
        {"op": "Remove", "path": "members", "value": one}
    ]
    assert operations(entra_bodies.removed_member(Dialect.FLAG, "7")) == [
        {"op": "remove", "path": 'members[value eq "7"]'}
    ]


def test_members_are_dealt_to_five_lanes_at_most() -> None:
    moves = [entra_groups.Move(group="g", user_id=str(number), enters=True) for number in range(12)]

    dealt = entra_groups.lanes(moves)

    assert [len(lane) for lane in dealt] == [3, 3, 2, 2, 2]
    assert sorted(int(move.user_id) for lane in dealt for move in lane) == list(range(12))
    assert [len(lane) for lane in entra_groups.lanes(moves[:2])] == [1, 1]
    assert entra_groups.lanes([]) == []
