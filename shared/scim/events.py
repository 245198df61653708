"""Security events: the claims of the token that tells how an asynchronous request ended (RFC 9967, RFC 8417)."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

ASYNC_RESPONSE = "urn:ietf:params:scim:event:misc:asyncresp"
URIS = (ASYNC_RESPONSE,)
"""Every event that this server issues."""

MEDIA_TYPE = "application/secevent+jwt"
SETS_MEDIA_TYPE = "application/json"
"""Of several tokens in one answer (RFC 8936 section 2.3)."""

_BULK_TXN = re.compile(r"(?P<request>[^:]+):(?P<index>0|[1-9][0-9]{0,5})")
TYPE = "secevent+jwt"
"""The token's `typ`, so that nobody takes it for an access token (RFC 8417 section 2.3)."""


@dataclass(frozen=True, kw_only=True)
class Completion:
    """How one operation ended: what a bulk response says of it (RFC 7644 section 3.7.3), and of which resource."""

    operation_id: UUID
    method: str
    uri: str
    """The resource's path behind the base URL; a resource that never came to be has its endpoint's."""
    resource_id: str | None
    """None when there is no resource: its creation failed."""
    bulk_id: str | None = None
    external_id: str | None = None
    version: str | None = None
    status: int
    error: dict[str, Any] | None = None
    """The message of RFC 7644 section 3.12, when the operation failed."""
    ended_at: datetime

    @property
    def is_located(self) -> bool:
        """Whether it tells where the resource is or would be: a failed POST does not (RFC 7644 section 3.7.3)."""
        return self.error is None or self.method != "POST"


def claims(completion: Completion, *, txn: str, issuer: str, audience: str) -> dict[str, Any]:
    """Return the claims of the token; the same ones for the same completion, however often it is asked for.

    `issuer` is the base URL of the tenant. There is never a `sub` (RFC 9967 section 2.1).
    """
    return {
        "jti": str(uuid5(completion.operation_id, ASYNC_RESPONSE)),
        "iat": int(completion.ended_at.timestamp()),
        "iss": issuer,
        "aud": [audience],
        "txn": txn,
        "sub_id": _subject(completion),
        "events": {ASYNC_RESPONSE: _payload(completion, issuer)},
    }


def bulk_txn(txn: str, index: int) -> str:
    """Return the `txn` of one operation of a bulk request: its place there from zero (RFC 9967 section 2.5.1.2)."""
    return f"{txn}:{index}"


def parse_txn(text: str) -> tuple[str, int | None]:
    """Return a request's id, and the place of one operation if the text names it; what is no such text is an id."""
    found = _BULK_TXN.fullmatch(text)
    return (text, None) if found is None else (found["request"], int(found["index"]))


def _subject(completion: Completion) -> dict[str, str]:
    """RFC 9967 section 2.1: `uri` is a path behind the base URL."""
    known = {"externalId": completion.external_id, "id": completion.resource_id}
    return {"format": "scim", "uri": completion.uri, **_present(known)}


def _payload(completion: Completion, base: str) -> dict[str, Any]:
    """RFC 9967 section 2.5.1.3: the same as one operation of a bulk response, whose status is a string."""
    location = base + completion.uri if completion.is_located else None
    optional = {
        "bulkId": completion.bulk_id,
        "version": completion.version,
        "location": location,
        "response": completion.error,
    }
    return {"method": completion.method, "status": str(completion.status), **_present(optional)}


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
