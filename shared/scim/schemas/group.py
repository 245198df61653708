"""The Group schema (RFC 7643 section 4.2): a group, which is a staff-portal role in the directory."""

from shared.scim.attributes import Attribute, Mutability, Schema, Stored, Type, Uniqueness
from shared.scim.schemas.common import EXTERNAL_ID, LOOKED_UP

URN = "urn:ietf:params:scim:schemas:core:2.0:Group"

DISPLAY_NAME = Attribute(
    name="displayName",
    description="The group's name; unique in the tenant, whatever its case.",
    required=True,
    uniqueness=Uniqueness.SERVER,
    max_length=LOOKED_UP,
    is_sought=True,
)
MEMBERS = Attribute(
    name="members",
    description="The members of the group.",
    type=Type.COMPLEX,
    multi_valued=True,
    stored=Stored.ROWS,
    sub_attributes=(
        Attribute(
            name="value",
            description="The member's id.",
            required=True,
            case_exact=True,
            mutability=Mutability.IMMUTABLE,
        ),
        Attribute(
            name="$ref",
            description="The member's URI.",
            type=Type.REFERENCE,
            case_exact=True,
            reference_types=("User", "Group"),
            mutability=Mutability.IMMUTABLE,
            stored=Stored.COMPUTED,
        ),
        Attribute(
            name="type",
            description="What the member is.",
            canonical_values=("User", "Group"),
            mutability=Mutability.IMMUTABLE,
        ),
        Attribute(
            name="display",
            description="The member's name.",
            mutability=Mutability.READ_ONLY,
            of_others=True,
        ),
    ),
)

GROUP = Schema(
    id=URN,
    name="Group",
    description="A group of people, and of groups.",
    attributes=(
        EXTERNAL_ID,
        DISPLAY_NAME,
        MEMBERS,
    ),
)
