"""A resource's version as an entity tag (RFC 7644 section 3.14, RFC 9110 section 8.8.3)."""

import hashlib
import json
import re
from typing import Any

#     entity-tag = [ "W/" ] DQUOTE *etagc DQUOTE    ; clients also send the bare version
ENTITY_TAG = re.compile(r'(?:^|,)\s*(?:(?:[Ww]/)?"(?P<quoted>[^"]*)"|(?:[Ww]/)?(?P<bare>[^\s",]+))\s*(?=,|$)')
ANY = "*"

_QUOTE = '"'
_BESIDE = "-"
_DIGEST_BYTES = 6
_SHOWN = re.compile(rf"(?<=[0-9]){_BESIDE}[0-9a-f]{{{2 * _DIGEST_BYTES}}}(?=\"?$)")
"""What stands behind the version in the tag of an answer that shows what is of others, too."""


def etag(version: int) -> str:
    """Return the weak entity tag, which `meta.version` holds too."""
    return f'W/"{version}"'


def of_shown(tag: str, of_others: list[Any]) -> str:
    """Return the entity tag of an answer that also shows what is of other resources, if there is any of that.

    docs/decisions/0023-not-modified.md.
    """
    if not of_others:
        return tag
    digest = hashlib.blake2b(json.dumps(of_others, sort_keys=True).encode(), digest_size=_DIGEST_BYTES).hexdigest()
    return f'{tag.removesuffix(_QUOTE)}{_BESIDE}{digest}"'


def of_resource(tag: str) -> str:
    """Return the entity tag of the resource alone, of one that may be of an answer."""
    return _SHOWN.sub("", tag)


def matches(header: str, version: int) -> bool:
    """Whether If-Match or If-None-Match names the version; the comparison is weak, for all our tags are.

    What an answer showed of other resources is not compared: nobody changes that by a write to this one.
    """
    return is_any(header) or str(version) in {each.partition(_BESIDE)[0] for each in _named(header)}


def is_named(tag: str, header: str) -> bool:
    """Whether If-None-Match names an answer's entity tag, with what it shows of other resources."""
    return is_any(header) or tag.removeprefix("W/").strip(_QUOTE) in _named(header)


def is_any(header: str) -> bool:
    """Whether If-Match or If-None-Match names every version, and so asks only whether there is one."""
    return header.strip() == ANY


def number(tag: str) -> int:
    """Return the version that one of our own entity tags names."""
    return int(of_resource(tag).removeprefix('W/"').removesuffix('"'))


def _named(header: str) -> set[str]:
    # Between the quotes there may be nothing: that is a tag too, and none of ours.
    return {found["quoted"] or found["bare"] or "" for found in ENTITY_TAG.finditer(header)}
