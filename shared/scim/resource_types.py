"""The resource types that this server offers (RFC 7643 section 6), and the catalogue of them that a tenant has."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

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


@dataclass(frozen=True, kw_only=True, eq=False)
class Catalogue:
    """The resource types of one tenant: the built-in ones, with the extensions that the tenant declared."""

    all: tuple[ResourceType, ...]

    @cached_property
    def by_name(self) -> dict[str, ResourceType]:
        """The types by their names."""
        return {resource_type.name: resource_type for resource_type in self.all}

    @cached_property
    def schemas(self) -> dict[str, Schema]:
        """The schemas of all types by their URNs, in lower case."""
        return {schema.id.lower(): schema for resource_type in self.all for schema in resource_type.schemas}


BUILT_IN = Catalogue(all=ALL)


def extended(declared: Sequence[tuple[str, Schema]]) -> Catalogue:
    """Return the catalogue of a tenant that declared these extensions, each with the name of its resource type."""
    return Catalogue(all=tuple(_extended(resource_type, declared) for resource_type in ALL)) if declared else BUILT_IN


def find_attribute(schema: Schema, name: str) -> Attribute | None:
    """Find an attribute of a core schema, the common ones included."""
    return schema.attribute(name) or COMMON.attribute(name)


def _extended(resource_type: ResourceType, declared: Sequence[tuple[str, Schema]]) -> ResourceType:
    own = tuple(schema for name, schema in declared if name == resource_type.name)
    return replace(resource_type, extensions=(*resource_type.extensions, *own)) if own else resource_type
