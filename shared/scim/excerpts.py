"""Makes of a request that was refused what may be kept of it: without secrets, and cut where it is too long.

It is read as it came, for nothing of it was understood for sure. So a value is kept only where the registry knows the
attribute that it stands for, and that is no secret; instead of any other stands what kind of value it is. On the way it
is noted what somebody may look for who wants to know why it was refused.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.scim import paths, redaction, value_paths, values
from shared.scim.attributes import VALUE, Attribute, ResourceType
from shared.scim.errors import SCIMError
from shared.scim.paths import Path
from shared.scim.schemas.common import SCHEMAS

LARGEST = 8_192
"""Characters of a request that are kept, about: with keys, and with what stands instead of values."""

LONGEST_TEXT = 256
LONGEST_NAME = 80
MOST_TERMS = 50
LONGEST_TERM = 512
CUT = "(cut off here)"
UNKNOWN = "an attribute that is not known"

# What a filter compares: an attribute's name, an operator, and a value that may not be closed. A name is tried from its
# first letter only and as a whole, so that a filter that is one long name takes no longer than it is long.
_COMPARISON = re.compile(r'(?<![\w.:$-])([\w.:$-]++)\s+([a-z]{2})\s+("(?:[^"\\]|\\.)*"?|[^\s()\[\]"]+)', re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Excerpt:
    """What is kept of a request, and the terms by which it is found, in lower case."""

    content: Any = None
    terms: frozenset[str] = frozenset()


def of_document(document: Any, resource_type: ResourceType | None, *, is_patch: bool) -> Excerpt:
    """Return what is kept of a body: a resource, or the message of a PATCH."""
    if resource_type is None or not isinstance(document, dict):
        return Excerpt(content=kind(document))
    reader = _Reader(resource_type=resource_type)
    content = reader.message(document) if is_patch else reader.resource(document)
    return Excerpt(content=content, terms=frozenset(reader.terms))


def of_filter(text: str, resource_type: ResourceType | None) -> Excerpt:
    """Return the comparisons of a filter, as far as they can be told from a filter that makes no sense."""
    if resource_type is None:
        return Excerpt()
    reader = _Reader(resource_type=resource_type)
    found = [reader.comparison(*each) for each in _COMPARISON.findall(text[:LARGEST])]
    return Excerpt(content=" ... ".join(found) or None, terms=frozenset(reader.terms))


def kind(value: Any) -> str:
    """Return what kind of value it is, and not the value."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return f"a string of {len(value)} characters"
        case list():
            return f"an array of {len(value)}"
        case _:
            return "an object"


@dataclass
class _Reader:
    """Reads one request, as long as there is room left."""

    resource_type: ResourceType
    left: int = LARGEST
    terms: set[str] = field(default_factory=set)

    def message(self, document: Mapping[str, Any]) -> Any:
        """Read the message of a PATCH: its operations, whatever the case of their keys."""
        operations = next((value for key, value in document.items() if key.lower() == "operations"), None)
        if not isinstance(operations, list):
            return {"Operations": kind(operations)}
        return {"Operations": self._each(operations, self._operation)}

    def resource(self, document: Mapping[str, Any]) -> Any:
        """Read a resource, or a part of one."""
        return self._members(document, self._top)

    def comparison(self, name: str, operator: str, literal: str) -> str:
        """Read one comparison of a filter."""
        path = self._path(name)
        shown = kind(literal) if path is None else self._scalar(_meant(path.leaf), literal.strip('"'), path.attribute)
        return f"{_name(name)} {operator.lower()} {shown}"

    def _operation(self, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return kind(raw)
        given = {key.lower(): value for key, value in raw.items()}
        path, value = given.get("path"), given.get("value")
        op = given.get("op")
        read: dict[str, Any] = {"op": op[:LONGEST_NAME] if isinstance(op, str) else kind(op)}
        if path in (None, ""):
            return read | {"value": self.resource(value) if isinstance(value, dict) else kind(value)}
        self.left -= min(len(path), LONGEST_TEXT) if isinstance(path, str) else 0
        resolved = self._path(path) if isinstance(path, str) else None
        read["path"] = kind(path) if not isinstance(path, str) else self._spelled(path, resolved)
        if resolved is None:
            return read | {"value": kind(value)}
        return read | {"value": self._value(resolved.leaf, value, resolved.attribute)}

    def _path(self, text: str) -> Path | None:
        """Resolve a path; one whose brackets make no sense is known by what stands before them."""
        try:
            return value_paths.parse(text, self.resource_type)
        except SCIMError:
            head, bracket, _ = text.partition("[")
        return paths.find(head, self.resource_type) if bracket and len(head) <= LONGEST_TEXT else None

    def _spelled(self, text: str, path: Path | None) -> str:
        if path is None:
            return _name(text)
        head, bracket, rest = text.partition("[")
        if not bracket:
            return path.text
        compared = [self._element_comparison(path, *each) for each in _COMPARISON.findall(rest[:LONGEST_TEXT])]
        return f"{_name(head)}[{' ... '.join(compared)}]" + (f".{path.sub.name}" if path.sub else "")

    def _element_comparison(self, path: Path, name: str, operator: str, literal: str) -> str:
        sub = path.attribute.sub(name)
        shown = kind(literal) if sub is None else self._scalar(sub, literal.strip('"'), path.attribute)
        return f"{_name(name)} {operator.lower()} {shown}"

    def _top(self, key: str, value: Any) -> Any:
        schema = self.resource_type.find_schema(key)
        if schema is not None and schema.is_extension and isinstance(value, dict):
            return self._members(value, lambda name, inner: self._known(schema.attribute(name), inner))
        if key.lower() == SCHEMAS.name:
            return [_name(each) if isinstance(each, str) else kind(each) for each in _first(value)]
        path = self._path(key)
        return self._unknown(value) if path is None else self._value(path.leaf, value, path.attribute)

    def _known(self, attribute: Attribute | None, value: Any) -> Any:
        return self._unknown(value) if attribute is None else self._value(attribute, value, attribute)

    def _unknown(self, value: Any) -> str:
        return f"{UNKNOWN}: {kind(value)}"

    def _value(self, attribute: Attribute, value: Any, subject: Attribute) -> Any:
        """Read what stands for an attribute; `subject` is the attribute that it is, or is a part of."""
        if redaction.is_secret(attribute) or redaction.is_secret(subject):
            return redaction.SECRET
        match value:
            case list():
                return self._each(value, lambda item: self._value(attribute, item, subject))
            case dict() if attribute.is_complex:
                return self._members(value, lambda name, inner: self._part(attribute, name, inner))
            case dict():
                return kind(value)
            case _:
                return self._scalar(_meant(attribute), value, subject)

    def _part(self, attribute: Attribute, name: str, value: Any) -> Any:
        sub = attribute.sub(name)
        return self._unknown(value) if sub is None else self._value(sub, value, attribute)

    def _scalar(self, attribute: Attribute, value: Any, subject: Attribute) -> Any:
        if redaction.is_secret(attribute) or redaction.is_secret(subject):
            return redaction.SECRET
        if not isinstance(value, str):
            return value
        if attribute.is_sought or (subject.reference is not None and attribute.name == VALUE):
            self._note(value)
        return self._cut(value)

    def _note(self, value: str) -> None:
        if len(self.terms) < MOST_TERMS and 0 < len(value) <= LONGEST_TERM and values.is_text(value):
            self.terms.add(value.lower())

    def _members(self, document: Mapping[str, Any], read: Any) -> Any:
        shown: dict[str, Any] = {}
        for key, value in document.items():
            self.left -= min(len(key), LONGEST_NAME) + 4
            if self.left <= 0:
                return shown | {"...": CUT}
            shown[_name(key)] = read(key, value)
        return shown

    def _each(self, items: list[Any], read: Any) -> list[Any]:
        shown: list[Any] = []
        for item in items:
            self.left -= 8
            if self.left <= 0:
                return [*shown, CUT]
            shown.append(read(item))
        return shown

    def _cut(self, text: str) -> str:
        self.left -= min(len(text), LONGEST_TEXT)
        shown = _printable(text[:LONGEST_TEXT])
        return shown if len(text) <= LONGEST_TEXT else f"{shown}... {CUT}"


def _meant(attribute: Attribute) -> Attribute:
    """Return what a bare value of an attribute means: the 'value' of a complex one."""
    return attribute.sub(VALUE) or attribute if attribute.is_complex else attribute


def _name(text: str) -> str:
    """Return the name of an attribute as it was sent, which may be none."""
    return _printable(text.partition("[")[0][:LONGEST_NAME])


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def _first(value: Any) -> Iterable[Any]:
    return value[:MOST_TERMS] if isinstance(value, list) else [value]
