"""Tell what the request at hand was for, as an identity provider sees it, and how it was answered.

Entra ID tests a connection by asking for a random userName, Okta by asking for two users; each looks for an account by
one comparison before it creates it.
"""

import re
from http import HTTPStatus

from flask import g, request

from services.directory.journal import Write
from services.directory.traffic import Kind, Result
from shared.scim import mentions, resource_types
from shared.scim.attributes import ResourceType
from shared.scim.resource_types import GROUPS, USERS
from shared.scim.schemas.common import ID
from shared.scim.searches import Search

# The name is taken whole: with each of its beginnings tried, a long one would take the square of its length.
_MATCH = re.compile(r'\s*([\w.:]++)[^"]*?\seq\s+"([^"]*)"', re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TEST_COUNT = 2
_DISCOVERY = frozenset({"ServiceProviderConfig", "Schemas", "ResourceTypes"})
BY_ENDPOINT = {"Me": USERS} | {each.endpoint.strip("/"): each for each in resource_types.ALL}
_BY_METHOD = {"POST": Kind.CREATE, "PUT": Kind.CHANGE, "PATCH": Kind.CHANGE, "DELETE": Kind.DELETE}
_KEPT = frozenset({*_BY_METHOD.values(), Kind.DISABLE, Kind.REFERENCE, Kind.BULK})


def kind(path: str) -> Kind:
    """Return what the request at hand is for; `path` is what follows the base URL."""
    first, _, rest = path.strip("/").partition("/")
    is_search = first == ".search" or rest == ".search"
    if first == "Bulk":
        return Kind.BULK
    if first in _DISCOVERY:
        return Kind.DISCOVERY
    if first not in BY_ENDPOINT and not is_search and first:
        return Kind.OTHER
    if request.method in _BY_METHOD and not is_search:
        return _kind_of_write(request.method, BY_ENDPOINT.get(first), g.get("write"))
    return _kind_of_query(g.get("search")) if is_search or (not rest and first != "Me") else Kind.READ


def result(status: int) -> Result:
    """Return how it was answered."""
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Result.FAILED
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Result.THROTTLED
    is_nobody = status == HTTPStatus.NOT_FOUND and request.method == "GET"
    if is_nobody or (status < HTTPStatus.BAD_REQUEST and g.get("total") == 0):
        return Result.NONE
    return Result.OK if status < HTTPStatus.BAD_REQUEST else Result.REFUSED


def is_kept(of: Kind, status: int) -> bool:
    """Whether a refusal is kept: of every write, and of what else was not merely about nobody."""
    is_refused = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return is_refused and (of in _KEPT or status != HTTPStatus.NOT_FOUND)


def wanted(filter_: str) -> tuple[str, str] | None:
    """Return the attribute and the value that the first comparison of a filter asks for, if it is an equation."""
    found = _MATCH.match(filter_)
    return None if found is None else (found[1], found[2])


def _kind_of_write(method: str, resource_type: ResourceType | None, write: Write | None) -> Kind:
    """Return what a write is for; of one that was not understood its method and type must tell."""
    usual = _BY_METHOD[method]
    if usual is not Kind.CHANGE:
        return usual
    if write is None:
        return Kind.REFERENCE if resource_type is GROUPS and method == "PATCH" else usual
    if write.is_urgent:
        return Kind.DISABLE
    return Kind.REFERENCE if mentions.are_references(write.mentions) else usual


def _kind_of_query(search: Search | None) -> Kind:
    """Tell a connection test, which asks for nobody or for a few, from the look for one account."""
    if search is None:
        return Kind.MATCH if "filter" in request.args else Kind.QUERY
    if search.filter is None:
        return Kind.TEST if search.count is not None and search.count <= _TEST_COUNT else Kind.QUERY
    found = wanted(search.filter)
    if found is None or found[0].lower() == ID.name:
        return Kind.QUERY if g.get("total") is not None else Kind.MATCH
    is_nobody = bool(_UUID.fullmatch(found[1])) and g.get("total") == 0
    return Kind.TEST if is_nobody else Kind.MATCH
