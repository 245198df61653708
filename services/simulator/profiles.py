"""What each identity provider sends of a person: its attribute mappings, as a table."""

from collections.abc import Mapping

from services.simulator import mapping
from services.simulator.mapping import ACTIVE, ENTERPRISE, MANAGER, Source

# What both map alike, by the defaults of their applications.
_SHARED: Mapping[str, Source] = {
    "userName": lambda person: person.user_name,
    "externalId": lambda person: person.external_id,
    ACTIVE: lambda person: person.is_active,
    "displayName": lambda person: person.display_name,
    "title": lambda person: person.title,
    "preferredLanguage": lambda person: person.locale,
    "name.givenName": lambda person: person.given_name,
    "name.familyName": lambda person: person.family_name,
    'emails[type eq "work"].value': lambda person: person.mail,
    'addresses[type eq "work"].streetAddress': lambda person: person.street,
    'addresses[type eq "work"].locality': lambda person: person.city,
    'addresses[type eq "work"].region': lambda person: person.region,
    'addresses[type eq "work"].postalCode': lambda person: person.postal_code,
    'addresses[type eq "work"].country': lambda person: person.country,
    'phoneNumbers[type eq "work"].value': lambda person: person.work_phone,
    'phoneNumbers[type eq "mobile"].value': lambda person: person.mobile_phone,
    f"{ENTERPRISE}:employeeNumber": lambda person: person.employee_number,
    f"{ENTERPRISE}:department": lambda person: person.department,
}
# Two choices that Microsoft's documentation recommends: externalId is the object id, which is never used again, and the
# office is the address of type other.
ENTRA = mapping.profile(
    {**_SHARED, 'addresses[type eq "other"].formatted': lambda person: person.office},
    refers_to_managers=True,
    group_key="externalId",
)
# Okta names a manager by an id of its own, and gives a pushed group no externalId.
OKTA = mapping.profile(
    {**_SHARED, "locale": lambda person: person.locale, f"{MANAGER}.value": lambda person: person.manager},
    refers_to_managers=False,
    group_key="displayName",
)
