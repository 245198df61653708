"""The bodies of Entra ID's requests, in its default dialect and in the one of the flag aadOptscim062020.

The shapes are those of Microsoft's documentation and of traces in public issue threads, faults included: booleans as
strings, capital operations, "$ref": null, managers as an array.
"""

from collections.abc import Mapping
from enum import Enum

from services.simulator import mapping, profiles
from services.simulator.mapping import Body, Value
from services.simulator.people import Group, Person

PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
LEGACY_GROUP = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"

Changes = Mapping[str, tuple[Value, Value]]


class Dialect(Enum):
    """How Entra writes PATCH; the admin chooses by adding the flag to the tenant URL."""

    DEFAULT = "default"
    FLAG = "aadOptscim062020"


def created_user(person: Person) -> Body:
    """Return the POST that creates a person, without references: Entra sends the manager later."""
    schemas = [USER, mapping.ENTERPRISE]
    return {"schemas": schemas, **profiles.ENTRA.body(person), "roles": [], "meta": {"resourceType": "User"}}


def created_group(group: Group) -> Body:
    """Return the POST that creates a group, always empty."""
    return {
        "schemas": [GROUP, LEGACY_GROUP],
        "externalId": group.external_id,
        "displayName": group.display_name,
        "members": [],
        "meta": {"resourceType": "Group"},
    }


def changed_user(dialect: Dialect, changes: Changes) -> Body:
    """Return the PATCH for changes, given as path -> (value before, value now); None now clears it."""
    match dialect:
        case Dialect.DEFAULT:
            return _patch(*(_separate(path, *values) for path, values in changes.items()))
        case Dialect.FLAG:
            return _patch(*_combined(changes))


def renamed_group(dialect: Dialect, group: Group) -> Body:
    """Return the PATCH of a group's names, which does not speak of members."""
    values = {"displayName": group.display_name, "externalId": group.external_id}
    match dialect:
        case Dialect.DEFAULT:
            return _patch(*({"op": "Replace", "path": path, "value": value} for path, value in values.items()))
        case Dialect.FLAG:
            return _patch({"op": "replace", "value": values})


def added_member(dialect: Dialect, member_id: str) -> Body:
    """Return the PATCH that adds one member."""
    match dialect:
        case Dialect.DEFAULT:
            return _patch({"op": "Add", "path": "members", "value": [{"$ref": None, "value": member_id}]})
        case Dialect.FLAG:
            return _patch({"op": "add", "path": "members", "value": [{"value": member_id}]})


def removed_member(dialect: Dialect, member_id: str) -> Body:
    """Return the PATCH that removes one member; the default shape has emptied whole groups elsewhere."""
    match dialect:
        case Dialect.DEFAULT:
            return _patch({"op": "Remove", "path": "members", "value": [{"$ref": None, "value": member_id}]})
        case Dialect.FLAG:
            return _patch({"op": "remove", "path": f'members[value eq "{member_id}"]'})


def set_manager(dialect: Dialect, manager_id: str, location: str) -> Body:
    """Return the PATCH that names a person's manager."""
    match dialect:
        case Dialect.DEFAULT:
            reference = [{"$ref": location, "value": manager_id}]
            return _patch({"op": "Add", "path": "manager", "value": reference})
        case Dialect.FLAG:
            return _patch({"op": "add", "path": mapping.MANAGER, "value": manager_id})


def cleared_manager(dialect: Dialect) -> Body:
    """Return the PATCH that leaves a person without a manager."""
    match dialect:
        case Dialect.DEFAULT:
            return _patch({"op": "Replace", "path": "manager", "value": ""})
        case Dialect.FLAG:
            return _patch({"op": "replace", "path": mapping.MANAGER, "value": ""})


def _patch(*operations: Body) -> Body:
    return {"schemas": [PATCH_OP], "Operations": list(operations)}


def _separate(path: str, before: Value, now: Value) -> Body:
    value = str(now) if isinstance(now, bool) else now or ""
    return {"op": "Replace" if before is not None else "Add", "path": path, "value": value}


def _combined(changes: Changes) -> list[Body]:
    """One operation without a path for all plain paths, then one for each value path."""
    whole = {path: _plain(now) for path, (_, now) in changes.items() if not profiles.ENTRA.mappings[path].is_value_path}
    operations: list[Body] = [{"op": "replace", "value": whole}] if whole else []
    for path, (before, now) in changes.items():
        if profiles.ENTRA.mappings[path].is_value_path:
            operations.append({"op": "replace" if before is not None else "add", "path": path, "value": _plain(now)})
    return operations


def _plain(value: Value) -> str | bool:
    return "" if value is None else value
