"""What the tests of `shared.scim` send: the shortest bodies that are valid, and a resource type with every type."""

from typing import Any

from shared.scim import messages, patch, patching
from shared.scim.attributes import Attribute, Mutability, ResourceType, Returned, Schema, Type
from shared.scim.dialects.tolerances import Used
from shared.scim.resource_types import GROUPS, USERS
from shared.scim.schemas.common import multi_valued

USER_URN = USERS.schema.id
GROUP_URN = GROUPS.schema.id
ENTERPRISE = USERS.extensions[0].id
WORK = {"type": "work", "value": "work@example.com"}
HOME = {"type": "home", "value": "home@example.com"}
NAMED = {"name": {"givenName": "Ada", "familyName": "Lovelace"}}
MAILS = {"emails": [WORK, HOME]}
MANAGED = {ENTERPRISE: {"department": "Engines", "manager": {"value": "M-1"}}}


def user(**attributes: Any) -> dict[str, Any]:
    """Return the body of a POST of a user."""
    return {"schemas": [USER_URN], "userName": "ada", **attributes}


def group(**attributes: Any) -> dict[str, Any]:
    """Return the body of a POST of a group."""
    return {"schemas": [GROUP_URN], "displayName": "Engineers", **attributes}


def operation(op: str, path: str | None = None, **value: Any) -> dict[str, Any]:
    """Return one operation; the value is given as `value=`, or not at all."""
    return {"op": op, **({} if path is None else {"path": path}), **value}


def message(*operations: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a PATCH."""
    return {"schemas": [messages.PATCH_OP], "Operations": list(operations)}


def patched(
    resource: dict[str, Any],
    *operations: dict[str, Any],
    resource_type: ResourceType = USERS,
    used: Used | None = None,
) -> dict[str, Any]:
    """Return a resource after a PATCH."""
    return patching.apply(patch.parse(message(*operations), resource_type, used), resource, used)


# The real resource types have no attribute that a client may write of these types.
THING = Schema(
    id="urn:example:Thing",
    name="Thing",
    description="A thing.",
    attributes=(
        Attribute(name="count", description="How many.", type=Type.INTEGER),
        Attribute(name="weight", description="How heavy.", type=Type.DECIMAL),
        Attribute(name="bought", description="When.", type=Type.DATE_TIME),
        Attribute(name="picture", description="How it looks.", type=Type.BINARY),
        Attribute(name="serial", description="Never changed.", mutability=Mutability.IMMUTABLE),
        Attribute(name="hint", description="Shown on request.", returned=Returned.REQUEST),
        Attribute(name="nickNames", description="Simple values.", multi_valued=True),
        Attribute(
            name="maker",
            description="Who made it.",
            type=Type.COMPLEX,
            returned=Returned.ALWAYS,
            sub_attributes=(
                Attribute(name="name", description="The name.", required=True, returned=Returned.ALWAYS),
                Attribute(name="town", description="The town."),
                Attribute(name="secret", description="Never shown.", returned=Returned.NEVER),
                Attribute(name="note", description="Shown on request.", returned=Returned.REQUEST),
            ),
        ),
        Attribute(
            name="owners",
            description="Whose it was.",
            type=Type.COMPLEX,
            multi_valued=True,
            sub_attributes=(
                Attribute(name="value", description="The id.", required=True, mutability=Mutability.IMMUTABLE),
                Attribute(name="since", description="Since when.", type=Type.DATE_TIME),
            ),
        ),
        multi_valued("codes", "Codes."),
    ),
)
THINGS = ResourceType(name="Thing", endpoint="/Things", description="Things", schema=THING)
