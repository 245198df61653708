"""What a query asks for is read once, whether it comes as parameters or as a message."""

import pytest

from shared.scim import filters, searches
from shared.scim.attributes import Attribute, ResourceType, Returned, Schema, Type
from shared.scim.errors import InvalidFilterError, InvalidPathError
from shared.scim.resource_types import USERS
from tests.unit.scim import badge

VAULTS = ResourceType(
    name="Vault",
    endpoint="/Vaults",
    description="Vaults",
    schema=Schema(
        id="urn:example:Vault",
        name="Vault",
        description="A vault.",
        attributes=(
            Attribute(
                name="codes",
                description="What opens it.",
                type=Type.COMPLEX,
                multi_valued=True,
                sub_attributes=(
                    Attribute(name="value", description="The code.", returned=Returned.NEVER),
                    Attribute(name="type", description="Whose code."),
                ),
            ),
        ),
    ),
)


@pytest.mark.parametrize(
    ("text", "resource_type"),
    [
        ("password", USERS),
        (f"{badge.URN}:pin", badge.USERS),
        ("pin", badge.USERS),
        ("codes.value", VAULTS),
        ("codes", VAULTS),
    ],
)
def test_what_is_never_shown_gives_no_order(text: str, resource_type: ResourceType) -> None:
    with pytest.raises(InvalidPathError, match="may not be sorted by"):
        searches.sort_path(text, resource_type)


@pytest.mark.parametrize("text", ['codes eq "7"', 'codes.value eq "7"', 'codes[value eq "7"]', 'codes[type pr] eq "7"'])
def test_what_is_never_shown_selects_nothing(text: str) -> None:
    with pytest.raises(InvalidFilterError, match="may not be filtered by"):
        filters.parse(text, VAULTS)
