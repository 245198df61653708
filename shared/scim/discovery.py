"""Describes the server to its clients: schemas, resource types and configuration (RFC 7643 sections 5 to 7)."""

from collections.abc import Sequence
from typing import Any

from shared.scim.attributes import Attribute, ResourceType, Schema

SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:Schema"
RESOURCE_TYPE = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
SERVICE_PROVIDER_CONFIG = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
BEARER_TOKEN = {
    "type": "oauthbearertoken",
    "name": "OAuth Bearer Token",
    "description": "A provisioning token of the tenant, in the Authorization header.",
    "specUri": "https://www.rfc-editor.org/info/rfc6750",
    "primary": True,
}


def schema_document(schema: Schema, base_url: str) -> dict[str, Any]:
    """Return a schema as `/Schemas` shows it (RFC 7643 section 7)."""
    return {
        "schemas": [SCHEMA],
        "id": schema.id,
        "name": schema.name,
        "description": schema.description,
        "attributes": [_attribute(attribute) for attribute in schema.attributes],
        "meta": {"resourceType": "Schema", "location": f"{base_url}/Schemas/{schema.id}"},
    }


def resource_type_document(resource_type: ResourceType, base_url: str) -> dict[str, Any]:
    """Return a resource type as `/ResourceTypes` shows it (RFC 7643 section 6)."""
    document = {
        "schemas": [RESOURCE_TYPE],
        "id": resource_type.name,
        "name": resource_type.name,
        "endpoint": resource_type.endpoint,
        "description": resource_type.description,
        "schema": resource_type.schema.id,
        "schemaExtensions": [{"schema": extension.id, "required": False} for extension in resource_type.extensions],
        "meta": {"resourceType": "ResourceType", "location": f"{base_url}/ResourceTypes/{resource_type.name}"},
    }
    return {key: value for key, value in document.items() if value}


def service_provider_config(
    base_url: str,
    *,
    max_results: int,
    default_page: int,
    cursor_seconds: int,
    max_operations: int,
    max_payload_size: int,
    event_uris: Sequence[str] = (),
) -> dict[str, Any]:
    """Return what this server can do (RFC 7643 section 5, RFC 9865 section 4).

    With `event_uris` it tells of asynchronous requests too (RFC 9967 section 4), which some clients do not survive.
    """
    asynchronous = {"securityEvents": {"asyncRequest": "request", "eventUris": list(event_uris)}} if event_uris else {}
    return {
        "schemas": [SERVICE_PROVIDER_CONFIG],
        "patch": {"supported": True},
        "bulk": {"supported": True, "maxOperations": max_operations, "maxPayloadSize": max_payload_size},
        "filter": {"supported": True, "maxResults": max_results},
        "changePassword": {"supported": True},
        "sort": {"supported": True},
        "etag": {"supported": True},
        "pagination": {
            "cursor": True,
            "index": True,
            "defaultPaginationMethod": "index",
            "defaultPageSize": default_page,
            "maxPageSize": max_results,
            "cursorTimeout": cursor_seconds,
        },
        "authenticationSchemes": [BEARER_TOKEN],
        **asynchronous,
        "meta": {"resourceType": "ServiceProviderConfig", "location": f"{base_url}/ServiceProviderConfig"},
    }


def _attribute(attribute: Attribute) -> dict[str, Any]:
    """Return all characteristics of an attribute; lists only where they say something."""
    lists: dict[str, list[Any]] = {
        "canonicalValues": list(attribute.canonical_values),
        "referenceTypes": list(attribute.reference_types),
        "subAttributes": [_attribute(sub) for sub in attribute.sub_attributes],
    }
    return {
        "name": attribute.name,
        "type": str(attribute.type),
        "multiValued": attribute.multi_valued,
        "description": attribute.description,
        "required": attribute.required,
        "caseExact": attribute.case_exact,
        "mutability": str(attribute.mutability),
        "returned": str(attribute.returned),
        "uniqueness": str(attribute.uniqueness),
        **{key: value for key, value in lists.items() if value},
    }
