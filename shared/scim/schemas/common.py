"""Attributes that every resource has (RFC 7643 section 3.1), and the shape that multi-valued ones share."""

from shared.scim.attributes import Attribute, Mutability, Returned, Stored, Type, Uniqueness

LOOKED_UP = 512
"""What an index of the directory bears, in characters of any script."""

SCHEMAS = Attribute(
    name="schemas",
    description="The URNs of all schemas in use.",
    type=Type.REFERENCE,
    reference_types=("uri",),
    multi_valued=True,
    required=True,
    case_exact=True,
    returned=Returned.ALWAYS,
    stored=Stored.COMPUTED,
)
ID = Attribute(
    name="id",
    description="The identifier that this server gave the resource; never changed, never given again.",
    case_exact=True,
    mutability=Mutability.READ_ONLY,
    returned=Returned.ALWAYS,
    uniqueness=Uniqueness.GLOBAL,
)
EXTERNAL_ID = Attribute(
    name="externalId",
    description="The identifier that the provisioning client gave the resource.",
    max_length=LOOKED_UP,
    case_exact=True,
    is_ordered=True,
    is_sought=True,
    is_usual=True,
)


def _meta(
    name: str,
    description: str,
    type_: Type = Type.STRING,
    stored: Stored = Stored.COLUMNS,
    *,
    is_ordered: bool = False,
) -> Attribute:
    return Attribute(
        name=name,
        description=description,
        type=type_,
        case_exact=True,
        mutability=Mutability.READ_ONLY,
        stored=stored,
        is_ordered=is_ordered,
        reference_types=("uri",) if type_ is Type.REFERENCE else (),
    )


META = Attribute(
    name="meta",
    description="What the server knows about the resource itself.",
    type=Type.COMPLEX,
    mutability=Mutability.READ_ONLY,
    sub_attributes=(
        _meta("resourceType", "The name of the resource type.", stored=Stored.COMPUTED),
        _meta("created", "When the resource came into being.", Type.DATE_TIME, is_ordered=True),
        _meta("lastModified", "When the resource last changed.", Type.DATE_TIME),
        _meta("location", "The resource's URI.", Type.REFERENCE, Stored.COMPUTED),
        _meta("version", "The resource's version, equal to its ETag.", stored=Stored.COMPUTED),
    ),
)


def multi_valued(
    name: str,
    description: str,
    *types: str,
    value: Type = Type.STRING,
    reference_types: tuple[str, ...] = (),
    required: bool = False,
    is_sought: bool = False,
    is_usual: bool = False,
    is_searched: bool = False,
) -> Attribute:
    """Declare an attribute with the default sub-attributes of RFC 7643 section 2.4."""
    return Attribute(
        name=name,
        description=description,
        type=Type.COMPLEX,
        multi_valued=True,
        stored=Stored.DOCUMENT,
        is_usual=is_usual,
        sub_attributes=(
            Attribute(
                name="value",
                description="The value itself.",
                is_sought=is_sought,
                type=value,
                reference_types=reference_types,
                required=required,
                case_exact=value in {Type.BINARY, Type.REFERENCE},
                is_searched=is_searched,
            ),
            Attribute(name="display", description="The value as people read it."),
            Attribute(name="type", description="What the value is for.", canonical_values=types),
            PRIMARY,
        ),
    )


PRIMARY = Attribute(
    name="primary",
    description="Whether this is the preferred one; at most one is.",
    type=Type.BOOLEAN,
)
