"""The enterprise extension of User (RFC 7643 section 4.3)."""

from shared.scim.attributes import Attribute, Mutability, Schema, Stored, Type

URN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

EMPLOYEE_NUMBER = Attribute(
    name="employeeNumber", description="The number that the organisation gave the person.", is_searched=True
)
DEPARTMENT = Attribute(name="department", description="The name of the department.", is_usual=True)
MANAGER = Attribute(
    name="manager",
    description="The person's manager.",
    type=Type.COMPLEX,
    is_usual=True,
    sub_attributes=(
        Attribute(name="value", description="The id of the manager's User.", case_exact=True),
        Attribute(
            name="$ref",
            description="The URI of the manager's User.",
            type=Type.REFERENCE,
            case_exact=True,
            reference_types=("User",),
            stored=Stored.COMPUTED,
        ),
        Attribute(
            name="displayName",
            description="The manager's displayName.",
            mutability=Mutability.READ_ONLY,
            of_others=True,
            stored=Stored.COMPUTED,
        ),
    ),
)

ENTERPRISE_USER = Schema(
    id=URN,
    name="EnterpriseUser",
    description="What an employer adds to a User.",
    column_prefix="enterprise",
    attributes=(
        EMPLOYEE_NUMBER,
        Attribute(name="costCenter", description="The name of the cost centre."),
        Attribute(name="organization", description="The name of the organisation."),
        Attribute(name="division", description="The name of the division."),
        DEPARTMENT,
        MANAGER,
    ),
)
