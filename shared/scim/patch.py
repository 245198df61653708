"""Turns a PATCH message into operations with resolved paths and typed values (RFC 7644 section 3.5.2).

After this every operation has a path, to a simple attribute, a sub-attribute or a multi-valued attribute. Objects for a
singular complex attribute, for an extension, or without a path have become one operation for each thing that they name,
and a null has become a removal. `shared.scim.patching` applies them.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, assert_never

from shared.scim import documents, elements, filters, messages, value_paths, values
from shared.scim.attributes import VALUE, ResourceType, Schema, Stored
from shared.scim.dialects import patches, references, tolerances, wrappings
from shared.scim.dialects.tolerances import Used
from shared.scim.errors import (
    InvalidPathError,
    InvalidSyntaxError,
    InvalidValueError,
    MutabilityError,
    NoTargetError,
    PayloadTooLargeError,
    SCIMError,
)
from shared.scim.paths import Path

MAX_OPERATIONS = 1_000
# Each comparison is made with every element; a body of a megabyte could ask for hours of them.
MAX_COMPARISONS = 2_000


class Op(StrEnum):
    """What an operation does."""

    ADD = "add"
    REPLACE = "replace"
    REMOVE = "remove"


@dataclass(frozen=True)
class Operation:
    """One change at one path. The value is canonical, a list for a whole multi-valued attribute.

    A removal with a value removes only what equals it.
    """

    op: Op
    path: Path
    value: Any = None
    number: int | None = field(default=None, compare=False)
    """The place, from one, of what the client sent; one thing sent may become several of these."""


def parse(document: Any, resource_type: ResourceType, used: Used | None = None) -> tuple[Operation, ...]:
    """Parse a message; raises the SCIMError of RFC 7644 table 9 that fits, naming the operation by its number."""
    return tuple(_bounded(_parsed(document, resource_type, used)))


def document(operations: Iterable[Operation]) -> list[dict[str, Any]]:
    """Return operations as JSON, for the journal, once every secret in them is hashed."""
    return [
        {"op": one.op.value, "path": one.path.source, "value": one.value, "number": one.number} for one in operations
    ]


def restore(journaled: Iterable[dict[str, Any]], resource_type: ResourceType) -> tuple[Operation, ...]:
    """Return the operations of a `document`, which were checked when they were parsed."""
    return tuple(
        Operation(Op(one["op"]), value_paths.parse(one["path"], resource_type), one["value"], one.get("number"))
        for one in journaled
    )


@contextmanager
def blame(number: int | None) -> Iterator[None]:
    """Name the operation by its number in an error that is raised meanwhile."""
    try:
        yield
    except SCIMError as error:
        if number is None:
            raise
        raise type(error)(f"Operation {number}: {error.detail}") from error


def is_row_operation(operation: Operation) -> bool:
    """Whether the directory executes it on rows, so that adding one member costs the same in a group of any size.

    Its value is a list of canonical elements. An ADD has no filter; a REPLACE has none either, and an empty list
    empties; a REMOVE has a filter, or a list, or both, or neither, and then removes all.
    """
    return operation.path.attribute.stored is Stored.ROWS


def _raw_operations(message: Any) -> list[Any]:
    if not isinstance(message, dict):
        raise InvalidSyntaxError("The body must be an object")
    schemas = message.get("schemas")
    if not isinstance(schemas, list) or messages.PATCH_OP.lower() not in [str(urn).lower() for urn in schemas]:
        raise InvalidSyntaxError(f"'schemas' must list {messages.PATCH_OP}")
    operations = message.get("Operations")
    if not isinstance(operations, list) or not operations:
        raise InvalidSyntaxError("'Operations' must be an array of at least one operation")
    if len(operations) > MAX_OPERATIONS:
        raise PayloadTooLargeError(f"'Operations' takes at most {MAX_OPERATIONS} operations")
    written = (one["path"] for one in operations if isinstance(one, dict) and isinstance(one.get("path"), str))
    if sum(map(len, written)) > documents.MAX_PATHS:
        raise PayloadTooLargeError(f"The paths of all operations take at most {documents.MAX_PATHS} characters")
    return operations


def _parsed(document: Any, resource_type: ResourceType, used: Used | None) -> Iterator[Operation]:
    for number, raw in enumerate(_raw_operations(patches.normalise(document, used)), start=1):
        with blame(number):
            for operation in _parse(raw, resource_type, used):
                yield replace(operation, number=number)


def _bounded(operations: Iterable[Operation]) -> Iterator[Operation]:
    """Stop at what would cost too much, before all of it was read."""
    comparisons = 0
    for operation in operations:
        comparisons += filters.size(operation.path.filter) if operation.path.filter else 0
        if comparisons > MAX_COMPARISONS:
            raise PayloadTooLargeError(f"The filters of all operations take at most {MAX_COMPARISONS} comparisons")
        yield operation


def _parse(raw: Any, resource_type: ResourceType, used: Used | None) -> Iterable[Operation]:
    if isinstance(raw, dict) and raw.get("op") is None and isinstance(raw.get("value"), dict) and "path" not in raw:
        return _without_op(raw, resource_type, used)
    op = _op(raw)
    if "path" not in raw:
        return _without_path(op, raw.get("value"), resource_type, used)
    text = raw["path"]
    if not isinstance(text, str):
        raise InvalidPathError("'path' must be a string")
    schema = resource_type.find_schema(text.strip())
    if schema is not None and schema.is_extension and op is Op.REMOVE:
        return _whole_extension(schema)
    if schema is not None:
        value = None if op is Op.REMOVE else _given(op, raw)
        return _each(op, documents.of_schema(schema, value, resource_type, used), used)
    path = value_paths.parse(text, resource_type)
    if not _is_writable(path):
        raise MutabilityError(f"{path.text} is readOnly")
    documents.note_unqualified(text, path, used)
    return _at(op, *_by_value(op, path, _given(op, raw), used), used)


def _without_op(raw: dict[str, Any], resource_type: ResourceType, used: Used | None) -> Iterator[Operation]:
    """Read what can only be an add or a replace, for a removal needs a path, where both do the same: for single values.

    Whether members were to be added, or to replace those that are there, is not guessed.
    """
    for operation in _parse({**raw, "op": Op.REPLACE}, resource_type, used):
        if operation.path.attribute.multi_valued:
            raise InvalidSyntaxError(f"'op' is needed for {operation.path.text}, which may have several values")
        yield operation
    tolerances.note(used, tolerances.MISSING_OP)


def _op(raw: Any) -> Op:
    if not isinstance(raw, dict):
        raise InvalidSyntaxError("it must be an object")
    try:
        return Op(raw.get("op", ""))
    except ValueError as error:
        raise InvalidSyntaxError(f"'op' must be one of {', '.join(Op)}") from error


def _given(op: Op, raw: dict[str, Any]) -> Any:
    if "value" not in raw and op is not Op.REMOVE:
        raise InvalidValueError(f"'{op}' needs a value")
    return raw.get("value")


def _by_value(op: Op, path: Path, raw: Any, used: Used | None) -> tuple[Path, Any]:
    """Take the path of a `$ref` that is given a URI for the path of the `value` beside it."""
    if path.sub is None or path.sub is not path.attribute.reference or op is Op.REMOVE or _is_unassigned(raw):
        return path, raw
    value = references.identified(path.attribute, wrappings.unwrap(path.sub, raw, used), path.text, used)
    return replace(path, sub=path.attribute.sub(VALUE)), value


def _is_writable(path: Path) -> bool:
    return path.attribute.is_writable and path.leaf.is_writable


def _without_path(op: Op, value: Any, resource_type: ResourceType, used: Used | None) -> Iterator[Operation]:
    if op is Op.REMOVE:
        raise NoTargetError("'remove' needs a path")
    if not isinstance(value, dict):
        raise InvalidValueError("without a path the value must be an object")
    return _each(op, documents.flatten(value, resource_type, used), used)


def _each(op: Op, assigned: Iterator[tuple[Path, Any]], used: Used | None) -> Iterator[Operation]:
    """Okta sends the readOnly `id` along: in a value it is ignored (Metatavu/keycloak-scim-server#113)."""
    for path, value in assigned:
        if _is_writable(path):
            yield from _at(op, path, value, used)
        else:
            tolerances.note(used, tolerances.READ_ONLY_ATTRIBUTE)


def _whole_extension(schema: Schema) -> Iterator[Operation]:
    """What an extension requires is required where the extension is, so it goes with the whole of it."""
    return (Operation(Op.REMOVE, Path(schema, attribute)) for attribute in schema.attributes if attribute.is_writable)


def _at(op: Op, path: Path, raw: Any, used: Used | None) -> Iterator[Operation]:
    if Stored.COMPUTED in {path.attribute.stored, path.leaf.stored}:
        return _not_kept(op, path, raw, used)
    if path.attribute.stored is Stored.ROWS:
        return _row_operations(op, path, raw, used)
    if path.leaf.default is not None and op is not Op.REMOVE and (_is_unassigned(raw) or raw == []):
        return iter(())  # It keeps what there is, as in a PUT: nobody is enabled or disabled by a value that is none.
    if op is Op.REMOVE:
        return _removals(path, raw, used)
    if _is_object(path):
        return _for_each_sub(op, path, raw, used)
    return _assignments(op, path, raw, used)


def _is_object(path: Path) -> bool:
    """Whether the path leads to the single object of a complex attribute."""
    return path.leaf.is_complex and not path.leaf.multi_valued


def _not_kept(op: Op, path: Path, raw: Any, used: Used | None) -> Iterator[Operation]:
    """Check what the directory derives, or does not keep, and forget it."""
    if op is Op.REMOVE:
        _refuse_required(path)
    else:
        values.coerce(path.leaf, raw, path.text, used)
    return iter(())


def _for_each_sub(op: Op, path: Path, raw: Any, used: Used | None) -> Iterator[Operation]:
    """Only the sub-attributes that the object names change; null unassigns all (RFC 7644 section 3.5.2.3)."""
    if _is_unassigned(raw) or raw == []:
        yield from _removals(path, None, used)
        return
    for sub, value in values.sub_values(path.attribute, raw, path.text, used):
        yield from _at(op, replace(path, sub=sub), value, used)


def _assignments(op: Op, path: Path, raw: Any, used: Used | None) -> Iterator[Operation]:
    value = _typed(path, raw, used)
    if value is not None:
        yield Operation(op, path, value)
    elif op is Op.REPLACE or not path.leaf.multi_valued:
        if path.leaf.required:
            raise InvalidValueError(f"{path.text} is required")
        yield Operation(Op.REMOVE, path)


def _removals(path: Path, raw: Any, used: Used | None) -> Iterator[Operation]:
    """To remove nothing that is listed is not to remove everything: an empty text or array empties no attribute.

    Behind a filter it says nothing: the filter does.
    """
    _refuse_required(path)
    is_list = path.attribute.multi_valued and not path.sub and not path.filter
    if raw is None or (raw == "" and not is_list) or (raw == [] and path.filter):
        yield Operation(Op.REMOVE, path)
        return
    tolerances.note(used, tolerances.REMOVE_BY_VALUE)
    value = _listed(path, raw, used)
    if value:
        yield Operation(Op.REMOVE, path, value)


def _refuse_required(path: Path) -> None:
    if path.leaf.required and (path.sub or not path.filter):
        raise MutabilityError(f"{path.text} is required and cannot be removed")


def _is_unassigned(raw: Any) -> bool:
    """An empty array is not meant: to remove nothing that is listed is not to remove everything."""
    return raw is None or raw == ""


def _typed(path: Path, raw: Any, used: Used | None) -> Any:
    if path.sub:
        raw = wrappings.text(raw, used) if path.attribute.multi_valued and path.sub.name == VALUE else raw
        return values.coerce(path.sub, raw, path.text, used)
    if path.filter:
        return None if _is_unassigned(raw) else values.parts(path.attribute, _only(raw, used), path.text, used) or None
    return values.coerce(path.attribute, raw, path.text, used)


def _listed(path: Path, raw: Any, used: Used | None) -> Any:
    """Return what a removal lists, in the form in which it is compared with what is there."""
    if _is_object(path):
        return values.parts(path.attribute, raw, path.text, used)
    if path.attribute.multi_valued and not path.sub:
        return values.coerce(path.attribute, raw, path.text, used)
    return values.coerce(path.leaf, raw, path.text, used)


def _only(raw: Any, used: Used | None) -> Any:
    """Take one element out of an array of one, where a filter selects the element."""
    if not isinstance(raw, list) or len(raw) != 1:
        return raw
    tolerances.note(used, tolerances.WRAPPED_SINGLE)
    return raw[0]


def _row_operations(op: Op, path: Path, raw: Any, used: Used | None) -> Iterator[Operation]:
    if path.sub:
        raise MutabilityError(f"{path.text} is immutable: remove the element, and add another")
    match op:
        case Op.ADD:
            return _row_additions(path, raw, used)
        case Op.REPLACE:
            return _row_replacements(path, raw, used)
        case Op.REMOVE:
            return _removals(path, raw, used)
        case _:
            assert_never(op)


def _row_additions(path: Path, raw: Any, used: Used | None) -> Iterator[Operation]:
    if path.filter:
        raw = [elements.described(path, values.parts(path.attribute, _only(raw, used), path.text, used))]
    value = values.coerce(path.attribute, raw, path.attribute.name, used)
    if value:
        yield Operation(Op.ADD, replace(path, filter=None), value)


def _row_replacements(path: Path, raw: Any, used: Used | None) -> Iterator[Operation]:
    if path.filter:
        raise MutabilityError(f"{path.text} is immutable: remove the element, and add another")
    yield Operation(Op.REPLACE, path, values.coerce(path.attribute, raw, path.text, used) or [])
