"""Make answers of resources: projection, references with this tenant's base URL, ETag and Location."""

import re
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import orjson
from flask import Response

from services.directory.tokens import Principal
from shared.scim import messages, resource_types, versions
from shared.scim import projection as projections
from shared.scim.attributes import Attribute, ResourceType
from shared.scim.projection import Projection
from shared.scim.schemas.common import ID, META

PREFIX = "/rest/scim/v2"

Resource = dict[str, Any]

_PLAIN = re.compile(r"[0-9A-Za-z_.~-]*")


def base_url(principal: Principal, public_url: str) -> str:
    """Return the tenant's SCIM base URL, from what is configured and never from the Host header."""
    return origin(principal.domain, public_url) + PREFIX


def origin(domain: str | None, public_url: str) -> str:
    """Return where a tenant's portal is; it is the issuer of its access tokens, too (RFC 8414 section 2)."""
    return f"https://{domain}" if domain else public_url.rstrip("/")


def scim(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a JSON answer in SCIM's media type."""
    return Response(orjson.dumps(body), status, headers, content_type=messages.MEDIA_TYPE)


def resource(
    found: Resource, resource_type: ResourceType, projection: Projection, base: str, status: int = 200
) -> Response:
    """Return the answer that carries one resource, with its ETag and Location (RFC 7644 sections 3.3 and 3.14)."""
    shown, tag = represent(found, resource_type, projection, base)
    return scim(shown, status, {"ETag": tag, "Location": location(found, resource_type, base)})


def tag(found: Resource, resource_type: ResourceType, projection: Projection, base: str) -> str:
    """Return the entity tag of the answer that would carry a resource; nothing is made of the rest of it."""
    part = {name: found[name] for name in (ID.name, META.name)} | projections.telling(found, resource_type)
    return represent(part, resource_type, projection, base)[1]


def not_modified(found: Resource, resource_type: ResourceType, tag: str, base: str) -> Response:
    """Return the answer that a client has what there is (RFC 9110 section 15.4.5)."""
    headers = {"ETag": tag, "Location": location(found, resource_type, base)}
    return Response(b"", HTTPStatus.NOT_MODIFIED, headers, content_type=messages.MEDIA_TYPE)


def without_body(response: Response) -> Response:
    """Return an answer that keeps its headers and says nothing more."""
    response.set_data(b"")
    response.headers.pop("Content-Type", None)
    return response


def represent(found: Resource, resource_type: ResourceType, projection: Projection, base: str) -> tuple[Resource, str]:
    """Return what is shown of a resource, and the entity tag of that, which is its `meta.version`."""
    shown = projections.apply(projection, _locate(found, resource_type, base), resource_type)
    tag = versions.of_shown(found[META.name]["version"], projections.of_others(shown, resource_type))
    meta = shown.get(META.name, {})
    return (shown | {META.name: meta | {"version": tag}} if "version" in meta else shown), tag


def location(found: Resource, resource_type: ResourceType, base: str) -> str:
    """Return a resource's own URI."""
    return f"{base}{resource_type.endpoint}/{found['id']}"


def _locate(found: Resource, resource_type: ResourceType, base: str) -> Resource:
    """Return a resource with its own URI, and the URIs of all resources that it refers to."""
    located = found | {META.name: found[META.name] | {"location": location(found, resource_type, base)}}
    for schema in resource_type.schemas:
        container = located if schema is resource_type.schema else located.get(schema.id, {})
        referring = {
            attribute.name: _refer(attribute, container[attribute.name], base)
            for attribute in schema.attributes
            if attribute.reference is not None and attribute.name in container
        }
        if referring and container is located:
            located |= referring
        elif referring:
            located[schema.id] = container | referring
    return located


def _refer(attribute: Attribute, value: Any, base: str) -> Any:
    """Return a value, or each of its elements, with the URI of whom it refers to; there may be 100,000 of them."""
    reference = attribute.reference
    assert reference is not None
    name, starts = reference.name, _starts(attribute, base)
    elements = value if isinstance(value, list) else [value]
    referring = [
        {**each, name: starts.get(each.get("type"), starts[None]) + _in_path(each["value"])}
        if "value" in each
        else each
        for each in elements
    ]
    return referring if isinstance(value, list) else referring[0]


def _starts(attribute: Attribute, base: str) -> dict[str | None, str]:
    """Return how the URIs of whom an attribute refers to begin, by their type; None has that of those without one."""
    assert attribute.reference is not None
    types = attribute.reference.reference_types
    starts: dict[str | None, str] = {name: f"{base}{resource_types.BY_NAME[name].endpoint}/" for name in types}
    return starts | {None: starts[types[0]]}


def _in_path(value: str) -> str:
    """Return an id as a segment of a path; those of this server are one as they are."""
    return value if _PLAIN.fullmatch(value) else quote(value, safe="")
