"""Reads a tenant's own schema extension from a file: the schema document of RFC 7643 section 7, in TOML or JSON.

Beside the RFC's keys it has `resourceType`, the type that it extends. What is unknown or impossible is refused, with
the place in the file in words.
"""

import json
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar

from shared.scim import discovery, resource_types
from shared.scim.attributes import Attribute, Mutability, Returned, Schema, Stored, Type, Uniqueness
from shared.scim.values import is_text

MAX_ATTRIBUTES = 100
MAX_SUB_ATTRIBUTES = 30
MAX_CANONICAL_VALUES = 200
MAX_URN = 200
MAX_NAME = 100
MAX_DESCRIPTION = 2_000

# RFC 8141 section 2, without the characters that mean something in filters, in URLs and in lists of attributes.
URN = re.compile(r"urn:[a-z0-9][a-z0-9-]{0,30}[a-z0-9]:[a-z0-9](?:[a-z0-9._:-]*[a-z0-9])?", re.ASCII | re.IGNORECASE)
#     ATTRNAME = ALPHA *(nameChar)    ; RFC 7643 section 2.1
#     nameChar = "$" / "-" / "_" / DIGIT / ALPHA
NAME = re.compile(r"[A-Za-z][$\-_0-9A-Za-z]*", re.ASCII)
_JSON = re.compile(r"\s*+(?:\[\s*+)?\{")
REFERENCE_NAME = "$ref"
# The common attributes (RFC 7643 section 3.1), and the words of filters (RFC 7644 section 3.4.2.2).
RESERVED_NAMES = frozenset({"id", "externalid", "meta", "schemas", "and", "or", "not"})
# The RFCs' own URNs; `urn:ietf:params:scim:schemas:extension:...` is what identity providers propose for custom ones.
RESERVED_URNS = ("urn:ietf:params:scim:api:", "urn:ietf:params:scim:schemas:core:")
REFERENCE_TYPES = (*resource_types.BY_NAME, "external", "uri")
EXACT_TYPES = frozenset({Type.BINARY, Type.REFERENCE})

_FILE_KEYS = ("resourceType", "id", "name", "description", "required", "attributes", "schemas", "meta")
_NEEDED = ("resourceType", "id", "name", "attributes")
_ATTRIBUTE_KEYS = (
    *("name", "type", "description", "multiValued", "required", "caseExact", "mutability", "returned", "uniqueness"),
    *("canonicalValues", "referenceTypes", "subAttributes", "sensitive"),
)
_Choice = TypeVar("_Choice", bound=StrEnum)


class ExtensionFileError(ValueError):
    """A file declares no extension; the text names the place in the file, and the rule."""


@dataclass(frozen=True, kw_only=True)
class Extension:
    """A schema that a tenant declared, and the name of the resource type that it extends."""

    resource_type: str
    schema: Schema


def parse(text: str) -> Extension:
    """Return the extension that the text of a file declares; raises ExtensionFileError.

    It is JSON if it begins with a brace, alone or in an array, as no TOML does.
    """
    text = text.removeprefix("\ufeff")
    is_json = _JSON.match(text) is not None
    try:
        fields = json.loads(text, object_pairs_hook=_without_duplicates) if is_json else tomllib.loads(text)
    except ExtensionFileError:
        raise
    # The errors of both are ValueErrors, and so is that of a number with more digits than Python reads.
    except (ValueError, RecursionError) as error:
        raise ExtensionFileError(f"the file is not {'JSON' if is_json else 'TOML'}: {error}") from error
    return read(fields)


def read(fields: Any) -> Extension:
    """Return the extension that a document declares; raises ExtensionFileError."""
    fields = _table(fields, "the file", _FILE_KEYS)
    _refuse_missing(fields)
    if _flag(fields, "required", "the file"):
        raise ExtensionFileError("the file: 'required' must be false: a resource need not have the extension")
    attributes = _list(fields, "attributes", "the file", MAX_ATTRIBUTES)
    if not attributes:
        raise ExtensionFileError("the file: 'attributes' must list at least one attribute")
    schema = Schema(
        id=_urn(fields),
        name=_text(fields, "name", "the file", MAX_NAME),
        description=_text(fields, "description", "the file", MAX_DESCRIPTION, ""),
        attributes=_attributes(attributes, "attribute", ""),
    )
    return Extension(
        resource_type=_one_of(fields, "resourceType", "the file", tuple(resource_types.BY_NAME)), schema=schema
    )


def document(extension: Extension) -> dict[str, Any]:
    """Return the document that `read` reads: what `/Schemas` shows (RFC 7643 section 7), and what is none of its."""
    shown = discovery.schema_document(extension.schema, "")
    own = {"resourceType": extension.resource_type, **{key: value for key, value in shown.items() if key != "meta"}}
    return own | {"attributes": _with_sensitive(shown["attributes"], extension.schema.attributes)}


def _with_sensitive(shown: Sequence[dict[str, Any]], attributes: Sequence[Attribute]) -> list[dict[str, Any]]:
    """Add what clients are not told; what is sensitive as a whole is so in each of its parts."""
    found = []
    for fields, attribute in zip(shown, attributes, strict=True):
        subs = _with_sensitive(fields.get("subAttributes", ()), attribute.sub_attributes)
        flag = {"sensitive": True} if attribute.is_sensitive else {}
        found.append(fields | ({"subAttributes": subs} if subs else {}) | flag)
    return found


def _refuse_missing(fields: dict[str, Any]) -> None:
    """Name all that is missing at once, in the order in which one writes it."""
    missing = [f"'{key}'" for key in _NEEDED if fields.get(key) is None]
    if missing:
        raise ExtensionFileError(f"the file: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing")


def _without_duplicates(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ExtensionFileError("the file: an object has the same key twice")
    return fields


def _urn(fields: dict[str, Any]) -> str:
    urn = _text(fields, "id", "the file", MAX_URN)
    if not URN.fullmatch(urn):
        raise ExtensionFileError(
            "the file: 'id' must be a URN of letters, digits and . _ : -, such as urn:example:scim:badge:1.0:User"
        )
    folded = urn.lower()
    for taken in (*RESERVED_URNS, *resource_types.BUILT_IN.schemas):
        if f"{folded}:".startswith(f"{taken.rstrip(':')}:") or f"{taken.rstrip(':')}:".startswith(f"{folded}:"):
            raise ExtensionFileError(f"the file: 'id' must not be, begin with, or be the beginning of {taken}")
    return urn


def _attributes(raw: Sequence[Any], what: str, within: str) -> tuple[Attribute, ...]:
    read = [_attribute(fields, f"{what} {number}", within) for number, fields in enumerate(raw, start=1)]
    names = [attribute.name.lower() for attribute in read]
    for number, attribute in enumerate(read, start=1):
        if attribute.name.lower() in names[: number - 1]:
            where = f"{what} {number} ('{attribute.name}'){within}"
            raise ExtensionFileError(f"{where}: another one has this name; names know no case")
    return tuple(read)


def _attribute(raw: Any, what: str, within: str) -> Attribute:
    fields = _table(raw, f"{what}{within}", _ATTRIBUTE_KEYS)
    name = _name(fields, f"{what}{within}", is_sub=bool(within))
    where = f"{what} ('{name}'){within}"
    type_ = _choice(fields, "type", where, Type.STRING)
    subs = _list(fields, "subAttributes", where, MAX_SUB_ATTRIBUTES)
    attribute = Attribute(
        name=name,
        type=type_,
        description=_text(fields, "description", where, MAX_DESCRIPTION, ""),
        multi_valued=_flag(fields, "multiValued", where),
        required=_flag(fields, "required", where),
        case_exact=_flag(fields, "caseExact", where, default=type_ in EXACT_TYPES),
        mutability=_choice(fields, "mutability", where, Mutability.READ_WRITE),
        returned=_choice(fields, "returned", where, Returned.DEFAULT),
        uniqueness=_choice(fields, "uniqueness", where, Uniqueness.NONE),
        canonical_values=_texts(fields, "canonicalValues", where, MAX_CANONICAL_VALUES),
        reference_types=_texts(fields, "referenceTypes", where, len(REFERENCE_TYPES)),
        sub_attributes=() if within else _attributes(subs, "sub-attribute", f" of {where}"),
        stored=Stored.BAG,
        is_sensitive=_flag(fields, "sensitive", where),
    )
    if attribute.is_sensitive:
        subs_too = tuple(replace(sub, is_sensitive=True) for sub in attribute.sub_attributes)
        attribute = replace(attribute, sub_attributes=subs_too)
    if within and subs:
        raise ExtensionFileError(f"{where}: a sub-attribute has no 'subAttributes' of its own")
    for is_broken, rule in (*(_SUB_RULES if within else _TOP_RULES), *_RULES):
        if is_broken(attribute):
            raise ExtensionFileError(f"{where}: {rule}")
    return attribute


# What the characteristics must be together (RFC 7643 sections 2.3 and 7).
_RULES: tuple[tuple[Callable[[Attribute], bool], str], ...] = (
    (
        lambda a: a.uniqueness is not Uniqueness.NONE,
        "'uniqueness' must be none: no index can enforce it for an extension of one tenant",
    ),
    (
        lambda a: a.mutability is Mutability.WRITE_ONLY and a.returned is not Returned.NEVER,
        "'returned' must be never where 'mutability' is writeOnly",
    ),
    (
        lambda a: a.required and a.mutability is Mutability.READ_ONLY,
        "'required' must be false where 'mutability' is readOnly: no client could give it a value",
    ),
    (lambda a: not a.case_exact and a.type in EXACT_TYPES, "'caseExact' must be true for this type"),
    (lambda a: bool(a.canonical_values) and a.type is not Type.STRING, "'canonicalValues' are for strings"),
    (lambda a: bool(a.reference_types) and a.type is not Type.REFERENCE, "'referenceTypes' are for references"),
    (
        lambda a: a.type is Type.REFERENCE and not set(a.reference_types) & set(REFERENCE_TYPES),
        f"a reference needs 'referenceTypes', some of: {', '.join(REFERENCE_TYPES)}",
    ),
    (
        lambda a: not set(a.reference_types) <= set(REFERENCE_TYPES),
        f"'referenceTypes' may be: {', '.join(REFERENCE_TYPES)}",
    ),
)
_TOP_RULES: tuple[tuple[Callable[[Attribute], bool], str], ...] = (
    (lambda a: bool(a.sub_attributes) and not a.is_complex, "only a complex attribute has 'subAttributes'"),
    (lambda a: a.is_complex and not a.sub_attributes, "a complex attribute needs 'subAttributes'"),
)
_SUB_RULES: tuple[tuple[Callable[[Attribute], bool], str], ...] = (
    (lambda a: a.is_complex, "a sub-attribute must not be complex (RFC 7643 section 2.3.8)"),
    (lambda a: a.multi_valued, "a sub-attribute must not be multi-valued"),
)


def _name(fields: dict[str, Any], where: str, *, is_sub: bool) -> str:
    name = _text(fields, "name", where, MAX_NAME)
    if not NAME.fullmatch(name) and not (is_sub and name == REFERENCE_NAME):
        raise ExtensionFileError(f"{where}: 'name' must be a letter, and then letters, digits, $, - and _")
    if name.lower() in RESERVED_NAMES and not is_sub:
        raise ExtensionFileError(f"{where}: '{name}' is reserved; choose another name")
    if name.lower() in {"and", "or", "not"}:
        raise ExtensionFileError(f"{where}: '{name}' is a word of filters; choose another name")
    return name


def _table(raw: Any, where: str, keys: Sequence[str]) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise ExtensionFileError(f"{where} must be a table of keys and values")
    for key in raw:
        if key not in keys:
            raise ExtensionFileError(f"{where}: {str(key)!r} is not known; the keys are: {', '.join(keys)}")
    return raw


def _text(fields: dict[str, Any], key: str, where: str, limit: int, default: str | None = None) -> str:
    value = fields.get(key, default)
    if value is None:
        raise ExtensionFileError(f"{where}: '{key}' is missing")
    if not isinstance(value, str) or not is_text(value):
        raise ExtensionFileError(f"{where}: '{key}' must be a text")
    if len(value) > limit or (not value and default is None):
        raise ExtensionFileError(f"{where}: '{key}' must have 1 to {limit} characters")
    return value


def _flag(fields: dict[str, Any], key: str, where: str, *, default: bool = False) -> bool:
    value = fields.get(key, default)
    if not isinstance(value, bool):
        raise ExtensionFileError(f"{where}: '{key}' must be true or false")
    return value


def _choice(fields: dict[str, Any], key: str, where: str, default: _Choice) -> _Choice:
    kind = type(default)
    return kind(_one_of(fields, key, where, tuple(kind), default))


def _one_of(fields: dict[str, Any], key: str, where: str, choices: Sequence[str], default: str | None = None) -> str:
    value = fields.get(key, default)
    if value is None:
        raise ExtensionFileError(f"{where}: '{key}' is missing")
    if not isinstance(value, str) or value not in choices:
        raise ExtensionFileError(f"{where}: '{key}' must be one of: {', '.join(choices)}")
    return value


def _list(fields: dict[str, Any], key: str, where: str, limit: int) -> list[Any]:
    value = fields.get(key, [])
    if not isinstance(value, list):
        raise ExtensionFileError(f"{where}: '{key}' must be a list")
    if len(value) > limit:
        raise ExtensionFileError(f"{where}: '{key}' takes at most {limit} entries")
    return value


def _texts(fields: dict[str, Any], key: str, where: str, limit: int) -> tuple[str, ...]:
    value = _list(fields, key, where, limit)
    if not all(isinstance(text, str) and text and is_text(text) for text in value):
        raise ExtensionFileError(f"{where}: '{key}' must be a list of texts")
    if len(set(value)) < len(value):
        raise ExtensionFileError(f"{where}: '{key}' has an entry twice")
    return tuple(value)
