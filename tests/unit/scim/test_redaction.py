"""Requests are told attribute by attribute, without what may be personal."""

from typing import Any

import pytest

from shared.scim import extension_files, patch, redaction, resource_types
from shared.scim.attributes import ResourceType
from shared.scim.redaction import Line
from shared.scim.resource_types import GROUPS, USERS
from shared.scim.schemas import enterprise
from tests.factories import patch as message

URN = "urn:example:payroll:1.0:User"
ID = "01a20a49-a82d-73c0-b2d9-1cfd8ec0fb9c"


@pytest.mark.parametrize(
    ("operation", "line"),
    [
        ({"op": "replace", "path": "title", "value": "Clerk"}, Line("replace", "title", "string of 5 characters")),
        ({"op": "replace", "path": "active", "value": False}, Line("replace", "active", "false")),
        ({"op": "remove", "path": "nickName"}, Line("remove", "nickName", "")),
        ({"op": "remove", "path": 'emails[type eq "work"]'}, Line("remove", "emails[type eq work]", "")),
        (
            {"op": "replace", "path": 'emails[value eq "a@b.example"].value', "value": "c@d.example"},
            Line("replace", "emails[value eq string of 11 characters].value", "string of 11 characters"),
        ),
        (
            {"op": "remove", "path": 'emails[not (type eq "home" or value pr) and primary eq true]'},
            Line("remove", "emails[not ((type eq home or value pr)) and primary eq true]", ""),
        ),
        (
            {"op": "replace", "path": f"{enterprise.URN}:department", "value": "Sales"},
            Line("replace", f"{enterprise.URN}:department", "string of 5 characters"),
        ),
    ],
)
def test_a_patch_operation_is_told_without_its_values(operation: dict[str, Any], line: Line) -> None:
    journaled = patch.document(patch.parse(message(operation), USERS))

    assert list(redaction.lines(USERS, "PATCH", journaled, redaction.without_values)) == [line]


def test_members_are_told_by_their_ids() -> None:
    add = {"op": "add", "path": "members", "value": [{"value": ID}, {"value": "Ada"}]}
    journaled = patch.document(patch.parse(message(add), GROUPS))

    told = {line.path: line.value for line in redaction.lines(GROUPS, "PATCH", journaled, redaction.without_values)}

    assert told["members[1].value"] == ID
    assert told["members[2].value"] == "string of 3 characters"


def test_a_path_that_is_declared_no_longer_is_told_without_its_filter() -> None:
    journaled = [{"op": "replace", "path": 'badges[value eq "secret"].value', "value": "secret"}]

    told = list(redaction.lines(USERS, "PATCH", journaled, redaction.with_values))

    assert told == [Line("replace", "badges", redaction.UNDECLARED)]


def test_a_delete_tells_nothing() -> None:
    assert list(redaction.lines(USERS, "DELETE", None, redaction.with_values)) == []


def sensitive() -> ResourceType:
    """Return Users with an extension of which one attribute, and a part of another one, is sensitive."""
    document = {
        "resourceType": "User",
        "id": URN,
        "name": "Payroll",
        "attributes": [
            {
                "name": "accounts",
                "type": "complex",
                "multiValued": True,
                "sensitive": True,
                "subAttributes": [{"name": "iban"}],
            },
            {
                "name": "desk",
                "type": "complex",
                "subAttributes": [{"name": "floor"}, {"name": "pin", "sensitive": True}],
            },
            {"name": "dues", "multiValued": True, "sensitive": True},
        ],
    }
    extension = extension_files.read(document)
    return resource_types.extended([(extension.resource_type, extension.schema)]).by_name["User"]


@pytest.mark.parametrize("show", [redaction.without_values, redaction.with_values])
def test_what_is_sensitive_is_shown_to_nobody(show: redaction.Show) -> None:
    values = {"accounts": [{"iban": "AT611"}], "desk": {"floor": "2", "pin": "1234"}, "dues": ["17.50", "18.50"]}

    told = {line.path: line.value for line in redaction.lines(sensitive(), "POST", {URN: values}, show)}

    hidden = {f"{URN}:{name}" for name in ("accounts", "desk.pin", "dues")}
    assert {path for path, value in told.items() if value == redaction.SECRET} == hidden
    assert told.keys() - hidden == {f"{URN}:desk.floor"}


def test_a_path_does_not_tell_what_is_sensitive_either() -> None:
    kind = sensitive()
    operation = {"op": "replace", "path": f'{URN}:accounts[iban eq "AT611"].iban', "value": "AT612"}
    journaled = [operation | {"number": 1}]

    [told] = redaction.lines(kind, "PATCH", journaled, redaction.with_values)

    assert (told.path, told.value) == (f"{URN}:accounts[iban eq a secret].iban", redaction.SECRET)
