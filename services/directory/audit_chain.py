"""What a row of the audit says, and the hashes that chain it to the row before: pure, so that anybody can verify them.

A row's hash covers the previous row's, all that the row says, and a digest of its details. The digest is salted: when
details are erased together with their salt, nobody can find out what they were, and the chain still holds.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson

BEGINNING = bytes(32)
"""What the first row has in the place of a previous hash."""

INSTALLATION = UUID(int=0)
"""The chain of what concerns no tenant alone."""


class Action(StrEnum):
    """What was done."""

    TENANT_CREATED = "tenant created"
    TENANT_EXPORTED = "tenant exported"
    TOKEN_CREATED = "token created"  # noqa: S105 - the name of an action.
    TOKEN_ROTATED = "token rotated"  # noqa: S105
    TOKEN_RETIRED = "token retired"  # noqa: S105
    TOKEN_REVOKED = "token revoked"  # noqa: S105
    CLIENT_CREATED = "client created"
    CLIENT_REVOKED = "client revoked"
    ISSUER_TRUSTED = "issuer trusted"
    KEYS_ROTATED = "signing keys rotated"
    KEY_REVOKED = "signing key revoked"
    EXTENSION_DECLARED = "extension declared"
    EXTENSION_REMOVED = "extension removed"
    OPERATION_RETRIED = "operation retried"
    OPERATION_DISCARDED = "operation discarded"
    VALUES_SHOWN = "values shown"
    PERSON_ERASED = "person erased"
    SCHEMA_MIGRATED = "schema migrated"
    PART_RESTARTED = "part restarted"
    AUDIT_EXPORTED = "audit exported"
    ADMIN_CREATED = "admin created"
    ADMIN_LINKED = "admin link made"
    ADMIN_REMOVED = "admin removed"
    ADMIN_SIGNED_IN = "admin signed in"
    ADMIN_PASSWORD_SET = "admin password set"  # noqa: S105
    PERMISSIONS_SET = "permissions set"
    REGION_CREATED = "region created"
    REGION_RENAMED = "region renamed"
    REGION_REMOVED = "region removed"
    REGION_RULES_SAVED = "region rules saved"
    REGION_RULES_AGAIN = "region rules begun again"
    WRITES_SEALED = "writes sealed"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a chain; `details` and `salt` are None once they were erased."""

    tenant_id: UUID
    seq: int
    at: datetime
    actor: str
    action: str
    target: str | None
    details: Any
    salt: bytes | None
    digest: bytes
    previous: bytes
    hash: bytes


def digest(salt: bytes, details: Any) -> bytes:
    """Return what a row's hash knows of its details."""
    return hashlib.sha256(salt + _canonical(details)).digest()


def hash_of(row: Row) -> bytes:
    """Return the hash that a row must have."""
    said = {
        "previous": row.previous.hex(),
        "tenant": str(row.tenant_id),
        "seq": row.seq,
        "at": row.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": row.actor,
        "action": row.action,
        "target": row.target,
        "digest": row.digest.hex(),
    }
    return hashlib.sha256(_canonical(said)).digest()


def _canonical(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
