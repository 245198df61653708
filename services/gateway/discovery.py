"""Serve what the server is: ServiceProviderConfig, ResourceTypes and Schemas (RFC 7644 section 4)."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from flask import Blueprint, Response, current_app, g, request

from services.gateway import responses
from shared.scim import discovery, events, messages
from shared.scim.errors import ForbiddenError, NotFoundError
from shared.settings import Settings


def blueprint(settings: Settings) -> Blueprint:
    """Return the routes; they only need to know the limits."""
    routes = Blueprint("discovery", __name__)
    routes.before_request(_refuse_filter)
    routes.add_url_rule(
        "/ServiceProviderConfig",
        view_func=partial(_config, settings),
        endpoint="service_provider_config",
        methods=["GET"],
    )
    routes.add_url_rule("/ResourceTypes", view_func=_resource_types, methods=["GET"])
    routes.add_url_rule("/ResourceTypes/<name>", view_func=_resource_type, methods=["GET"])
    routes.add_url_rule("/Schemas", view_func=_schemas, methods=["GET"])
    routes.add_url_rule("/Schemas/<urn>", view_func=_schema, methods=["GET"])
    return routes


def _config(settings: Settings) -> Response:
    return responses.scim(
        discovery.service_provider_config(
            _base(),
            max_results=settings.max_page,
            default_page=settings.default_page,
            cursor_seconds=settings.cursor_seconds,
            max_operations=settings.max_bulk_operations,
            max_payload_size=settings.max_body_bytes,
            event_uris=events.URIS if settings.security_events else (),
        )
    )


def _base() -> str:
    return responses.base_url(g.principal, current_app.config["public_url"])


def _refuse_filter() -> None:
    """RFC 7644 section 4: a filter on these endpoints is answered with 403."""
    if "filter" in request.args:
        raise ForbiddenError("This endpoint cannot be filtered: it always returns everything")


def _resource_types() -> Response:
    return _all([discovery.resource_type_document(t, _base()) for t in g.catalogue.all])


def _resource_type(name: str) -> Response:
    found = next((t for t in g.catalogue.all if t.name.lower() == name.lower()), None)
    if found is None:
        raise NotFoundError("There is no such resource type; see /ResourceTypes")
    return responses.scim(discovery.resource_type_document(found, _base()))


def _schemas() -> Response:
    return _all([discovery.schema_document(schema, _base()) for schema in g.catalogue.schemas.values()])


def _schema(urn: str) -> Response:
    found = g.catalogue.schemas.get(urn.lower())
    if found is None:
        raise NotFoundError("There is no such schema; see /Schemas")
    return responses.scim(discovery.schema_document(found, _base()))


def _all(documents: Sequence[dict[str, Any]]) -> Response:
    return responses.scim(messages.list_response(documents, total=len(documents), start_index=1))
