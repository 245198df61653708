"""Entra's attribute mappings: which attribute of a person becomes which SCIM path, both to write and to read back.

The paths are Entra's defaults, with two choices that its documentation recommends: externalId is the object id, which
is never used again, and the office is the address of type other.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from services.simulator.people import Person

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MANAGER = f"{ENTERPRISE}:manager"
ACTIVE = "active"

Value = str | bool | None
Source = Callable[[Person], Value]

_VALUE_PATH = re.compile(r'(?P<attribute>\w+)\[type eq "(?P<type>\w+)"\]\.(?P<sub>\w+)')


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """One mapping: the path as Entra writes it, its parts, and where the value comes from."""

    path: str
    source: Source
    attribute: str
    extension: str | None = None
    element_type: str | None = None
    sub: str | None = None

    @property
    def is_value_path(self) -> bool:
        return self.element_type is not None


def _mapped(path: str, source: Source) -> Mapped:
    if match := _VALUE_PATH.fullmatch(path):
        return Mapped(
            path=path, source=source, attribute=match["attribute"], element_type=match["type"], sub=match["sub"]
        )
    extension = ENTERPRISE if path.startswith(ENTERPRISE) else None
    attribute, _, sub = path.removeprefix(f"{ENTERPRISE}:").partition(".")
    return Mapped(path=path, source=source, attribute=attribute, extension=extension, sub=sub or None)


MAPPINGS: Mapping[str, Mapped] = {
    path: _mapped(path, source)
    for path, source in (
        ("userName", lambda person: person.user_name),
        ("externalId", lambda person: person.external_id),
        (ACTIVE, lambda person: person.is_active),
        ("displayName", lambda person: person.display_name),
        ("title", lambda person: person.title),
        ("preferredLanguage", lambda person: person.locale),
        ("name.givenName", lambda person: person.given_name),
        ("name.familyName", lambda person: person.family_name),
        ('emails[type eq "work"].value', lambda person: person.mail),
        ('addresses[type eq "other"].formatted', lambda person: person.office),
        ('addresses[type eq "work"].streetAddress', lambda person: person.street),
        ('addresses[type eq "work"].locality', lambda person: person.city),
        ('addresses[type eq "work"].region', lambda person: person.region),
        ('addresses[type eq "work"].postalCode', lambda person: person.postal_code),
        ('addresses[type eq "work"].country', lambda person: person.country),
        ('phoneNumbers[type eq "work"].value', lambda person: person.work_phone),
        ('phoneNumbers[type eq "mobile"].value', lambda person: person.mobile_phone),
        (f"{ENTERPRISE}:employeeNumber", lambda person: person.employee_number),
        (f"{ENTERPRISE}:department", lambda person: person.department),
    )
}


def attributes(person: Person) -> dict[str, Value]:
    """Return what the directory should hold of a person, by path; None for what it should not have."""
    return {path: mapped.source(person) for path, mapped in MAPPINGS.items()}


def found(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a resource holds, by path; absent, null and empty are the same (RFC 7643 section 2.5)."""
    return {path: _value_at(resource, mapped) for path, mapped in MAPPINGS.items()}


def manager(resource: Mapping[str, Any]) -> str | None:
    """Return the id of the manager in a resource."""
    return ((resource.get(ENTERPRISE) or {}).get("manager") or {}).get("value") or None


def place(body: dict[str, Any], path: str, value: Value) -> None:
    """Put a value at its path into a resource that is being made, and the elements on the way to it."""
    mapped = MAPPINGS[path]
    holder = body.setdefault(mapped.extension, {}) if mapped.extension else body
    if mapped.is_value_path:
        holder = _element(holder.setdefault(mapped.attribute, []), mapped)
    elif mapped.sub:
        holder = holder.setdefault(mapped.attribute, {})
    holder[mapped.sub or mapped.attribute] = value


def _element(elements: list[dict[str, Any]], mapped: Mapped) -> dict[str, Any]:
    for element in elements:
        if element["type"] == mapped.element_type:
            return element
    elements.append({"primary": True} if mapped.attribute == "emails" else {})
    elements[-1]["type"] = mapped.element_type
    return elements[-1]


def _value_at(resource: Mapping[str, Any], mapped: Mapped) -> Any:
    holder = (resource.get(mapped.extension) or {}) if mapped.extension else resource
    value = holder.get(mapped.attribute)
    if mapped.is_value_path:
        value = next((item for item in value or () if item.get("type") == mapped.element_type), {})
    if mapped.sub:
        value = (value or {}).get(mapped.sub)
    return None if value in ("", []) else value
