"""Arrange the attributes of an employee for reading; which there are is the registry's knowledge."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.directory.portal import words
from shared.scim.attributes import Attribute, ResourceType, Schema, Stored
from shared.scim.schemas.enterprise import MANAGER

CORE = "Person"


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One attribute with its values; `link` is the employee that it names."""

    label: str
    about: str
    values: Sequence[str]
    link: str | None = None


@dataclass(frozen=True, kw_only=True)
class Group:
    """The attributes of one schema."""

    title: str
    urn: str
    facts: Sequence[Fact]


def groups(resource_type: ResourceType, resource: dict[str, Any]) -> list[Group]:
    """Return what a resource says, schema by schema; what is never returned is not there."""
    found = [_group(resource_type, schema, resource) for schema in resource_type.schemas]
    return [group for group in found if group.facts]


def _group(resource_type: ResourceType, schema: Schema, resource: dict[str, Any]) -> Group:
    is_core = schema is resource_type.schema
    container = resource if is_core else resource.get(schema.id, {})
    facts = [fact for attribute in schema.attributes for fact in _facts(attribute, container.get(attribute.name))]
    return Group(title=CORE if is_core else words.label(schema.name), urn=schema.id, facts=facts)


def _facts(attribute: Attribute, value: Any) -> list[Fact]:
    if value in (None, "", [], {}) or words.is_hidden(attribute) or attribute.stored is Stored.ROWS:
        return []
    if attribute is MANAGER:
        name, id_ = value.get("displayName"), value.get("value")
        return [
            Fact(
                label=words.label(attribute.name),
                about=attribute.description,
                values=[name or id_],
                link=id_ if name else None,
            )
        ]
    if attribute.is_complex and not attribute.multi_valued:
        subs = [(sub, value.get(sub.name)) for sub in attribute.sub_attributes]
        return [
            Fact(label=words.label(sub.name), about=sub.description, values=[words.value(found)])
            for sub, found in subs
            if words.value(found) and not words.is_hidden(sub)
        ]
    values = value if attribute.multi_valued else [value]
    return [
        Fact(
            label=words.label(attribute.name),
            about=attribute.description,
            values=[words.value(each) for each in values],
        )
    ]
