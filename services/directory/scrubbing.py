"""Take a person out of JSON that is about others: names beside the person's id, and names in the filters of paths."""

from collections.abc import Collection
from typing import Any

from shared.scim.attributes import TYPE, VALUE
from shared.scim.extension_files import REFERENCE_NAME

ERASED = "erased"
"""What stands where a person's value was."""

_TELLS_NOBODY = frozenset({VALUE, TYPE, REFERENCE_NAME})


def scrubbed(document: Any, person_id: str, names: Collection[str]) -> Any:
    """Return a document in which the person's id may be, and nothing else of theirs."""
    match document:
        case dict() if document.get(VALUE) == person_id:
            return {name: value if name in _TELLS_NOBODY else ERASED for name, value in document.items()}
        case dict():
            return {name: scrubbed(value, person_id, names) for name, value in document.items()}
        case list():
            return [scrubbed(each, person_id, names) for each in document]
        case str():
            return _without_literals(document, names)
        case _:
            return document


def blank_changes(changes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what the history keeps of changes: which attributes changed."""
    return [{"attribute": change["attribute"], "from": None, "to": None} for change in changes]


def blank_request(method: str, request: Any) -> Any:
    """Return a request that says nothing, in the form of its method."""
    if request is None:
        return None
    return [] if method == "PATCH" else {}


def blank_outcome(outcome: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return an outcome without the resource."""
    return None if outcome is None else {name: value for name, value in outcome.items() if name != "resource"}


def literal(name: str) -> str:
    """Return a name as it stands in a filter."""
    return f'"{name}"'


def _without_literals(text: str, names: Collection[str]) -> str:
    for name in names:
        text = text.replace(literal(name), literal(ERASED))
    return text
