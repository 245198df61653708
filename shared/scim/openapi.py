"""Describes an HTTP surface as an OpenAPI 3.1 document, from a table of its routes and the registry's schemas."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import Any

from shared.scim import jsonschema, messages
from shared.scim.attributes import ResourceType
from shared.scim.errors import (
    OutcomeUnknownError,
    PayloadTooLargeError,
    SCIMError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
)

TOKEN = "token"  # noqa: S105 - the name of the security scheme.


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter of a path or a query, or a header of a request."""

    name: str
    place: str
    description: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a request is answered with when it succeeds; `schema` names a component."""

    status: int
    description: str
    schema: str | None = None
    headers: tuple[str, ...] = ()
    media_type: str | None = messages.MEDIA_TYPE
    """None when there is no body."""
    links: tuple[str, ...] = ()
    """Operations that take the id in the answer."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """One method of one path, with all that it is asked and all that it answers."""

    method: str
    path: str
    name: str
    summary: str
    tag: str
    answers: tuple[Answer, ...]
    refusals: tuple[type[SCIMError], ...] = ()
    parameters: tuple[Parameter, ...] = ()
    body: str | None = None
    body_types: tuple[str, ...] = messages.MEDIA_TYPES
    is_open: bool = False
    """Whether it needs no token."""
    is_at_root: bool = False
    """Whether it stands beside the SCIM prefixes, and not under them."""


HEADERS: Mapping[str, Mapping[str, Any]] = {
    "ETag": {"description": "The resource's version (RFC 7644 section 3.14).", "schema": {"type": "string"}},
    "Location": {"description": "The resource's URI.", "schema": {"type": "string", "format": "uri"}},
    "Preference-Applied": {"description": "Of Prefer, what was honoured (RFC 7240).", "schema": {"type": "string"}},
    "Set-Txn": {"description": "The id under which the outcome is found (RFC 9967).", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds to wait before the next try.", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "The challenge of RFC 6750 section 3.", "schema": {"type": "string"}},
    "X-Request-ID": {"description": "The id under which the logs know the request.", "schema": {"type": "string"}},
}
ALWAYS = ("X-Request-ID",)
"""Headers of every answer."""

REFUSED_WITH: Mapping[type[SCIMError], tuple[str, ...]] = {
    UnauthorizedError: ("WWW-Authenticate",),
    PayloadTooLargeError: ("Retry-After",),
    TooManyRequestsError: ("Retry-After",),
    UnavailableError: ("Retry-After",),
    OutcomeUnknownError: ("Retry-After",),
}
"""Headers of errors, beside those of every answer."""


def document(
    routes: Sequence[Route],
    resource_types: Iterable[ResourceType],
    *,
    about: Mapping[str, Any],
    prefixes: Sequence[str],
    schemas: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return the whole document; the prefixes are relative, so it names no host; `schemas` are not the protocol's."""
    return {
        "openapi": "3.1.1",
        "info": dict(about),
        "servers": [{"url": prefix} for prefix in prefixes],
        "security": [{TOKEN: []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in routes)],
        "paths": _paths(routes),
        "components": {
            "schemas": _schemas(resource_types) | {name: dict(each) for name, each in schemas.items()},
            "headers": {name: dict(header) for name, header in HEADERS.items()},
            "securitySchemes": {TOKEN: {"type": "http", "scheme": "bearer"}},
        },
    }


def shown(resource_type: ResourceType) -> str:
    """Return the name of the component that describes a resource in an answer."""
    return resource_type.name


def accepted(resource_type: ResourceType) -> str:
    """Return the name of the component that describes what a client may send."""
    return f"{resource_type.name}Request"


def patched(resource_type: ResourceType) -> str:
    """Return the name of the component that describes a PATCH message."""
    return f"{resource_type.name}Patch"


def page(name: str) -> str:
    """Return the name of the component that describes a page of resources."""
    return f"{name}List"


def _schemas(resource_types: Iterable[ResourceType]) -> dict[str, Any]:
    kinds = tuple(resource_types)
    listed = {
        **{shown(kind): jsonschema.shown(kind) for kind in kinds},
        "Schema": jsonschema.schema(),
        "ResourceType": jsonschema.resource_type(),
        "Resource": {"anyOf": [_reference("schemas", shown(kind)) for kind in kinds]},
    }
    return {
        **listed,
        **{page(name): jsonschema.page(_reference("schemas", name)) for name in listed},
        **{accepted(kind): jsonschema.accepted(kind) for kind in kinds},
        **{patched(kind): jsonschema.patch(kind) for kind in kinds},
        "SearchRequest": jsonschema.search(),
        "BulkRequest": jsonschema.bulk_request(),
        "BulkResponse": jsonschema.bulk_response(_reference("schemas", "Error")),
        "SecurityEvents": jsonschema.security_events(),
        "ServiceProviderConfig": jsonschema.service_provider_config(),
        "Error": jsonschema.error(),
    }


def _paths(routes: Sequence[Route]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for route in routes:
        servers = {"servers": [{"url": "/"}]} if route.is_at_root else {}
        paths[route.path] = paths.get(route.path, servers) | {route.method.lower(): _operation(route)}
    return paths


def _operation(route: Route) -> dict[str, Any]:
    answers = {str(status): _answers(same) for status, same in groupby(route.answers, key=lambda each: each.status)}
    described: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": [_parameter(parameter) for parameter in route.parameters],
        "responses": dict(sorted({**answers, **_refusals(route.refusals)}.items())),
    }
    if route.body is not None:
        described["requestBody"] = {"required": True, "content": _content(route.body, *route.body_types)}
    if route.is_open:
        described["security"] = []
    return described


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "description": parameter.description,
        "schema": dict(parameter.schema),
    }


def _answers(same: Iterable[Answer]) -> dict[str, Any]:
    """Return the answers of one status as one, with the contents that it may have."""
    first, *others = (_answer(answer) for answer in same)
    for other in others:
        description = f"{first['description']}\n\n{other['description']}"
        first |= {"description": description, "content": first["content"] | other["content"]}
    return first


def _answer(answer: Answer) -> dict[str, Any]:
    described: dict[str, Any] = {"description": answer.description, "headers": _headers(answer.headers)}
    if answer.media_type is not None:
        described["content"] = _content(answer.schema, answer.media_type)
    if answer.links:
        described["links"] = {name: _link(name) for name in answer.links}
    return described


def _refusals(kinds: Iterable[type[SCIMError]]) -> dict[str, Any]:
    """Return one answer for each status, described by what the classes of that status say of themselves."""
    ordered = sorted(kinds, key=lambda kind: kind.status)
    return {str(status): _refusal(list(group)) for status, group in groupby(ordered, key=lambda kind: kind.status)}


def _refusal(kinds: Sequence[type[SCIMError]]) -> dict[str, Any]:
    said = [f"{kind.scim_type}: {_says(kind)}" if kind.scim_type else _says(kind) for kind in kinds]
    headers = [header for kind in kinds for header in REFUSED_WITH.get(kind, ())]
    return {
        "description": "\n\n".join(dict.fromkeys(said)),
        "headers": _headers(headers),
        "content": _content("Error", messages.MEDIA_TYPE),
    }


def _says(kind: type[SCIMError]) -> str:
    return (kind.__doc__ or kind.__name__).partition("\n")[0]


def _headers(names: Iterable[str]) -> dict[str, Any]:
    return {name: _reference("headers", name) for name in (*ALWAYS, *names)}


def _content(schema: str | None, *media_types: str) -> dict[str, Any]:
    described = {"schema": _reference("schemas", schema)} if schema else {}
    return dict.fromkeys(media_types, described)


def _link(operation: str) -> dict[str, Any]:
    return {"operationId": operation, "parameters": {"resource_id": "$response.body#/id"}}


def _reference(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}
