"""The bodies of Okta's requests, as its documentation and traces in public issue threads show them.

An application made with Okta's wizard replaces whole resources with PUT; one of its catalogue, made from a template,
patches groups, and whether a person is active.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import zip_longest
from typing import Any, TypeVar

from services.simulator import mapping, profiles
from services.simulator.mapping import Body
from services.simulator.people import Group, Person, Presence

PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
LEAVING_AT_ONCE = 100
ENTERING_AT_ONCE = 1000

T = TypeVar("T")


class Mode(Enum):
    """What kind of application the admin made in Okta."""

    WIZARD = "wizard"
    TEMPLATE = "template"


@dataclass(frozen=True, kw_only=True)
class Member:
    """Someone in a group, with the name that Okta sends along."""

    id: str
    display: str


def created_user(person: Person) -> Body:
    """Return the POST that creates a person: always active, with a password, and in no groups."""
    body = profiles.OKTA.body(replace(person, presence=Presence.ACTIVE))
    password = secrets.token_urlsafe(9)
    return {"schemas": [USER, mapping.ENTERPRISE], **body, "groups": [], "password": password}


def replaced_user(person: Person, user_id: str) -> Body:
    """Return the PUT of an application made with the wizard."""
    whole = {"id": user_id, **profiles.OKTA.body(person), "groups": [], "meta": {"resourceType": "User"}}
    return {"schemas": [USER, mapping.ENTERPRISE], **whole}


def changed_user(person: Person, found: Mapping[str, Any]) -> Body:
    """Return the PUT of a template: what was read before, with the person's attributes in place of those there."""
    kept = {name: value for name, value in found.items() if name not in profiles.OKTA.names}
    return {**kept, "schemas": [USER, mapping.ENTERPRISE], **profiles.OKTA.body(person)}


def activation(*, is_active: bool) -> Body:
    """Return the PATCH that says whether a person is active, without a path."""
    return _patch({"op": "replace", "value": {mapping.ACTIVE: is_active}})


def created_group(group: Group) -> Body:
    """Return the POST that creates a group, always empty and without an externalId."""
    return {"schemas": [GROUP], "displayName": group.display_name, "members": []}


def replaced_group(group: Group, group_id: str, members: Sequence[Member]) -> Body:
    """Return the PUT of an application made with the wizard, with all members."""
    return {
        "schemas": [GROUP],
        "id": group_id,
        "displayName": group.display_name,
        "members": _values(members),
        "meta": {"resourceType": "Group"},
    }


def renamed_group(group: Group, group_id: str) -> Body:
    """Return the PATCH of a group's name, without a path and with the readOnly id."""
    return _patch({"op": "replace", "value": {"id": group_id, "displayName": group.display_name}})


def pushed_members(members: Sequence[Member]) -> Iterator[Body]:
    """Yield the PATCHes that make these the only members; an empty list empties the group."""
    yield _patch({"op": "replace", "path": "members", "value": _values(members[:ENTERING_AT_ONCE])})
    yield from changed_members([], members[ENTERING_AT_ONCE:])


def changed_members(leaving: Sequence[str], entering: Sequence[Member]) -> Iterator[Body]:
    """Yield the PATCHes that take members out and put others in, both in one while they are few."""
    for out, in_ in zip_longest(_parts(leaving, LEAVING_AT_ONCE), _parts(entering, ENTERING_AT_ONCE)):
        operations: list[Body] = [{"op": "remove", "path": f'members[value eq "{user}"]'} for user in out or ()]
        operations += [{"op": "add", "path": "members", "value": _values(in_)}] if in_ else []
        yield _patch(*operations)


def _values(members: Sequence[Member]) -> list[dict[str, str]]:
    return [{"value": member.id, "display": member.display} for member in members]


def _patch(*operations: Body) -> Body:
    return {"schemas": [PATCH_OP], "Operations": list(operations)}


def _parts(items: Sequence[T], size: int) -> list[Sequence[T]]:
    return [items[first : first + size] for first in range(0, len(items), size)]
