"""Knows the keys of objects whatever their case (RFC 7643 section 2.1), and refuses one that is there twice."""

from collections.abc import Mapping
from typing import Any

from shared.scim import paths
from shared.scim.errors import InvalidSyntaxError


def folded(document: Any, where: str) -> dict[str, Any]:
    """Return what an object holds, by its keys in lower case. Raises InvalidSyntaxError, also for what is no object."""
    if not isinstance(document, dict):
        raise InvalidSyntaxError(f"{where} must be an object")
    refuse_twice(document, where)
    return {key.lower(): value for key, value in document.items()}


def refuse_twice(document: Mapping[str, Any], where: str) -> None:
    """Raise InvalidSyntaxError if a key is there in two spellings, one of which would be dropped."""
    spellings: dict[str, str] = {}
    for key in document:
        if spellings.setdefault(key.lower(), key) != key:
            raise InvalidSyntaxError(f"{where} has {paths.shown(key)} twice, in two spellings")
