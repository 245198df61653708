"""The named tolerances: what clients send that the RFC does not know, each with the client that needs it.

The rules themselves stand where they apply, and `note` which of them a request needed, so that each can be counted.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """One deviation from the RFC that is understood."""

    name: str
    source: str
    description: str


# The names of the tolerances that a request needed; the caller who wants to know passes an empty set.
Used = set[str]

OPERATION_CASE = Tolerance(
    name="operation-case",
    source="Entra ID without aadOptscim062020",
    description="'Replace' is 'replace'.",
)
KEY_CASE = Tolerance(
    name="key-case",
    source="RFC 7643 section 2.1, taken further: libraries that send 'operations'",
    description="The keys of a PATCH message are known whatever their case.",
)
EMPTY_PATH = Tolerance(
    name="empty-path",
    source="Serialisers that write every field",
    description="A path that is null or empty is absent.",
)
STRING_BOOLEAN = Tolerance(
    name="string-boolean",
    source="Entra ID: AzureAD/SCIMReferenceCode#21",
    description="The strings 'True' and 'False', in any case, are booleans for boolean attributes.",
)
WRAPPED_SINGLE = Tolerance(
    name="wrapped-single",
    source="Entra ID: MicrosoftDocs/azure-docs#42220",
    description="An array of one is the value itself for a singular attribute.",
)
VALUE_OBJECT = Tolerance(
    name="value-object",
    source="Entra ID: MicrosoftDocs/azure-docs#42220",
    description="An object with a 'value' is that value for a simple attribute.",
)
BARE_VALUE = Tolerance(
    name="bare-value",
    source="Entra ID sends a manager's id alone: SCIM-SDK#686",
    description="A string is the 'value' of a complex attribute that has one.",
)
SINGLE_FOR_MULTIPLE = Tolerance(
    name="single-for-multiple",
    source="Clients that add one member as an object",
    description="A single value is an array of one for a multi-valued attribute.",
)
JSON_TEXT = Tolerance(
    name="json-text",
    source="Entra ID's application roles: MicrosoftDocs/azure-docs#50772",
    description="A value that is an object written as JSON text is read, and its value and display name are taken.",
)
UNKNOWN_ATTRIBUTE = Tolerance(
    name="unknown-attribute",
    source="Okta, Entra ID and Keycloak send attributes of their own",
    description="An unknown attribute in a value is ignored; an unknown path is not.",
)
READ_ONLY_ATTRIBUTE = Tolerance(
    name="read-only-attribute",
    source="Okta sends a group's id along: Metatavu/keycloak-scim-server#113",
    description="A readOnly attribute in the value of a PATCH operation without a path is ignored.",
)
DOTTED_KEY = Tolerance(
    name="dotted-key",
    source="Entra ID with aadOptscim062020: thomaspoignant/scim-patch#132",
    description="Keys such as 'name.givenName', or an attribute behind its URN, are paths.",
)
UNQUALIFIED_EXTENSION = Tolerance(
    name="unqualified-extension",
    source="Entra ID sends 'manager' without its URN",
    description="An extension's attribute is known without the URN where no other has its name.",
)
REMOVE_BY_VALUE = Tolerance(
    name="remove-by-value",
    source="Entra ID without aadOptscim062020: MicrosoftDocs/azure-docs#30826",
    description="A remove with a value removes what it lists, and nothing else.",
)
CREATE_ON_ABSENT = Tolerance(
    name="create-on-absent",
    source="Entra ID replaces a work address that nobody has yet: SCIM-SDK#416",
    description="A value path of equalities that matches nothing creates the element that it describes.",
)
DRAFT_URN = Tolerance(
    name="draft-urn",
    source="OneLogin's 'SCIM v2 Enterprise': goauthentik/authentik#11249",
    description="A resource may name its schemas as drafts of the RFC did: 'urn:scim:schemas:core:2.0'.",
)
MISSING_OP = Tolerance(
    name="missing-op",
    source="Google Workspace, by a report that could not be confirmed",
    description="An operation without a path may lack 'op', where add and replace do the same: for single values.",
)
SELECTED_ATTRIBUTE = Tolerance(
    name="selected-attribute",
    source="Microsoft's reference collection: AzureAD/SCIMReferenceCode",
    description="A value path in 'attributes' is the attribute, with all of its values.",
)
REFERENCE_ALONE = Tolerance(
    name="reference-alone",
    source="RFC 7643 section 2.4, taken at its word: '$ref' is the reference URI of the target",
    description="An object with '$ref' and no 'value' means the resource whose id ends that URI: '.../Users/{id}'.",
)

ALL = (
    OPERATION_CASE,
    KEY_CASE,
    EMPTY_PATH,
    STRING_BOOLEAN,
    WRAPPED_SINGLE,
    VALUE_OBJECT,
    BARE_VALUE,
    SINGLE_FOR_MULTIPLE,
    JSON_TEXT,
    UNKNOWN_ATTRIBUTE,
    READ_ONLY_ATTRIBUTE,
    DOTTED_KEY,
    UNQUALIFIED_EXTENSION,
    REMOVE_BY_VALUE,
    CREATE_ON_ABSENT,
    DRAFT_URN,
    MISSING_OP,
    SELECTED_ATTRIBUTE,
    REFERENCE_ALONE,
)


BY_NAME = {tolerance.name: tolerance for tolerance in ALL}


def note(used: Used | None, tolerance: Tolerance) -> None:
    """Remember that a request needed a tolerance, if anybody wants to know."""
    if used is not None:
        used.add(tolerance.name)
