"""Attribute mappings: which attribute of a person becomes which SCIM path, both to write and to read back."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from services.simulator.people import Person

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MANAGER = f"{ENTERPRISE}:manager"
ACTIVE = "active"

Body = dict[str, Any]
Value = str | bool | None
Source = Callable[[Person], Value]

_VALUE_PATH = re.compile(r'(?P<attribute>\w+)\[type eq "(?P<type>\w+)"\]\.(?P<sub>\w+)')


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """One mapping: the path as it is written in a PATCH, its parts, and where the value comes from."""

    path: str
    source: Source
    attribute: str
    extension: str | None = None
    element_type: str | None = None
    sub: str | None = None

    @property
    def is_value_path(self) -> bool:
        return self.element_type is not None


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What an identity provider sends of a person, by path, and how it refers to what it sent."""

    mappings: Mapping[str, Mapped]
    refers_to_managers: bool
    """Whether a manager is named by the id that the directory gave, in a request of its own."""
    group_key: Literal["externalId", "displayName"]
    """By what the provider's groups are told in the directory."""

    @property
    def names(self) -> frozenset[str]:
        """The keys in a resource that the mappings fill."""
        return frozenset(mapped.extension or mapped.attribute for mapped in self.mappings.values())

    def attributes(self, person: Person) -> dict[str, Value]:
        """Return what the directory should hold of a person, by path; None for what it should not have."""
        return {path: mapped.source(person) for path, mapped in self.mappings.items()}

    def found(self, resource: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a resource holds, by path; absent, null and empty are the same (RFC 7643 section 2.5)."""
        return {path: _value_at(resource, mapped) for path, mapped in self.mappings.items()}

    def body(self, person: Person) -> Body:
        """Return all that a person has, as the attributes of a resource."""
        body: Body = {}
        for path, value in self.attributes(person).items():
            if value is not None:
                _place(body, self.mappings[path], value)
        return body


def profile(
    sources: Mapping[str, Source], *, refers_to_managers: bool, group_key: Literal["externalId", "displayName"]
) -> Profile:
    """Return the profile of these paths, each with where its value comes from."""
    mappings = {path: _mapped(path, source) for path, source in sources.items()}
    return Profile(mappings=mappings, refers_to_managers=refers_to_managers, group_key=group_key)


def manager(resource: Mapping[str, Any]) -> str | None:
    """Return the id of the manager in a resource."""
    return ((resource.get(ENTERPRISE) or {}).get("manager") or {}).get("value") or None


def member_ids(resource: Mapping[str, Any]) -> list[str]:
    """Return the ids of a group's members, in the order of the resource."""
    return [str(member["value"]) for member in resource.get("members") or ()]


def _mapped(path: str, source: Source) -> Mapped:
    if match := _VALUE_PATH.fullmatch(path):
        return Mapped(
            path=path, source=source, attribute=match["attribute"], element_type=match["type"], sub=match["sub"]
        )
    extension = ENTERPRISE if path.startswith(ENTERPRISE) else None
    attribute, _, sub = path.removeprefix(f"{ENTERPRISE}:").partition(".")
    return Mapped(path=path, source=source, attribute=attribute, extension=extension, sub=sub or None)


def _place(body: Body, mapped: Mapped, value: Value) -> None:
    """Put a value at its path into a resource that is being made, and the elements on the way to it."""
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
