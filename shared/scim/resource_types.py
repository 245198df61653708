"""The resource types that this server offers (RFC 7643 section 6)."""

from shared.scim.attributes import Attribute, ResourceType, Schema
from shared.scim.schemas.common import ID, META, SCHEMAS
from shared.scim.schemas.enterprise import ENTERPRISE_USER
from shared.scim.schemas.group import GROUP
from shared.scim.schemas.user import USER

COMMON = Schema(
    id="",
    name="Common",
    description="What every resource has besides its schema (RFC 7643 section 3.1); never shown in /Schemas.",
    attributes=(SCHEMAS, ID, META),
)
USERS = ResourceType(
    name="User",
    endpoint="/Users",
    description="Employees",
    schema=USER,
    extensions=(ENTERPRISE_USER,),
)
GROUPS = ResourceType(
    name="Group",
    endpoint="/Groups",
    description="Staff-portal roles",
    schema=GROUP,
)
ALL = (USERS, GROUPS)
BY_NAME = {resource_type.name: resource_type for resource_type in ALL}
SCHEMAS_BY_URN = {schema.id.lower(): schema for resource_type in ALL for schema in resource_type.schemas}


def find_attribute(schema: Schema, name: str) -> Attribute | None:
    """Find an attribute of a core schema, the common ones included."""
    return schema.attribute(name) or COMMON.attribute(name)
