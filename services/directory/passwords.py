"""Hash passwords with argon2id: what is kept of one is nothing that can be tried out fast.

The salt is made of what the write has in common with itself sent again, without the password, so the same write has the
same hash: it is recognised by a digest of the hash, and no fast hash of a password is kept anywhere
(docs/decisions/0029-passwords.md).
"""

import hmac
from typing import Any

import orjson
from argon2.low_level import Type, hash_secret

from services.directory.journal import Write
from shared.scim import plaintext
from shared.scim.plaintext import Plaintext

SALTS = "salts"
"""The name of the key that salts are made with."""

# What OWASP's cheat sheet on password storage asks for at least: about 30 ms, and 19 MiB.
MEMORY_KIB = 19_456
PASSES = 2
LANES = 1
SALT_BYTES = 16
HASH_BYTES = 32


def salt(key: bytes, write: Write) -> bytes:
    """Return the salt of a write; a POST has a new lane each time."""
    lane = None if write.method == "POST" else write.lane
    request: Any = plaintext.replaced(write.request, lambda _: None)
    parts = [write.tenant_id, write.method, write.resource_type, lane, request]
    return hmac.digest(key, orjson.dumps(parts, option=orjson.OPT_SORT_KEYS), "sha256")[:SALT_BYTES]


def hashed(secret: Plaintext, salt: bytes) -> str:
    """Return the hash of a password, with its parameters, as every library of argon2 reads it (RFC 9106)."""
    text = secret.reveal().encode()
    return hash_secret(text, salt, PASSES, MEMORY_KIB, LANES, HASH_BYTES, Type.ID).decode()
