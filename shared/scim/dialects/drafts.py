"""Brings the URNs of SCIM's drafts into the RFC's spelling, for clients whose templates are older than the RFC."""

from functools import lru_cache
from typing import Any

from shared.scim.attributes import ResourceType
from shared.scim.dialects import tolerances
from shared.scim.dialects.tolerances import Used
from shared.scim.schemas.common import SCHEMAS

# RFC 7643 section 10 registers `urn:ietf:params:scim:schemas:core:2.0:User`. In drafts it was
# `urn:scim:schemas:core:2.0:User`, and before that `urn:scim:schemas:core:2.0` for every resource type.
REGISTERED = "urn:ietf:params:"
DRAFT = "urn:"


def normalise(document: dict[str, Any], resource_type: ResourceType, used: Used | None = None) -> dict[str, Any]:
    """Return a resource with the URNs of the RFC, in `schemas` and as keys; what has both keeps the RFC's."""
    known = _drafts(resource_type)
    renamed = {known[key.lower()]: value for key, value in document.items() if key.lower() in known}
    kept = {key: _spelled(key, value, known) for key, value in document.items() if key.lower() not in known}
    if renamed or kept != document:
        tolerances.note(used, tolerances.DRAFT_URN)
    return {**renamed, **kept}


def _spelled(key: str, value: Any, known: dict[str, str]) -> Any:
    if key.lower() != SCHEMAS.name or not isinstance(value, list):
        return value
    return [known.get(urn.lower(), urn) if isinstance(urn, str) else urn for urn in value]


@lru_cache(maxsize=1024)
def _drafts(resource_type: ResourceType) -> dict[str, str]:
    """Return the registered URN for each that a draft gave one of the type's own schemas, in lower case."""
    drafts = {
        DRAFT + schema.id.removeprefix(REGISTERED): schema.id
        for schema in resource_type.schemas
        if schema.id.startswith(REGISTERED) and not schema.is_custom
    }
    short = {draft.rpartition(":")[0]: urn for draft, urn in drafts.items()}
    return {draft.lower(): urn for draft, urn in (short | drafts).items()}
