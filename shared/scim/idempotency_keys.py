"""The key by which a client recognises a request (draft-ietf-httpapi-idempotency-key-header-07 section 2)."""

import re

from shared.scim.errors import InvalidValueError

LONGEST = 255

#     Idempotency-Key = sf-string
#     sf-string = DQUOTE *chr DQUOTE
#     chr       = unescaped / escaped
#     unescaped = %x20-21 / %x23-5B / %x5D-7E
#     escaped   = "\" ( DQUOTE / "\" )                              (RFC 8941 section 3.3.3)
_STRING = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])+)"')
# Many clients leave the quotes out. A comma stands between two headers of the name, of which there may be only one.
_BARE = re.compile(r"[!#-+\--:<-\[\]-~]+")

PATTERN = r'^("([ !#-\[\]-~]|\\["\\])+"|[!#-+\--:<-\[\]-~]+)$'
"""Both forms, for descriptions."""


def parse(header: str | None) -> str | None:
    """Return the key in an Idempotency-Key header, None without a header. Raises InvalidValueError."""
    if header is None:
        return None
    text = header.strip()
    string = _STRING.fullmatch(text)
    key = re.sub(r"\\(.)", r"\1", string[1]) if string else text
    if not (string or _BARE.fullmatch(text)) or len(key) > LONGEST:
        raise InvalidValueError(
            f"The Idempotency-Key header must be one string of 1 to {LONGEST} printable ASCII characters in quotes"
        )
    return key
