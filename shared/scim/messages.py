"""The messages of RFC 7644 that are no resources: errors, list and bulk responses, and the URNs that name them."""

from collections.abc import Sequence
from typing import Any

ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
LIST_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
SEARCH_REQUEST = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
MEDIA_TYPE = "application/scim+json"
MEDIA_TYPES = (MEDIA_TYPE, "application/json")
"""What a body may be sent as (RFC 7644 section 3.8)."""
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
BULK_REQUEST = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
BULK_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"


def error(status: int, detail: str, scim_type: str | None = None) -> dict[str, Any]:
    """Return an error message; `status` is a string there (RFC 7644 section 3.12)."""
    body: dict[str, Any] = {"schemas": [ERROR], "status": str(status)}
    if scim_type:
        body["scimType"] = scim_type
    return {**body, "detail": detail}


def list_response(resources: Sequence[Any], *, total: int, start_index: int) -> dict[str, Any]:
    """Return a page of resources; `itemsPerPage` counts the ones in this page (RFC 7644 section 3.4.2)."""
    return {
        "schemas": [LIST_RESPONSE],
        "totalResults": total,
        "startIndex": start_index,
        "itemsPerPage": len(resources),
        "Resources": list(resources),
    }


def cursor_response(resources: Sequence[Any], *, total: int, next_cursor: str | None) -> dict[str, Any]:
    """Return a page that was asked for by cursor; the last one names no next (RFC 9865 section 2)."""
    body = {
        "schemas": [LIST_RESPONSE],
        "totalResults": total,
        "itemsPerPage": len(resources),
        "Resources": list(resources),
    }
    return body if next_cursor is None else body | {"nextCursor": next_cursor}


def bulk_response(results: Sequence[Any]) -> dict[str, Any]:
    """Return the results of a bulk request, in the order of its operations (RFC 7644 section 3.7.3)."""
    return {"schemas": [BULK_RESPONSE], "Operations": list(results)}
