"""Applies the operations of a PATCH to a resource, in their order (RFC 7644 section 3.5.2).

Nothing is changed in place: if an operation is refused, the resource is as it was. The result may lack what is
required; `shared.scim.validation.check` tells.
"""

from collections.abc import Iterable, Mapping
from typing import Any, assert_never

from shared.scim import elements, filters, patch
from shared.scim.dialects import tolerances
from shared.scim.dialects.tolerances import Used
from shared.scim.errors import InvalidValueError, PayloadTooLargeError
from shared.scim.patch import Op, Operation
from shared.scim.paths import Path
from shared.scim.values import MAX_ELEMENTS

MAX_WORK = 1_000_000
LETTERS = 100


def apply(operations: Iterable[Operation], resource: Mapping[str, Any], used: Used | None = None) -> dict[str, Any]:
    """Return the resource after all operations but those on rows; raises NoTargetError and MutabilityError."""
    result, work = dict(resource), 0
    for operation in operations:
        if not patch.is_row_operation(operation):
            with patch.blame(operation.number):
                before = _get(result, operation.path)
                work += _work(operation, before)
                _refuse_costly(work)
                result = _put(result, operation.path, _checked(operation, before, used))
    return result


def _work(operation: Operation, before: Any) -> int:
    """Return how many comparisons an operation makes, at most; so many letters of what is compared are one more."""
    if not isinstance(before, list):
        return 0
    selection = operation.path.filter
    letters = sum(len(value) for element in before for value in _parts(element) if isinstance(value, str))
    return (filters.size(selection) if selection else 1) * (len(before) + letters // LETTERS)


def _parts(element: Any) -> Iterable[Any]:
    return element.values() if isinstance(element, dict) else (element,)


def _refuse_costly(work: int) -> None:
    """A transaction is open meanwhile, and whoever waits for the same shard waits for it."""
    if work > MAX_WORK:
        raise PayloadTooLargeError(f"The filters make more than {MAX_WORK} comparisons with all these elements")


def _checked(operation: Operation, before: Any, used: Used | None) -> Any:
    after = _after(operation, before, used)
    _refuse_too_many(operation.path, after)
    return after


def _get(resource: Mapping[str, Any], path: Path) -> Any:
    container = resource.get(path.schema.id, {}) if path.is_extension else resource
    return container.get(path.attribute.name)


def _put(resource: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """Return the resource with another value; nothing empty is kept (RFC 7643 section 2.5)."""
    if not path.is_extension:
        return _with(resource, path.attribute.name, value)
    extension = _with(resource.get(path.schema.id, {}), path.attribute.name, value)
    return _with(resource, path.schema.id, extension)


def _with(container: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    if value in (None, [], {}):
        return {key: present for key, present in container.items() if key != name}
    return {**container, name: value}


def _refuse_too_many(path: Path, value: Any) -> None:
    if isinstance(value, list) and len(value) > MAX_ELEMENTS:
        raise InvalidValueError(f"{path.text} takes at most {MAX_ELEMENTS} values")


def _after(operation: Operation, before: Any, used: Used | None) -> Any:
    path = operation.path
    if not path.attribute.multi_valued:
        return _singular(operation, before)
    if path.sub or path.filter:
        return _selected(operation, before or [], used)
    match operation.op:
        case Op.ADD:
            return elements.added(path.attribute, before or [], operation.value, path.whole)
        case Op.REPLACE:
            return elements.replaced(path.attribute, before or [], operation.value, path.whole)
        case Op.REMOVE:
            return elements.removed(path.attribute, before or [], range(len(before or [])), operation.value)
        case _:
            assert_never(operation.op)


def _singular(operation: Operation, before: Any) -> Any:
    sub = operation.path.sub
    if sub is None:
        return _assigned(operation, before)
    value = _assigned(operation, (before or {}).get(sub.name))
    return _with(before or {}, sub.name, value)


def _assigned(operation: Operation, before: Any) -> Any:
    """Return a single value after the operation: to add is to replace, and to remove another value is to do nothing."""
    leaf, after = operation.path.leaf, operation.value
    if operation.op is Op.REMOVE:
        after = before if _is_spared(operation, before) else None
    elements.refuse_change(leaf, before, after, operation.path.text)
    return after


def _is_spared(operation: Operation, before: Any) -> bool:
    if before is None or operation.value is None:
        return False
    return not elements.contains(operation.path.leaf, before, operation.value)


def _selected(operation: Operation, before: list[Any], used: Used | None) -> list[Any]:
    chosen = elements.select(operation.path.filter, before)
    if operation.op is Op.REMOVE:
        return _without_selected(operation, before, chosen)
    if not chosen:
        return _created(operation, before, used)
    result = list(before)
    for place in chosen:
        result[place] = _changed(operation, before[place])
    return elements.with_one_primary(result, chosen)


def _without_selected(operation: Operation, before: list[Any], chosen: list[int]) -> list[Any]:
    path = operation.path
    if path.sub is None:
        return elements.removed(path.attribute, before, chosen, operation.value)
    result = list(before)
    for place in chosen:
        value = _assigned(operation, before[place].get(path.sub.name))
        result[place] = _with(before[place], path.sub.name, value)
    return elements.without_empty(result)


def _created(operation: Operation, before: list[Any], used: Used | None) -> list[Any]:
    """Make the element that is changed: RFC 7644 wants noTarget, and clients want this (SCIM-SDK#416)."""
    element = elements.described(operation.path, _changes(operation))
    tolerances.note(used, tolerances.CREATE_ON_ABSENT)
    return elements.with_one_primary([*before, element], {len(before)})


def _changed(operation: Operation, element: dict[str, Any]) -> dict[str, Any]:
    path = operation.path
    if operation.op is Op.REPLACE and path.filter and not path.sub:
        kept = elements.lasting(path.attribute, element) | (elements.equalities(path.filter) or {})
    else:
        kept = element
    return elements.changed(path.attribute, element, {**kept, **_changes(operation)}, path.whole)


def _changes(operation: Operation) -> dict[str, Any]:
    sub = operation.path.sub
    changes: dict[str, Any] = {sub.name: operation.value} if sub else operation.value
    return changes
