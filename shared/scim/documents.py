"""Takes a resource, or a part of one, apart into resolved paths and the raw values that it gives them.

Keys are known whatever their case (RFC 7643 section 2.1). Beside the nested form, keys that are paths are understood:
Entra ID sends `name.givenName` and `urn:...:User:department`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from shared.scim import keys, paths, resource_types, value_paths
from shared.scim.attributes import ResourceType, Schema
from shared.scim.dialects import tolerances
from shared.scim.dialects.tolerances import Used
from shared.scim.errors import InvalidFilterError, InvalidPathError, InvalidSyntaxError, InvalidValueError
from shared.scim.paths import Path

MAX_PATHS = 200_000
"""Letters of paths in one object, or in one message, at most."""
PATH_MARKS = frozenset(".:[")


def flatten(
    document: Mapping[str, Any], resource_type: ResourceType, used: Used | None = None
) -> Iterator[tuple[Path, Any]]:
    """Yield what the document assigns; unknown attributes are ignored.

    Raises InvalidValueError, and InvalidSyntaxError for a key in two spellings, and for more keys that are paths than
    anybody needs.
    """
    keys.refuse_twice(document, "The object")
    _refuse_many_paths(document)
    for key, value in document.items():
        schema = resource_type.find_schema(key)
        if schema is not None:
            yield from of_schema(schema, value, resource_type, used)
        else:
            yield from _of_key(key, value, resource_type, used)


def of_schema(
    schema: Schema, value: Any, resource_type: ResourceType, used: Used | None = None
) -> Iterator[tuple[Path, Any]]:
    """Yield what the object under a schema's URN assigns; if that is null, all its attributes are unassigned."""
    if value is None or value in ("", []):
        value = {attribute.name: None for attribute in schema.attributes}
    if not isinstance(value, dict):
        raise InvalidValueError(f"{schema.id} must be an object")
    keys.refuse_twice(value, schema.id)
    _refuse_many_paths(value)
    for key, raw in value.items():
        attribute = schema.attribute(key)
        if attribute is not None:
            yield Path(schema, attribute), raw
        elif not _is_path(key):
            tolerances.note(used, tolerances.UNKNOWN_ATTRIBUTE)
        else:
            yield from _of_key(f"{schema.id}:{key}", raw, resource_type, used)


def note_unqualified(text: str, path: Path, used: Used | None) -> bool:
    """Note that an extension's attribute lacks its URN, and tell whether it does."""
    is_unqualified = path.is_extension and not text.strip().lower().startswith(path.schema.id.lower())
    if is_unqualified:
        tolerances.note(used, tolerances.UNQUALIFIED_EXTENSION)
    return is_unqualified


def _of_key(key: str, value: Any, resource_type: ResourceType, used: Used | None) -> Iterator[tuple[Path, Any]]:
    attribute = resource_types.find_attribute(resource_type.schema, key)
    if attribute is not None:
        yield Path(resource_type.schema, attribute), value
        return
    path = _resolve(key, resource_type)
    if path is None:
        tolerances.note(used, tolerances.UNKNOWN_ATTRIBUTE)
        return
    if not note_unqualified(key, path, used):
        tolerances.note(used, tolerances.DOTTED_KEY)
    yield path, value


def _is_path(key: str) -> bool:
    return not PATH_MARKS.isdisjoint(key)


def _refuse_many_paths(document: Mapping[str, Any]) -> None:
    """To look a name up costs next to nothing, and to read a path costs something for each letter."""
    if sum(len(key) for key in document if _is_path(key)) > MAX_PATHS:
        raise InvalidSyntaxError(f"An object takes at most {MAX_PATHS} characters of keys that have a '.', ':' or '['")


def _resolve(key: str, resource_type: ResourceType) -> Path | None:
    if "[" not in key:
        return paths.find(key, resource_type)
    try:
        return value_paths.parse(key, resource_type)
    except (InvalidPathError, InvalidFilterError):
        return None
