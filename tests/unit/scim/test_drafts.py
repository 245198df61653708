"""The URNs of SCIM's drafts are read as those of the RFC, in resources of the type that they belong to."""

from typing import Any

import pytest

from shared.scim import validation
from shared.scim.dialects import drafts, tolerances
from shared.scim.dialects.tolerances import Used
from shared.scim.errors import InvalidSyntaxError
from shared.scim.resource_types import GROUPS, USERS
from shared.scim.schemas import enterprise, group, user

CORE, EXTENSION = "urn:scim:schemas:core:2.0", "urn:scim:schemas:extension:enterprise:2.0"


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"schemas": [CORE]}, {"schemas": [user.URN]}),
        ({"SCHEMAS": [f"{CORE}:User".upper(), 7]}, {"SCHEMAS": [user.URN, 7]}),
        ({"schemas": [EXTENSION, f"{EXTENSION}:User"]}, {"schemas": [enterprise.URN] * 2}),
        ({EXTENSION: {"department": "d"}}, {enterprise.URN: {"department": "d"}}),
        ({enterprise.URN: {"department": "new"}, EXTENSION: 1}, {enterprise.URN: {"department": "new"}}),
    ],
)
def test_a_drafts_urn_is_the_registered_one(sent: dict[str, Any], expected: dict[str, Any]) -> None:
    used: Used = set()

    assert drafts.normalise(sent, USERS, used) == expected
    assert used == {tolerances.DRAFT_URN.name}


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"schemas": [user.URN, enterprise.URN], enterprise.URN: {}},
        {"schemas": "urn:scim:schemas:core:2.0"},
        {"schemas": ["urn:scim:schemas:core:1.0", f"{CORE}:Group", None]},
        {"title": CORE},
    ],
)
def test_everything_else_is_left_alone(document: dict[str, Any]) -> None:
    used: Used = set()

    assert drafts.normalise(document, USERS, used) == document
    assert used == set()


def test_the_short_urn_is_that_of_whatever_type_is_written() -> None:
    assert drafts.normalise({"schemas": [CORE]}, GROUPS) == {"schemas": [group.URN]}


def test_another_version_of_the_protocol_is_refused() -> None:
    with pytest.raises(InvalidSyntaxError):
        validation.resource(USERS, {"schemas": ["urn:scim:schemas:core:1.0"], "userName": "ada"})
