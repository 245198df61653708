"""Turn what a resource has of its tenant's extensions into its bag, and a bag back, as the declarations say.

A bag maps URNs to attributes to values. A declaration may be forgotten while values are stored: they stay in the bag,
are shown to nobody, and survive every write, in case they are declared again.
"""

from collections.abc import Mapping
from typing import Any

from shared.scim.attributes import ResourceType, Schema

Bag = Mapping[str, Mapping[str, Any]]


def from_resource(resource_type: ResourceType, resource: Mapping[str, Any], bag: Bag | None) -> Bag | None:
    """Return the bag of a resource whose row has this one; None if there is nothing to keep."""
    kept = dict(bag or {})
    for schema in resource_type.extensions:
        if schema.is_custom:
            kept[schema.id] = _kept(schema, resource.get(schema.id, {}), kept.get(schema.id, {}))
    return {urn: values for urn, values in kept.items() if values} or None


def to_resource(resource_type: ResourceType, bag: Bag | None) -> dict[str, Any]:
    """Return what a bag has of the extensions that are declared, by URN."""
    if not bag:
        return {}
    shown = {s.id: _shown(s, bag[s.id]) for s in resource_type.extensions if s.is_custom and s.id in bag}
    return {urn: values for urn, values in shown.items() if values}


def _kept(schema: Schema, given: Mapping[str, Any], present: Mapping[str, Any]) -> dict[str, Any]:
    writable = {attribute.name for attribute in schema.attributes if attribute.is_writable}
    untouched = {name: value for name, value in present.items() if name not in writable}
    return {**untouched, **{name: value for name, value in given.items() if name in writable}}


def _shown(schema: Schema, present: Mapping[str, Any]) -> dict[str, Any]:
    return {a.name: present[a.name] for a in schema.attributes if a.name in present}
