"""The User schema (RFC 7643 section 4.1): a person, who is an employee in the directory."""

from shared.scim.attributes import Attribute, Mutability, Returned, Schema, Stored, Type, Uniqueness
from shared.scim.schemas.common import EXTERNAL_ID, LOOKED_UP, PRIMARY, multi_valued

URN = "urn:ietf:params:scim:schemas:core:2.0:User"

USER_NAME = Attribute(
    name="userName",
    description="The name the person signs in with; unique in the tenant, whatever its case.",
    required=True,
    uniqueness=Uniqueness.SERVER,
    max_length=LOOKED_UP,
    is_sought=True,
    is_searched=True,
)
NAME = Attribute(
    name="name",
    description="The components of the person's name.",
    type=Type.COMPLEX,
    is_usual=True,
    sub_attributes=(
        Attribute(name="formatted", description="The full name, as it is shown.", is_searched=True),
        Attribute(
            name="familyName",
            description="The family name, or last name.",
            is_ordered=True,
            is_sought=True,
            is_searched=True,
        ),
        Attribute(name="givenName", description="The given name, or first name.", is_searched=True),
        Attribute(name="middleName", description="The middle names."),
        Attribute(name="honorificPrefix", description="A title before the name, as in 'Dr.'."),
        Attribute(name="honorificSuffix", description="A suffix after the name, as in 'III'."),
    ),
)
DISPLAY_NAME = Attribute(
    name="displayName",
    description="The name that is shown.",
    is_ordered=True,
    is_sought=True,
    is_usual=True,
    is_searched=True,
)
TITLE = Attribute(name="title", description="The job title.")
EMAILS = multi_valued(
    "emails",
    "E-mail addresses.",
    "work",
    "home",
    "other",
    is_sought=True,
    is_usual=True,
    is_searched=True,
)
ACTIVE = Attribute(
    name="active", description="Whether the person may sign in.", type=Type.BOOLEAN, default=True, is_usual=True
)
ADDRESSES = Attribute(
    name="addresses",
    description="Postal addresses.",
    type=Type.COMPLEX,
    multi_valued=True,
    stored=Stored.DOCUMENT,
    sub_attributes=(
        Attribute(name="formatted", description="The address as it is written on a letter."),
        Attribute(name="streetAddress", description="Street, house number, and what else the line holds."),
        Attribute(name="locality", description="The city."),
        Attribute(name="region", description="The state or region."),
        Attribute(name="postalCode", description="The postal code."),
        Attribute(name="country", description="The country, as an ISO 3166-1 alpha-2 code."),
        Attribute(name="type", description="What the address is for.", canonical_values=("work", "home", "other")),
        PRIMARY,
    ),
)
GROUPS = Attribute(
    name="groups",
    description="The groups that the person is a member of; changed through the groups.",
    type=Type.COMPLEX,
    multi_valued=True,
    mutability=Mutability.READ_ONLY,
    stored=Stored.ROWS,
    of_others=True,
    sub_attributes=(
        Attribute(name="value", description="The group's id.", case_exact=True, mutability=Mutability.READ_ONLY),
        Attribute(
            name="$ref",
            description="The group's URI.",
            type=Type.REFERENCE,
            case_exact=True,
            reference_types=("Group",),
            mutability=Mutability.READ_ONLY,
            stored=Stored.COMPUTED,
        ),
        Attribute(name="display", description="The group's name.", mutability=Mutability.READ_ONLY),
        Attribute(
            name="type",
            description="How the membership came about.",
            canonical_values=("direct", "indirect"),
            mutability=Mutability.READ_ONLY,
            stored=Stored.COMPUTED,
        ),
    ),
)

USER = Schema(
    id=URN,
    name="User",
    description="User Account",
    attributes=(
        EXTERNAL_ID,
        USER_NAME,
        NAME,
        DISPLAY_NAME,
        Attribute(name="nickName", description="The casual name."),
        Attribute(
            name="profileUrl",
            description="The person's page.",
            type=Type.REFERENCE,
            case_exact=True,
            reference_types=("external",),
        ),
        TITLE,
        Attribute(name="userType", description="The relation to the organisation, as in 'Contractor'."),
        Attribute(name="preferredLanguage", description="Languages in order of preference, as in Accept-Language."),
        Attribute(name="locale", description="For formatting dates, numbers and currency, as in 'en-GB'."),
        Attribute(name="timezone", description="As in the IANA time zone database: 'Europe/Vienna'."),
        ACTIVE,
        Attribute(
            name="password",
            description="What the person signs in with; kept as a hash, and shown to nobody.",
            case_exact=True,
            mutability=Mutability.WRITE_ONLY,
            returned=Returned.NEVER,
            is_hashed=True,
            is_sensitive=True,
        ),
        EMAILS,
        multi_valued("phoneNumbers", "Telephone numbers.", "work", "home", "mobile", "fax", "pager", "other"),
        multi_valued(
            "ims", "Instant messaging addresses.", "aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"
        ),
        multi_valued(
            "photos",
            "Pictures of the person.",
            "photo",
            "thumbnail",
            value=Type.REFERENCE,
            reference_types=("external",),
        ),
        ADDRESSES,
        GROUPS,
        multi_valued("entitlements", "What the person is entitled to."),
        multi_valued("roles", "What the person is, as in 'Student'."),
        multi_valued("x509Certificates", "Certificates, DER in base64.", value=Type.BINARY),
    ),
)
