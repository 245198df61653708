"""Which writes take somebody's access away, however an identity provider spells them."""

from typing import Any

import pytest

from shared.scim import leaving, patch, resource_types, validation
from shared.scim.schemas import user
from tests.factories import patch as message
from tests.factories import person, replace, role

SPELLINGS = [
    pytest.param([replace("active", value=False)], id="as the RFC has it"),
    pytest.param([{"op": "Replace", "path": "active", "value": "False"}], id="Entra ID without its flag"),
    pytest.param([{"op": "replace", "value": {"active": False}}], id="Okta, without a path"),
    pytest.param([{"op": "Add", "path": "active", "value": [{"value": "False"}]}], id="wrapped"),
    pytest.param([replace(f"{user.URN}:active", value=False)], id="behind its URN"),
    pytest.param([{"op": "replace", "path": user.URN, "value": {"ACTIVE": "false"}}], id="in the schema's object"),
    pytest.param([replace("title", "x"), replace("active", value=False)], id="among others"),
    pytest.param([replace("active", value=True), replace("active", value=False)], id="as the last word"),
]
OTHERS = [
    pytest.param([replace("active", value=True)], id="activation"),
    pytest.param([replace("title", "False")], id="another attribute"),
    pytest.param([replace("active", value=False), replace("active", value=True)], id="taken back"),
    pytest.param([{"op": "remove", "path": "active"}], id="removal"),
]


def is_urgent(operations: list[dict[str, Any]]) -> bool:
    return leaving.is_in_patch(patch.parse(message(*operations), resource_types.USERS))


@pytest.mark.parametrize("operations", SPELLINGS)
def test_a_patch_that_deactivates_is_urgent(operations: list[dict[str, Any]]) -> None:
    assert is_urgent(operations)


@pytest.mark.parametrize("operations", OTHERS)
def test_another_patch_is_not(operations: list[dict[str, Any]]) -> None:
    assert not is_urgent(operations)


def test_a_patch_of_a_group_is_not() -> None:
    operations = patch.parse(message(replace("displayName", "active")), resource_types.GROUPS)

    assert not leaving.is_in_patch(operations)


@pytest.mark.parametrize(("active", "expected"), [(False, True), ("False", True), (True, False)])
def test_a_resource_is_urgent_when_it_is_inactive(active: object, expected: bool) -> None:
    resource = validation.resource(resource_types.USERS, person(active=active))

    assert leaving.is_in_resource(resource) is expected


def test_a_resource_that_says_nothing_is_not_urgent() -> None:
    assert not leaving.is_in_resource(validation.resource(resource_types.USERS, person()))
    assert not leaving.is_in_resource(validation.resource(resource_types.GROUPS, role()))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"Operations": [{"op": "replace", "path": "active", "value": false}]}', True),
        (b'{"Operations": [{"op": "Replace", "path": "active", "value": "False"}]}', True),
        (b'{"Operations": [{"op": "replace", "value": {"Active": false}}]}', True),
        (b'{"userName": "ada", "active": true}', False),
        (b'{"Operations": [{"op": "replace", "path": "title", "value": "x"}]}', False),
        (b'{"emails": [{"value": "a@example.com", "primary": false}]}', False),
        (b"\xff\xfe", False),
        (b"", False),
    ],
)
def test_the_words_of_a_message_tell_whether_somebody_may_leave(body: bytes, expected: bool) -> None:
    assert leaving.is_likely_in(body) is expected
