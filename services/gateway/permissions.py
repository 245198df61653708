"""Decide what a token's scopes permit: reading or writing, Users or Groups."""

from collections.abc import Sequence

from flask import Request

from services.directory.tokens import Principal, Scope
from shared.scim import resource_types
from shared.scim.attributes import ResourceType
from shared.scim.errors import ForbiddenError

_OF = {resource_types.USERS.name: Scope.USERS, resource_types.GROUPS.name: Scope.GROUPS}
_BY_ENDPOINT = {"Me": Scope.USERS} | {each.endpoint.strip("/"): _OF[each.name] for each in resource_types.ALL}
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


def check(principal: Principal, request: Request, path: str) -> None:
    """See to it that a token may do this; `path` is what follows the base URL. Raises ForbiddenError."""
    if Scope.ADMIN in principal.scopes:
        raise ForbiddenError("This token is for the admin API alone: create a provisioning token for SCIM")
    first, _, rest = path.strip("/").partition("/")
    is_search = request.method == "POST" and (first == ".search" or rest == ".search")
    is_read = request.method in _READING or is_search
    if first in _BY_ENDPOINT or first in {"", ".search", "Bulk"}:
        demand(principal, Scope.READ if is_read else Scope.WRITE)
    if first in _BY_ENDPOINT:
        demand(principal, _BY_ENDPOINT[first])


def demand(principal: Principal, scope: Scope) -> None:
    """Raise ForbiddenError when a token has not this scope."""
    if scope not in principal.scopes:
        raise ForbiddenError(f"This token has not the scope {scope}: create one that has it, and use that")


def demand_type(principal: Principal, resource_type: ResourceType) -> None:
    """Raise ForbiddenError when a token is not meant for this type."""
    demand(principal, _OF[resource_type.name])


def visible(principal: Principal, types: Sequence[ResourceType]) -> tuple[ResourceType, ...]:
    """Return the types that a token is meant for."""
    return tuple(each for each in types if _OF[each.name] in principal.scopes)
