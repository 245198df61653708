"""A resource's version as an entity tag (RFC 7644 section 3.14, RFC 9110 section 8.8.3)."""

import re

#     entity-tag = [ "W/" ] DQUOTE *etagc DQUOTE    ; clients also send the bare version
ENTITY_TAG = re.compile(r'(?:^|,)\s*(?:(?:[Ww]/)?"(?P<quoted>[^"]*)"|(?:[Ww]/)?(?P<bare>[^\s",]+))\s*(?=,|$)')
ANY = "*"


def etag(version: int) -> str:
    """Return the weak entity tag, which `meta.version` holds too."""
    return f'W/"{version}"'


def matches(header: str, version: int) -> bool:
    """Whether If-Match or If-None-Match names the version; the comparison is weak, for all our tags are."""
    if is_any(header):
        return True
    return str(version) in {found["quoted"] or found["bare"] for found in ENTITY_TAG.finditer(header)}


def is_any(header: str) -> bool:
    """Whether If-Match or If-None-Match names every version, and so asks only whether there is one."""
    return header.strip() == ANY


def number(tag: str) -> int:
    """Return the version that one of our own entity tags names."""
    return int(tag.removeprefix('W/"').removesuffix('"'))
