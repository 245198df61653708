"""What the gateway offers, as a table: one row for each method of each path, and what it is asked and answers.

The OpenAPI document is made of it. A test walks the application's routes and these rows, and wants them to be the same.
"""

from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from services.gateway import admin_surface, oauth_surface
from services.gateway.parameters import (
    ASSET,
    ID,
    IDEMPOTENCY_KEY,
    IF_MATCH,
    IF_NONE_MATCH,
    NAME,
    PREFER,
    PROJECTION,
    QUERY,
    TXN,
    URN,
)
from shared.scim import events, openapi, resource_types
from shared.scim.attributes import ResourceType, Stored
from shared.scim.errors import (
    ExpiredCursorError,
    ForbiddenError,
    InternalError,
    InvalidCountError,
    InvalidCursorError,
    InvalidFilterError,
    InvalidPathError,
    InvalidSyntaxError,
    InvalidValueError,
    KeyReusedError,
    MethodNotAllowedError,
    MutabilityError,
    NoTargetError,
    NotFoundError,
    NotImplementedOperationError,
    OutcomeUnknownError,
    PayloadTooLargeError,
    PreconditionFailedError,
    SCIMError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
    UniquenessError,
    UnsupportedMediaTypeError,
)
from shared.scim.openapi import Answer, Parameter, Route

ABOUT = {
    "title": "Muster",
    "summary": "Inbound SCIM 2.0 provisioning.",
    "description": (
        "SCIM 2.0 as in RFC 7643 and RFC 7644. A 2xx follows the commit that it speaks of; a 503 means that nothing "
        "was applied. A method that is not described here is answered with 405 and an Allow header. Beyond what is "
        "described, deviations that real identity providers are known for are tolerated."
    ),
    "license": {"name": "MIT", "identifier": "MIT"},
    "version": version("muster"),
}
QUERIES, DISCOVERY, HEALTH, DOCUMENTATION, ASYNC = "Queries", "Discovery", "Health", "Documentation", "Async"

RESOURCE_HEADERS = ("ETag", "Location")

ALL: tuple[type[SCIMError], ...] = (UnauthorizedError, TooManyRequestsError, InternalError, UnavailableError)
"""Every request with a token may be refused with these."""
BODY: tuple[type[SCIMError], ...] = (
    InvalidSyntaxError,
    InvalidValueError,
    PayloadTooLargeError,
    UnsupportedMediaTypeError,
)
CURSORS: tuple[type[SCIMError], ...] = (InvalidCursorError, ExpiredCursorError, InvalidCountError)
LATER = (
    Answer(
        status=202,
        description="Accepted, and not applied yet; it was asked for with `Prefer: respond-async`.",
        headers=("Location", "Set-Txn", "Preference-Applied"),
        media_type=None,
    ),
)
WRITE: tuple[type[SCIMError], ...] = (*ALL, OutcomeUnknownError)
SINGLE: tuple[type[SCIMError], ...] = (*WRITE, InvalidValueError, KeyReusedError)
ONE: tuple[type[SCIMError], ...] = (*SINGLE, NotFoundError, PreconditionFailedError)
PATCH: tuple[type[SCIMError], ...] = (InvalidPathError, InvalidFilterError, NoTargetError, MutabilityError)


def routes() -> tuple[Route, ...]:
    """Return all rows."""
    of_resources = [route for kind in resource_types.ALL for route in _of(kind)]
    everything = _queries("", "Resources", openapi.page("Resource"))
    beside = (*oauth_surface.ROUTES, *admin_surface.ROUTES, *_BESIDE)
    return (*of_resources, *_me(resource_types.USERS), *everything, *_BULK, *_ASYNC, *_DISCOVERY, *beside)


def document(prefixes: Sequence[str]) -> dict[str, Any]:
    """Return the OpenAPI document of these rows; extensions that tenants declared are in `/Schemas` only."""
    schemas = {**oauth_surface.SCHEMAS, **admin_surface.SCHEMAS}
    return openapi.document(routes(), resource_types.ALL, about=ABOUT, prefixes=prefixes, schemas=schemas)


def _of(kind: ResourceType) -> tuple[Route, ...]:
    """Return the rows of a resource type (RFC 7644 sections 3.3 to 3.6)."""
    name, links = kind.name, tuple(f"{verb}{kind.name}" for verb in ("get", "replace", "patch", "delete"))
    created = replace(_resource(kind, f"The {name}, as the directory has it."), status=201, links=links)
    return (
        *_queries(kind.endpoint, f"{name}s", openapi.page(openapi.shown(kind))),
        Route(
            method="POST", path=kind.endpoint, name=f"create{name}", tag=name, summary=f"Create a {name}",
            body=openapi.accepted(kind), parameters=(*PROJECTION, PREFER, IDEMPOTENCY_KEY),
            answers=(created, *LATER), refusals=(*SINGLE, *BODY, InvalidPathError, UniquenessError),
        ),
        *_one(kind, f"{kind.endpoint}/{{resource_id}}", name, f"a {name}", ID),
    )  # fmt: skip


def _one(kind: ResourceType, path: str, name: str, what: str, *path_parameters: Parameter) -> tuple[Route, ...]:
    """Return the rows of one resource (RFC 7644 sections 3.4.1, 3.5 and 3.6)."""
    found, tag = _resource(kind, f"The {kind.name}, as the directory has it."), kind.name
    reading = (*path_parameters, IF_NONE_MATCH, *PROJECTION)
    writing = (*path_parameters, IF_MATCH, PREFER, IDEMPOTENCY_KEY, *PROJECTION)
    return (
        Route(
            method="GET", path=path, name=f"get{name}", tag=tag, summary=f"Read {what}", parameters=reading,
            answers=(found, _empty(304, "The client has this version, and asked for nothing of others.")),
            refusals=(*ALL, NotFoundError, InvalidPathError, InvalidValueError),
        ),
        Route(
            method="PUT", path=path, name=f"replace{name}", tag=tag, summary=f"Replace {what}", parameters=writing,
            body=openapi.accepted(kind), answers=(found, *LATER),
            refusals=(*ONE, *BODY, InvalidPathError, MutabilityError, UniquenessError),
        ),
        Route(
            method="PATCH", path=path, name=f"patch{name}", tag=tag, summary=f"Change parts of {what}",
            parameters=writing, body=openapi.patched(kind), answers=(found, *LATER, *_large(kind)),
            refusals=(*ONE, *BODY, *PATCH, UniquenessError),
        ),
        Route(
            method="DELETE", path=path, name=f"delete{name}", tag=tag, summary=f"Delete {what} for ever",
            parameters=(*path_parameters, IF_MATCH, PREFER, IDEMPOTENCY_KEY),
            answers=(Answer(status=204, description="It is deleted.", media_type=None), *LATER), refusals=ONE,
        ),
    )  # fmt: skip


def _me(kind: ResourceType) -> tuple[Route, ...]:
    """Return the rows of /Me, which a token that is bound to nobody does not have (RFC 7644 section 3.11)."""
    rows = (
        *_one(kind, "/Me", "Me", "the token's own User"),
        Route(
            method="POST", path="/Me", name="createMe", tag=kind.name, summary="Refused: the bound User exists already",
            answers=(), refusals=(*ALL, MethodNotAllowedError),
        ),
    )  # fmt: skip
    return tuple(replace(row, refusals=(*row.refusals, NotImplementedOperationError)) for row in rows)


def _queries(path: str, name: str, schema: str) -> tuple[Route, ...]:
    """Return the rows of a list and of its `.search` (RFC 7644 sections 3.4.2 and 3.4.3, RFC 9865)."""
    answers = (Answer(status=200, description="A page.", schema=schema),)
    refusals = (*ALL, InvalidFilterError, InvalidPathError, InvalidValueError, *CURSORS)
    return (
        Route(
            method="GET", path=path or "/", name=f"list{name}", tag=QUERIES, parameters=(*QUERY, *PROJECTION),
            summary=f"List {name}, all or those of a filter", answers=answers, refusals=refusals,
        ),
        Route(
            method="POST", path=f"{path}/.search", name=f"search{name}", tag=QUERIES, body="SearchRequest",
            summary=f"List {name}, with the query in the body", answers=answers, refusals=(*refusals, *BODY),
        ),
    )  # fmt: skip


def _resource(kind: ResourceType, description: str) -> Answer:
    return Answer(status=200, description=description, schema=openapi.shown(kind), headers=RESOURCE_HEADERS)


def _empty(status: int, description: str) -> Answer:
    return Answer(status=status, description=description, headers=RESOURCE_HEADERS, media_type=None)


def _large(kind: ResourceType) -> tuple[Answer, ...]:
    """What has members may have too many to echo them (RFC 7644 section 3.5.2 permits both)."""
    has_members = any(a.stored is Stored.ROWS and a.is_writable for a in kind.schema.attributes)
    return (_empty(204, "Changed; it has too many members to show them unasked."),) if has_members else ()


def _described(path: str, name: str, schema: str, summary: str, *parameters: Parameter) -> Route:
    return Route(
        method="GET", path=path, name=name, tag=DISCOVERY, summary=summary, parameters=parameters,
        answers=(Answer(status=200, description="As the RFC describes it.", schema=schema),),
        refusals=(*ALL, ForbiddenError, *((NotFoundError,) if parameters else ())),
    )  # fmt: skip


def _probe(path: str, name: str, summary: str, *answers: Answer) -> Route:
    return Route(
        method="GET", path=path, name=name, tag=HEALTH, summary=summary, answers=answers, is_open=True, is_at_root=True
    )


_BULK = (
    Route(
        method="POST", path="/Bulk", name="bulk", tag="Bulk", summary="Many writes in one (RFC 7644 section 3.7)",
        body="BulkRequest", parameters=(PREFER,),
        answers=(Answer(status=200, description="A result for each.", schema="BulkResponse"), *LATER),
        refusals=(*WRITE, *BODY),
    ),
)  # fmt: skip
_ASYNC = (
    Route(
        method="GET", path="/AsyncResults/{txn}", name="getAsyncResult", tag=ASYNC, parameters=(TXN,),
        summary="How a request ended that was answered with 202 (RFC 9967)",
        answers=(
            Answer(status=200, description="A signed security event.", media_type=events.MEDIA_TYPE),
            Answer(
                status=200, description="Of a bulk request one for each operation, in its order.",
                schema="SecurityEvents", media_type=events.SETS_MEDIA_TYPE,
            ),
            Answer(
                status=202, description="It has not ended yet.", headers=("Set-Txn", "Retry-After"), media_type=None
            ),
        ),
        refusals=(*ALL, NotFoundError),
    ),
    Route(
        method="GET", path="/jwks.json", name="getKeys", tag=ASYNC, summary="The keys that verify security events",
        answers=(Answer(status=200, description="A JSON Web Key Set.", media_type="application/jwk-set+json"),),
        refusals=(InternalError, UnavailableError), is_open=True,
    ),
)  # fmt: skip
_DISCOVERY = (
    _described("/ServiceProviderConfig", "getServiceProviderConfig", "ServiceProviderConfig", "What this server can"),
    _described("/ResourceTypes", "listResourceTypes", openapi.page("ResourceType"), "The kinds of resources"),
    _described("/ResourceTypes/{name}", "getResourceType", "ResourceType", "One kind of resource", NAME),
    _described("/Schemas", "listSchemas", openapi.page("Schema"), "The schemas"),
    _described("/Schemas/{urn}", "getSchema", "Schema", "One schema", URN),
)
_BESIDE = (
    Route(
        method="GET", path="/openapi.json", name="getOpenAPI", tag=DOCUMENTATION, summary="This document",
        answers=(Answer(status=200, description="OpenAPI 3.1.", media_type="application/json"),), is_open=True,
    ),
    Route(
        method="GET", path="/docs", name="getDocs", tag=DOCUMENTATION, summary="This document, for people to read",
        answers=(Answer(status=200, description="A page.", media_type="text/html"),), is_open=True, is_at_root=True,
    ),
    Route(
        method="GET", path="/docs/{asset}", name="getDocsAsset", tag=DOCUMENTATION, summary="What that page loads",
        parameters=(ASSET,),
        answers=(
            Answer(status=200, description="A file.", media_type="*/*"),
            Answer(status=304, description="The client has it.", media_type=None),
        ), refusals=(NotFoundError,),
        is_open=True, is_at_root=True,
    ),
    _probe("/healthz", "getHealth", "Whether the process lives", Answer(status=200, description="It does.")),
    _probe(
        "/readyz", "getReadiness", "Whether the process can work", Answer(status=200, description="It can."),
        Answer(status=503, description="It cannot: the directory is out of reach."),
    ),
    Route(
        method="GET", path="/metrics", name="getMetrics", tag=HEALTH,
        summary="What was counted, for Prometheus; it has a token of its own",
        answers=(Answer(status=200, description="Counters.", media_type="text/plain"),),
        refusals=(UnauthorizedError, NotFoundError, InternalError, UnavailableError), is_at_root=True,
    ),
)  # fmt: skip
