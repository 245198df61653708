"""Keeps apart what is to be kept as a hash alone, until somebody who can hash it has done so.

A value of an attribute that is hashed is no text from the border on: nothing can write it down by accident, for it is
nothing that JSON has, and its own text is that of its class.
"""

from collections.abc import Callable
from typing import Any


class Plaintext:
    """A secret as a client sent it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the secret, to be hashed."""
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plaintext) and other._text == self._text

    __hash__ = None  # type: ignore[assignment]


def is_in(value: Any) -> bool:
    """Whether there is a secret anywhere in a checked request."""
    match value:
        case Plaintext():
            return True
        case dict():
            return any(map(is_in, value.values()))
        case list():
            return any(map(is_in, value))
        case _:
            return False


def replaced(value: Any, replacement: Callable[[Plaintext], Any]) -> Any:
    """Return a checked request with something else in the place of each secret."""
    match value:
        case Plaintext():
            return replacement(value)
        case dict():
            return {name: replaced(inner, replacement) for name, inner in value.items()}
        case list():
            return [replaced(inner, replacement) for inner in value]
        case _:
            return value
