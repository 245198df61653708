"""The form of a secret, of a token or of a client: random, recognisable, and stored as SHA-256.

`mst_`, or `mcs_` for a client, and 43 characters (256 random bits in base 62) and 6 characters of CRC-32: secret
scanners can find a leaked one, and a mistyped token is refused without a look into the database.
"""

import hashlib
import secrets
from zlib import crc32

PREFIX = "mst_"
CLIENT_PREFIX = "mcs_"
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM, _CHECK = 43, 6


def is_well_formed(secret: str) -> bool:
    """Whether a text could be a token: prefix, length, alphabet and checksum."""
    body = secret.removeprefix(PREFIX)
    if body == secret or len(body) != _RANDOM + _CHECK or not body.isascii():
        return False
    return body[_RANDOM:] == _checksum(body[:_RANDOM])


def generate(prefix: str = PREFIX) -> str:
    """Return a new secret."""
    body = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
    return prefix + body + _checksum(body)


def digest(secret: str) -> bytes:
    """Return what is stored; 256 random bits need no slow hash."""
    return hashlib.sha256(secret.encode()).digest()


def _checksum(body: str) -> str:
    number, text = crc32(body.encode()), ""
    for _ in range(_CHECK):
        number, digit = divmod(number, len(_ALPHABET))
        text = _ALPHABET[digit] + text
    return text
