"""The registry's records: what RFC 7643 says of an attribute, a schema and a resource type.

Each attribute is declared once, in `shared.scim.schemas`. Validation, `/Schemas`, filters, PATCH rules, projection and
the directory's columns are derived from these records (RFC 7643 sections 2.2, 2.4 and 7). A tenant's own extensions are
read into the same records by `shared.scim.extension_files`. There is one record of each, so they are compared by
identity.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import cached_property

# The sub-attributes that multi-valued attributes share (RFC 7643 section 2.4).
VALUE = "value"
DISPLAY = "display"
TYPE = "type"
PRIMARY = "primary"


class Type(StrEnum):
    """Data types of RFC 7643 section 2.3."""

    STRING = "string"
    BOOLEAN = "boolean"
    DECIMAL = "decimal"
    INTEGER = "integer"
    DATE_TIME = "dateTime"
    BINARY = "binary"
    REFERENCE = "reference"
    COMPLEX = "complex"


class Mutability(StrEnum):
    """When an attribute may be written (RFC 7643 section 7)."""

    READ_ONLY = "readOnly"
    READ_WRITE = "readWrite"
    IMMUTABLE = "immutable"
    WRITE_ONLY = "writeOnly"


class Returned(StrEnum):
    """When an attribute is part of an answer (RFC 7643 section 7)."""

    ALWAYS = "always"
    NEVER = "never"
    DEFAULT = "default"
    REQUEST = "request"


class Uniqueness(StrEnum):
    """Within what a value may occur once (RFC 7643 section 7)."""

    NONE = "none"
    SERVER = "server"
    GLOBAL = "global"


class Stored(Enum):
    """How the directory keeps an attribute."""

    COLUMNS = "a column, or one for each sub-attribute"
    DOCUMENT = "one JSONB column"
    ROWS = "rows of a table of its own"
    BAG = "in the bag: one JSONB column for all extensions that a tenant declared"
    COMPUTED = "nothing: derived when read"


@dataclass(frozen=True, kw_only=True, eq=False)
class Attribute:
    """One attribute or sub-attribute with all its characteristics."""

    name: str
    description: str
    type: Type = Type.STRING
    multi_valued: bool = False
    required: bool = False
    case_exact: bool = False
    mutability: Mutability = Mutability.READ_WRITE
    returned: Returned = Returned.DEFAULT
    uniqueness: Uniqueness = Uniqueness.NONE
    canonical_values: tuple[str, ...] = ()
    reference_types: tuple[str, ...] = ()
    sub_attributes: tuple["Attribute", ...] = ()
    stored: Stored = Stored.COLUMNS
    of_others: bool = False
    """Whether it tells of other resources, so that it may change while this one keeps its version."""
    max_length: int = 8_192
    """Characters of a string, at most; what is looked up by an index takes less than other strings."""
    is_ordered: bool = False
    """Whether the directory keeps its order in an index: clients look it up, or sort lists by it."""
    is_hashed: bool = False
    """Whether a hash is kept in the place of its value, which nobody sees but who hashes it."""
    is_sensitive: bool = False
    """Whether its values are shown to no operator, and are no part of the history."""
    is_sought: bool = False
    """Whether whoever looks for a resource may know it by this value."""
    is_usual: bool = False
    """Whether identity providers send it unless somebody took the mapping away."""
    is_searched: bool = False
    """Whether people look for a resource by it: the directory's text for searching holds it."""
    default: bool | None = None
    """What a new resource has when the client names no value; a PUT that names none keeps what there is."""

    @cached_property
    def column(self) -> str:
        """The name in Python and SQL: `familyName` is `family_name`, `$ref` is `ref`."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self.name.lstrip("$")).lower()

    @cached_property
    def _by_name(self) -> dict[str, "Attribute"]:
        return {sub.name.lower(): sub for sub in self.sub_attributes}

    def sub(self, name: str) -> "Attribute | None":
        """Find a sub-attribute; names are case-insensitive (RFC 7643 section 2.1)."""
        return self._by_name.get(name.lower())

    @cached_property
    def reference(self) -> "Attribute | None":
        """The sub-attribute that holds the URI of another resource, where the server derives it."""
        return next((sub for sub in self.sub_attributes if sub.is_derived_reference), None)

    @property
    def is_derived_reference(self) -> bool:
        """Whether it is the URI of a resource, whose type has a capital letter, that the server derives."""
        names_resources = any(not name.islower() for name in self.reference_types)
        return self.type is Type.REFERENCE and self.stored is Stored.COMPUTED and names_resources

    @property
    def is_complex(self) -> bool:
        return self.type is Type.COMPLEX

    @property
    def is_writable(self) -> bool:
        return self.mutability is not Mutability.READ_ONLY


@dataclass(frozen=True, kw_only=True, eq=False)
class Schema:
    """A schema (RFC 7643 section 7); `column_prefix` keeps an extension's columns apart from the core ones."""

    id: str
    name: str
    description: str
    attributes: tuple[Attribute, ...]
    column_prefix: str = ""

    @cached_property
    def _by_name(self) -> dict[str, Attribute]:
        return {attribute.name.lower(): attribute for attribute in self.attributes}

    @property
    def is_extension(self) -> bool:
        """Whether its attributes are nested under its URN; only an extension's columns need a prefix."""
        return bool(self.column_prefix) or self.is_custom

    @cached_property
    def is_custom(self) -> bool:
        """Whether a tenant declared it: it has no columns, and all its attributes are in the bag."""
        return any(attribute.stored is Stored.BAG for attribute in self.attributes)

    def attribute(self, name: str) -> Attribute | None:
        """Find an attribute; names are case-insensitive (RFC 7643 section 2.1)."""
        return self._by_name.get(name.lower())


@dataclass(frozen=True, kw_only=True, eq=False)
class ResourceType:
    """A resource type (RFC 7643 section 6): its core schema, and the extensions that it may carry."""

    name: str
    endpoint: str
    description: str
    schema: Schema
    extensions: tuple[Schema, ...] = ()

    @cached_property
    def schemas(self) -> tuple[Schema, ...]:
        """The core schema, then the extensions."""
        return (self.schema, *self.extensions)

    @cached_property
    def _by_urn(self) -> dict[str, Schema]:
        return {schema.id.lower(): schema for schema in self.schemas}

    def find_schema(self, urn: str) -> Schema | None:
        """Find a schema of this type by its URN, whose case does not matter."""
        return self._by_urn.get(urn.lower())

    def walk(self) -> Iterator[tuple[Schema, Attribute]]:
        """Yield every attribute with the schema that declares it."""
        for schema in self.schemas:
            for attribute in schema.attributes:
                yield schema, attribute
