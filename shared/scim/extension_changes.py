"""Tells whether a declaration of an extension can follow earlier ones, whose values are kept for ever.

What was stored under a name must be readable under a later declaration: names keep their spelling, and attributes
their type, whether they are multi-valued, and their sub-attributes. The rest may change: it concerns later requests.
"""

from collections.abc import Iterable, Sequence

from shared.scim.attributes import Attribute
from shared.scim.extension_files import Extension


def conflict(earlier: Extension, later: Extension) -> str | None:
    """Return why an extension cannot follow an earlier one of the same URN, in words; None if it can."""
    if earlier.resource_type != later.resource_type:
        return f"'resourceType' was {earlier.resource_type} before, and must stay so"
    if earlier.schema.id != later.schema.id:
        return f"'id' was spelled {earlier.schema.id} before, and must stay so"
    return _first(
        _changed(attribute, later.schema.attribute(attribute.name), "attribute", "")
        for attribute in earlier.schema.attributes
    )


def _changed(before: Attribute, after: Attribute | None, what: str, within: str) -> str | None:
    """An attribute may be left out, and come back as it was; a sub-attribute must stay as long as its attribute."""
    where = f"{what} '{before.name}'{within}"
    if after is None:
        return f"{where} must stay: values with it may be stored" if within else None
    for was, now, rule in (
        (before.name, after.name, "'name' was spelled"),
        (before.type, after.type, "'type' was"),
        (_flag(is_set=before.multi_valued), _flag(is_set=after.multi_valued), "'multiValued' was"),
    ):
        if was != now:
            return f"{where}: {rule} {was} before, and must stay so, for values may be stored; use another name"
    return _first(_changed(sub, after.sub(sub.name), "sub-attribute", f" of {where}") for sub in before.sub_attributes)


def first_conflict(earlier: Sequence[Extension], later: Extension) -> str | None:
    """Return why an extension cannot follow all earlier ones of the same URN; None if it can."""
    return _first(conflict(one, later) for one in earlier)


def hiding(others: Iterable[str], urn: str) -> str | None:
    """Return why an extension cannot be beside others: of two URNs of which one begins the other, one hides attributes.

    `urn:a:b` is both the attribute b of `urn:a`, and what may stand before an attribute of `urn:a:b`.
    """
    later = f"{urn}:".lower()
    for other in others:
        earlier = f"{other}:".lower()
        if earlier != later and (later.startswith(earlier) or earlier.startswith(later)):
            return f"'id' must not begin with {other}, or be its beginning: that extension is declared, too"
    return None


def _first(found: Iterable[str | None]) -> str | None:
    return next((reason for reason in found if reason is not None), None)


def _flag(*, is_set: bool) -> str:
    return "true" if is_set else "false"
