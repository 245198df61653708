"""Validates whole resources with marshmallow schemas derived from the registry (RFC 7644 sections 3.3 and 3.5.1).

There is one marshmallow schema for the core and one for each extension, since marshmallow reads the dots of a URN as a
path. `shared.scim.values` types the values, of documents here and of PATCH operations alike.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from marshmallow import EXCLUDE, ValidationError, fields
from marshmallow import Schema as Marshmallow
from marshmallow.experimental.context import Context

from shared.scim import documents, values
from shared.scim.attributes import PRIMARY, Attribute, ResourceType, Schema, Stored
from shared.scim.dialects import drafts
from shared.scim.dialects.tolerances import Used
from shared.scim.errors import InvalidSyntaxError, InvalidValueError
from shared.scim.paths import Path
from shared.scim.schemas.common import SCHEMAS

MOST_SHAPES = 256
"""Choices of attributes whose marshmallow schema is kept. Each is a class, of 14 KB; to make one takes 0.2 ms."""


def resource(resource_type: ResourceType, document: Any, used: Used | None = None) -> dict[str, Any]:
    """Return the canonical resource of a POST or PUT body; readOnly and unknown attributes are ignored.

    Raises InvalidSyntaxError and InvalidValueError.
    """
    if not isinstance(document, dict):
        raise InvalidSyntaxError("The body must be an object")
    document = drafts.normalise(document, resource_type, used)
    _require_schema(resource_type, document)
    raw = _by_schema(resource_type, document, used)
    loaded = {schema.id: _load(schema, raw[schema.id], used) for schema in resource_type.schemas if schema.id in raw}
    core = loaded.pop(resource_type.schema.id)
    valid = {**core, **{urn: extension for urn, extension in loaded.items() if extension}}
    check(resource_type, valid)
    return valid


def check(resource_type: ResourceType, valid: Mapping[str, Any]) -> None:
    """Raise InvalidValueError if something required is missing, or several values are primary: after a PATCH."""
    for path in _checked(resource_type):
        container = valid.get(path.schema.id) if path.schema.is_extension else valid
        if container is not None:
            _check(path, container.get(path.attribute.name))


@lru_cache(maxsize=1024)
def _checked(resource_type: ResourceType) -> tuple[Path, ...]:
    """Return the attributes of which something can be amiss in a resource whose values are sound."""
    return tuple(
        Path(schema, attribute)
        for schema, attribute in resource_type.walk()
        if (attribute.required or attribute.is_complex) and attribute.stored not in {Stored.COMPUTED, Stored.ROWS}
    )


def _check(path: Path, value: Any) -> None:
    if value is None:
        if path.attribute.required:
            raise InvalidValueError(f"{path.text} is required")
        return
    present = value if isinstance(value, list) else [value]
    if path.attribute.is_complex:
        for element in present:
            values.require(path.attribute, element, path.text)
        if sum(element.get(PRIMARY) is True for element in present) > 1:
            raise InvalidValueError(f"{path.text} has more than one primary value")


def _require_schema(resource_type: ResourceType, document: Mapping[str, Any]) -> None:
    """The core schema must be named; URNs that are not known are no error, for Entra ID sends one with groups."""
    listed = next((value for key, value in document.items() if key.lower() == SCHEMAS.name), None)
    urns = [str(urn).lower() for urn in listed] if isinstance(listed, list) else []
    if resource_type.schema.id.lower() not in urns:
        raise InvalidSyntaxError(f"'{SCHEMAS.name}' must list {resource_type.schema.id}")


def _by_schema(
    resource_type: ResourceType, document: Mapping[str, Any], used: Used | None
) -> dict[str, dict[str, Any]]:
    """Sort the raw values by schema and attribute; the core has a place even when it is empty."""
    raw: dict[str, dict[str, Any]] = {resource_type.schema.id: {}}
    for path, value in documents.flatten(document, resource_type, used):
        container = raw.setdefault(path.schema.id, {})
        name, present = path.attribute.name, container.get(path.attribute.name)
        if path.sub is None:
            container[name] = value
        elif not path.attribute.multi_valued:
            container[name] = {**(present if isinstance(present, dict) else {}), path.sub.name: value}
    return raw


class _Value(fields.Field[Any]):
    """The value of one attribute; what is unassigned is left out of the result."""

    def __init__(self, path: Path) -> None:
        super().__init__(required=path.attribute.required, allow_none=True)
        self._path = path

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:  # noqa: ARG002 - marshmallow's signature
        return values.coerce(self._path.attribute, value, self._path.text, Context[Used | None].get())


@lru_cache(maxsize=MOST_SHAPES)
def _marshmallow(schema: Schema, given: frozenset[str]) -> Marshmallow:
    """Derive the marshmallow schema: one field for each attribute that a client may write, and must or does.

    To look for the many that it leaves out would cost more than to read what it says; clients say the same each time.
    """
    derived: dict[str, fields.Field[Any]] = {
        attribute.name: _Value(Path(schema, attribute))
        for attribute in schema.attributes
        if attribute.is_writable and (attribute.required or attribute.name in given)
    }
    return Marshmallow.from_dict(derived, name=schema.name)(unknown=EXCLUDE)


def _load(schema: Schema, raw: dict[str, Any], used: Used | None) -> dict[str, Any]:
    try:
        with Context[Used | None](used):
            loaded = _marshmallow(schema, frozenset(raw)).load(raw)
    except ValidationError as error:
        # No field of ours raises it: marshmallow does, for what is missing.
        missing = schema.attribute(min(error.messages_dict))
        assert missing is not None, "the fields are the schema's attributes"
        raise InvalidValueError(f"{Path(schema, missing).text} is required") from error
    return {name: value for name, value in loaded.items() if value is not None and _is_kept(schema, name)}


def _is_kept(schema: Schema, name: str) -> bool:
    attribute: Attribute | None = schema.attribute(name)
    return attribute is not None and attribute.stored is not Stored.COMPUTED
