"""Make the text that people are looked for by, and turn what somebody types into patterns for it.

The text is derived from the attributes that the registry says are searched, in lower case and without accents, so that
"muller" finds Müller. Each of its words follows a space (docs/decisions/0035-search-by-trigrams.md).
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from shared.scim.attributes import Attribute, ResourceType, Schema, Stored

COLUMN = "search"
LONGEST_TEXT = 2_000
LONGEST_WANTED = 200
"""Characters that somebody may look for."""

MOST_WORDS = 8
SHORT = 2
"""Words of so many letters are looked for at the beginnings of words: every trigram of theirs is there."""

_ACCENTS = re.compile("[\u0300-\u036f]")


def text(resource_type: ResourceType, resource: dict[str, Any]) -> str | None:
    """Return what a resource is found by; None where nothing of its type is searched."""
    searched = _searched(resource_type)
    if not searched:
        return None
    words = (folded(value) for found in searched for value in _values(resource, *found))
    return "".join(f" {word}" for word in dict.fromkeys(words))[:LONGEST_TEXT]


def patterns(wanted: str) -> list[str]:
    """Return LIKE patterns, all of which the text of a wanted resource matches."""
    words = folded(wanted).split()[:MOST_WORDS]
    return [f"% {_escaped(word)}%" if len(word) <= SHORT else f"%{_escaped(word)}%" for word in words]


def folded(value: str) -> str:
    """Return a text without case, accents and line breaks."""
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", value)).casefold()
    return " ".join(plain.split())


@lru_cache
def _searched(resource_type: ResourceType) -> tuple[tuple[Schema, Attribute, Attribute | None], ...]:
    found: list[tuple[Schema, Attribute, Attribute | None]] = []
    for schema, attribute in resource_type.walk():
        if attribute.is_searched:
            found.append((schema, attribute, None))
        found += [(schema, attribute, sub) for sub in attribute.sub_attributes if sub.is_searched]
    return tuple(found)


def _values(resource: dict[str, Any], schema: Schema, attribute: Attribute, sub: Attribute | None) -> Iterator[str]:
    container = resource.get(schema.id, {}) if schema.column_prefix else resource
    value = container.get(attribute.name)
    elements: Iterable[Any] = value if attribute.stored is Stored.DOCUMENT and value else [value]
    for element in elements:
        found = element if sub is None else (element or {}).get(sub.name)
        if isinstance(found, str):
            yield found


def _escaped(word: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", word)
