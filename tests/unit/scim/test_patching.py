"""Operations change a resource as the table of RFC 7644 section 3.5.2 says, all of them or none."""

import copy
from typing import Any

import pytest

from shared.scim import patch, patching
from shared.scim.errors import NoTargetError, SCIMError
from shared.scim.resource_types import USERS
from tests.unit.scim.bodies import HOME, MAILS, MANAGED, NAMED, THINGS, WORK, message, operation, patched


@pytest.mark.parametrize(
    ("before", "sent", "after"),
    [
        # add
        (
            NAMED,
            operation("add", value={"title": "x", "name": {"middleName": "K"}}),
            {"name": {**NAMED["name"], "middleName": "K"}, "title": "x"},
        ),
        (MAILS, operation("add", value={"emails": [{"value": "c"}]}), {"emails": [WORK, HOME, {"value": "c"}]}),
        ({}, operation("add", "title", value="x"), {"title": "x"}),
        ({"title": "x"}, operation("add", "title", value="y"), {"title": "y"}),
        (
            NAMED,
            operation("add", "name", value={"givenName": "B"}),
            {"name": {"givenName": "B", "familyName": "Lovelace"}},
        ),
        (NAMED, operation("add", "name.middleName", value="K"), {"name": {**NAMED["name"], "middleName": "K"}}),
        (MAILS, operation("add", "emails", value=[{"value": "c"}]), {"emails": [WORK, HOME, {"value": "c"}]}),
        (MAILS, operation("add", "emails", value=[WORK]), MAILS),
        (
            MAILS,
            operation("add", "emails", value=[{"type": "WORK", "value": "WORK@example.com"}]),
            {"emails": [{"type": "WORK", "value": "WORK@example.com"}, HOME]},
        ),
        (
            MAILS,
            operation("add", 'emails[type eq "work"]', value={"display": "d"}),
            {"emails": [{**WORK, "display": "d"}, HOME]},
        ),
        (
            MAILS,
            operation("add", 'emails[type eq "work"].value', value="n"),
            {"emails": [{**WORK, "value": "n"}, HOME]},
        ),
        # replace
        (
            NAMED,
            operation("replace", value={"title": "x", "name": {"givenName": "B"}}),
            {"name": {"givenName": "B", "familyName": "Lovelace"}, "title": "x"},
        ),
        ({"title": "x"}, operation("replace", "title", value="y"), {"title": "y"}),
        (MAILS, operation("replace", "emails", value=[{"value": "c"}]), {"emails": [{"value": "c"}]}),
        (MAILS, operation("replace", value={"emails": [{"value": "c"}]}), {"emails": [{"value": "c"}]}),
        (
            NAMED,
            operation("replace", "name", value={"givenName": "B"}),
            {"name": {"givenName": "B", "familyName": "Lovelace"}},
        ),
        ({}, operation("replace", "title", value="x"), {"title": "x"}),
        ({}, operation("replace", "name.givenName", value="B"), {"name": {"givenName": "B"}}),
        ({}, operation("replace", "emails", value=[WORK]), {"emails": [WORK]}),
        (
            MAILS,
            operation("replace", 'emails[type eq "work"]', value={"type": "other", "value": "n"}),
            {"emails": [{"type": "other", "value": "n"}, HOME]},
        ),
        (
            MAILS,
            operation("replace", 'emails[type eq "work"]', value={"value": "n"}),
            {"emails": [{**WORK, "value": "n"}, HOME]},
        ),
        (MAILS, operation("replace", 'emails[type sw "w"]', value={"value": "n"}), {"emails": [{"value": "n"}, HOME]}),
        (
            MAILS,
            operation("replace", 'emails[type eq "work"].value', value="n"),
            {"emails": [{**WORK, "value": "n"}, HOME]},
        ),
        (
            MAILS,
            operation("replace", "emails[value pr].display", value="d"),
            {"emails": [{**WORK, "display": "d"}, {**HOME, "display": "d"}]},
        ),
        (
            MAILS,
            operation("replace", "emails.display", value="d"),
            {"emails": [{**WORK, "display": "d"}, {**HOME, "display": "d"}]},
        ),
        ({}, operation("replace", "emails.value", value="n"), {"emails": [{"value": "n"}]}),
        # remove
        ({"title": "x"}, operation("remove", "title"), {}),
        ({}, operation("remove", "title"), {}),
        (NAMED, operation("remove", "name"), {}),
        (NAMED, operation("remove", "name.givenName"), {"name": {"familyName": "Lovelace"}}),
        ({"name": {"givenName": "Ada"}}, operation("remove", "name.givenName"), {}),
        ({}, operation("remove", "name.givenName"), {}),
        (MAILS, operation("remove", "emails"), {}),
        ({}, operation("remove", "emails"), {}),
        (MAILS, operation("remove", 'emails[type eq "work"]'), {"emails": [HOME]}),
        (MAILS, operation("remove", "emails[value pr]"), {}),
        (MAILS, operation("remove", 'emails[type eq "other"]'), MAILS),
        (MAILS, operation("remove", 'emails[type eq "work"].value'), {"emails": [HOME]}),
        (MAILS, operation("remove", 'emails[type eq "work"].type'), {"emails": [{"value": WORK["value"]}, HOME]}),
        (MAILS, operation("remove", "emails.type"), {"emails": [{"value": WORK["value"]}, {"value": HOME["value"]}]}),
        (MAILS, operation("remove", 'emails[type eq "other"].value'), MAILS),
    ],
)
def test_an_operation_does_what_the_table_says(
    before: dict[str, Any], sent: dict[str, Any], after: dict[str, Any]
) -> None:
    assert patched(before, sent) == after


def test_a_replace_of_what_no_filter_of_equalities_selects_has_no_target() -> None:
    with pytest.raises(NoTargetError):
        patched(MAILS, operation("replace", 'emails[type sw "oth"].value', value="n"))


@pytest.mark.parametrize(
    "selection",
    [
        'type eq "a" or type eq "b"',
        'not (type eq "work")',
        "type pr",
        'type ne "work"',
        'type eq "a" and value sw "b"',
        'type eq "a" and type eq "b"',
    ],
)
@pytest.mark.parametrize("op", ["add", "replace"])
def test_only_a_plain_conjunction_of_equalities_describes_an_element(op: str, selection: str) -> None:
    with pytest.raises(NoTargetError):
        patched({}, operation(op, f"emails[{selection}].value", value="n"))


def test_operations_are_applied_in_their_order() -> None:
    after = patched(
        {},
        operation("add", "title", value="first"),
        operation("replace", "title", value="second"),
        operation("add", "emails", value=[WORK]),
        operation("remove", 'emails[type eq "work"]'),
        operation("add", "nickName", value="x"),
        operation("remove", "nickName"),
    )

    assert after == {"title": "second"}


def test_a_refused_operation_leaves_the_resource_as_it_was() -> None:
    before = {**NAMED, **MAILS, **MANAGED, "title": "x"}
    untouched = copy.deepcopy(before)

    with pytest.raises(NoTargetError):
        patched(
            before,
            operation("replace", "name.givenName", value="B"),
            operation("replace", 'emails[type eq "work"].value', value="n"),
            operation("replace", "manager", value="M-2"),
            operation("replace", 'phoneNumbers[type sw "x"].value', value="n"),
        )

    assert before == untouched


def test_parsed_operations_can_be_applied_again() -> None:
    operations = patch.parse(
        message(
            operation("add", 'emails[type eq "other"].value', value="n"),
            operation("add", "emails", value=[{"value": "p", "primary": True}]),
            operation("replace", "manager", value="M-1"),
        ),
        USERS,
    )

    once = patching.apply(operations, {"userName": "ada", **MAILS})
    twice = patching.apply(operations, once)

    assert once == twice


def test_errors_name_the_attribute_and_not_the_value() -> None:
    with pytest.raises(SCIMError) as caught:
        patched({}, operation("replace", 'emails[value sw "secret"].value', value="secret"))

    assert caught.value.detail == "Operation 1: emails[...].value selects nothing"


def test_errors_name_the_operation_by_its_place_in_the_message() -> None:
    sent = message(operation("add", value={"title": "x", "nickName": "y"}), operation("remove", "serial"))
    journaled = patch.document(patch.parse(sent, THINGS))

    with pytest.raises(SCIMError, match=r"^Operation 2: serial is immutable"):
        patching.apply(patch.restore(journaled, THINGS), {"serial": "a"})


def test_operations_that_an_older_release_journaled_have_no_place() -> None:
    journaled = [{"op": "remove", "path": "serial", "value": None}]

    with pytest.raises(SCIMError, match=r"^serial is immutable"):
        patching.apply(patch.restore(journaled, THINGS), {"serial": "a"})
