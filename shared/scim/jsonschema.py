"""Derives JSON Schemas from the registry: what a client may send, and what this server shows (JSON Schema 2020-12).

They say what RFC 7643 says. The tolerances for real clients go further, and are not described here.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from shared.scim import discovery, messages, resource_types, searches, values
from shared.scim.attributes import Attribute, ResourceType, Returned, Schema, Stored, Type, Uniqueness
from shared.scim.bulk import Method
from shared.scim.errors import SCIMError
from shared.scim.patch import Op
from shared.scim.paths import Path
from shared.scim.schemas.common import SCHEMAS

JSONSchema: TypeAlias = dict[str, Any]

URN_KEY = "^urn:"
"""Extensions that a tenant has of its own stand under their URNs."""

WHOLE: JSONSchema = {"type": "integer", "minimum": 1 - 10**18, "maximum": 10**18 - 1}
"""A number of up to 18 digits."""

_BASE64 = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_TYPES: Mapping[Type, JSONSchema] = {
    Type.STRING: {"type": "string"},
    Type.REFERENCE: {"type": "string"},
    Type.BOOLEAN: {"type": "boolean"},
    Type.DECIMAL: {"type": "number"},
    Type.INTEGER: {"type": "integer", "format": "int64"},
    Type.DATE_TIME: {"type": "string", "format": "date-time"},
    Type.BINARY: {"type": "string", "contentEncoding": "base64", "pattern": _BASE64},
}


def shown(resource_type: ResourceType) -> JSONSchema:
    """Return the schema of a resource in an answer; every answer may be a projection (RFC 7644 section 3.9)."""
    properties = {a.name: _shown(a) for a in _core(resource_type) if a.returned is not Returned.NEVER}
    extensions = {schema.id: _shown_extension(schema) for schema in resource_type.extensions}
    required = [a.name for a in _core(resource_type) if a.returned is Returned.ALWAYS]
    return _object(properties | extensions, required) | {
        "description": resource_type.description,
        "patternProperties": {URN_KEY: {"type": "object"}},
        "additionalProperties": False,
    }


def accepted(resource_type: ResourceType) -> JSONSchema:
    """Return the schema of a POST or PUT body; other attributes are ignored (RFC 7644 sections 3.3 and 3.5.1)."""
    writable = [a for a in _core(resource_type) if a.is_writable and a is not SCHEMAS]
    extensions = {schema.id: _accepted_extension(schema) for schema in resource_type.extensions}
    properties = {SCHEMAS.name: _names(resource_type.schema.id), **{a.name: _accepted(a) for a in writable}}
    required = [SCHEMAS.name, *(a.name for a in writable if a.required)]
    return _object(properties | extensions, required) | {"description": resource_type.description}


def page(items: JSONSchema) -> JSONSchema:
    """Return the schema of a list response (RFC 7644 section 3.4.2)."""
    number = {"type": "integer", "minimum": 0}
    properties = {
        SCHEMAS.name: _names(messages.LIST_RESPONSE),
        "totalResults": number,
        "startIndex": {"type": "integer", "minimum": 1},
        "itemsPerPage": number,
        "Resources": {"type": "array", "items": items},
        "nextCursor": {"type": "string", "description": "Asks for the next page (RFC 9865 section 2)."},
    }
    return _object(properties, [SCHEMAS.name, "totalResults", "itemsPerPage", "Resources"])


def error() -> JSONSchema:
    """Return the schema of an error message (RFC 7644 section 3.12)."""
    kinds: Iterable[type[SCIMError]] = SCIMError.__subclasses__()
    scim_types = sorted({kind.scim_type for kind in kinds if kind.scim_type})
    properties = {
        SCHEMAS.name: _names(messages.ERROR),
        "status": {"type": "string", "pattern": "^[45][0-9]{2}$"},
        "scimType": {"type": "string", "enum": scim_types},
        "detail": {"type": "string", "description": "Which attribute, which rule, and the id of the request."},
    }
    return _object(properties, [SCHEMAS.name, "status", "detail"]) | {"additionalProperties": False}


def patch(resource_type: ResourceType) -> JSONSchema:
    """Return the schema of a PATCH message; without a path the value is an object (RFC 7644 section 3.5.2)."""
    named = {"type": "string", "enum": list(_paths(resource_type))}
    other = {"type": "string", "minLength": 1, "examples": ['emails[type eq "work"].value']}
    path, some = {"anyOf": [named, other]}, {"type": "object"}
    putting, removing = {"type": "string", "enum": [Op.ADD, Op.REPLACE]}, {"type": "string", "const": Op.REMOVE}
    operation = {
        "anyOf": [
            _object({"op": putting, "path": path, "value": {}}, ["op", "path", "value"]),
            _object({"op": putting, "value": some}, ["op", "value"]),
            _object({"op": removing, "path": path, "value": {}}, ["op", "path"]),
        ]
    }
    operations = {"type": "array", "minItems": 1, "items": operation}
    return _object({SCHEMAS.name: _names(messages.PATCH_OP), "Operations": operations}, [SCHEMAS.name, "Operations"])


def search() -> JSONSchema:
    """Return the schema of a query in a body (RFC 7644 section 3.4.3)."""
    text, names = {"type": "string"}, {"type": "array", "items": {"type": "string"}}
    properties = {
        SCHEMAS.name: _names(messages.SEARCH_REQUEST),
        "filter": text,
        "sortBy": text,
        "sortOrder": {"type": "string", "enum": list(searches.ORDERS)},
        "startIndex": WHOLE,
        "count": WHOLE,
        "cursor": text,
        "attributes": names,
        "excludedAttributes": names,
    }
    return _object(properties, [SCHEMAS.name])


def bulk_request() -> JSONSchema:
    """Return the schema of a bulk request (RFC 7644 section 3.7)."""
    text = {"type": "string"}
    named = {"type": "string", "minLength": 1}
    others = {"type": "string", "enum": [method.value for method in Method if method is not Method.POST]}
    shared = {"path": named | {"examples": ["/Users"]}, "version": text, "data": {}}
    operation = {
        "anyOf": [
            _object({"method": {"const": Method.POST}, "bulkId": named, **shared}, ["method", "path", "bulkId"]),
            _object({"method": others, "bulkId": text, **shared}, ["method", "path"]),
        ]
    }
    properties = {
        SCHEMAS.name: _names(messages.BULK_REQUEST),
        "failOnErrors": {"type": "integer", "minimum": 1},
        "Operations": {"type": "array", "minItems": 1, "items": operation},
    }
    return _object(properties, [SCHEMAS.name, "Operations"])


def bulk_response(error_message: JSONSchema) -> JSONSchema:
    """Return the schema of the results of a bulk request (RFC 7644 section 3.7.3)."""
    text = {"type": "string"}
    result = {
        "method": {"type": "string", "enum": [method.value for method in Method]},
        "bulkId": text,
        "version": text,
        "location": text,
        "status": {"type": "string", "pattern": "^[2-5][0-9]{2}$"},
        "response": error_message,
    }
    results = {"type": "array", "items": _object(result, ["method", "status"]) | {"additionalProperties": False}}
    return _object({SCHEMAS.name: _names(messages.BULK_RESPONSE), "Operations": results}, [SCHEMAS.name, "Operations"])


def security_events() -> JSONSchema:
    """Return the schema of several security events, each by its `jti` (RFC 8936 section 2.3)."""
    return _object({"sets": {"type": "object", "additionalProperties": {"type": "string"}}}, ["sets"])


def schema() -> JSONSchema:
    """Return the schema of a schema, as `/Schemas` shows it (RFC 7643 section 7)."""
    return _described(discovery.SCHEMA, {"attributes": {"type": "array", "items": {"type": "object"}}})


def resource_type() -> JSONSchema:
    """Return the schema of a resource type, as `/ResourceTypes` shows it (RFC 7643 section 6)."""
    text = {"type": "string"}
    extensions = {"type": "array", "items": _object({"schema": text, "required": {"type": "boolean"}}, ["schema"])}
    return _described(
        discovery.RESOURCE_TYPE, {"endpoint": text, "schema": text}, optional={"schemaExtensions": extensions}
    )


def service_provider_config() -> JSONSchema:
    """Return the schema of the service provider's configuration (RFC 7643 section 5)."""
    feature = _object({"supported": {"type": "boolean"}}, ["supported"])
    features = dict.fromkeys(("patch", "bulk", "filter", "changePassword", "sort", "etag"), feature)
    schemes = {"type": "array", "minItems": 1, "items": {"type": "object"}}
    properties = {
        SCHEMAS.name: _names(discovery.SERVICE_PROVIDER_CONFIG),
        **features,
        "authenticationSchemes": schemes,
    }
    return _object(properties, [*properties])


def _core(resource_type: ResourceType) -> list[Attribute]:
    return [*resource_types.COMMON.attributes, *resource_type.schema.attributes]


def _paths(resource_type: ResourceType) -> Iterator[str]:
    """Yield the paths of all attributes that a client may write."""
    for schema, attribute in resource_type.walk():
        if attribute.is_writable:
            yield Path(schema, attribute).text


def _shown(attribute: Attribute) -> JSONSchema:
    one = _complex_shown(attribute) if attribute.is_complex else {**_TYPES[attribute.type], **_canonical(attribute)}
    many = {"type": "array", "minItems": 1, "items": one} if attribute.multi_valued else one
    return many | _about(attribute)


def _complex_shown(attribute: Attribute) -> JSONSchema:
    properties = {sub.name: _shown(sub) for sub in attribute.sub_attributes if sub.returned is not Returned.NEVER}
    return _object(properties, []) | {"additionalProperties": False}


def _shown_extension(schema: Schema) -> JSONSchema:
    properties = {a.name: _shown(a) for a in schema.attributes if a.returned is not Returned.NEVER}
    return _object(properties, []) | {"description": schema.description, "additionalProperties": False}


def _accepted(attribute: Attribute) -> JSONSchema:
    one = _complex_accepted(attribute) if attribute.is_complex else _scalar_accepted(attribute)
    if not attribute.multi_valued:
        return _or_null(attribute, one) | _about(attribute)
    limit = {} if attribute.stored is Stored.ROWS else {"maxItems": values.MAX_ELEMENTS}
    return _or_null(attribute, {"type": "array", "items": one, **limit}) | _about(attribute)


def _complex_accepted(attribute: Attribute) -> JSONSchema:
    writable = [sub for sub in attribute.sub_attributes if sub.is_writable]
    return _object({sub.name: _accepted(sub) for sub in writable}, [sub.name for sub in writable if sub.required])


def _accepted_extension(schema: Schema) -> JSONSchema:
    writable = [a for a in schema.attributes if a.is_writable]
    properties = {a.name: _accepted(a) for a in writable}
    return _object(properties, [a.name for a in writable if a.required]) | {"description": schema.description}


def _scalar_accepted(attribute: Attribute) -> JSONSchema:
    scalar = _TYPES[attribute.type] | _canonical(attribute)
    if scalar["type"] == "string":
        longest = {Type.STRING: attribute.max_length, Type.BINARY: values.MAX_BINARY}
        scalar |= {"maxLength": longest.get(attribute.type, values.MAX_STRING)}
    if attribute.required and scalar["type"] == "string":
        scalar |= {"minLength": 1}
    return scalar


def _or_null(attribute: Attribute, accepted_: JSONSchema) -> JSONSchema:
    """Null is as good as absent, and absent is allowed for what is not required (RFC 7643 section 2.5)."""
    return accepted_ if attribute.required else accepted_ | {"type": [accepted_["type"], "null"]}


def _canonical(attribute: Attribute) -> JSONSchema:
    """Canonical values are suggestions: others are taken too (RFC 7643 section 7)."""
    return {"examples": list(attribute.canonical_values)} if attribute.canonical_values else {}


def _about(attribute: Attribute) -> JSONSchema:
    """Return what describes the attribute and limits nothing."""
    unique = "" if attribute.uniqueness is Uniqueness.NONE else f" (uniqueness: {attribute.uniqueness})"
    default = {} if attribute.default is None else {"default": attribute.default}
    read_only = {} if attribute.is_writable else {"readOnly": True}
    write_only = {"writeOnly": True} if attribute.returned is Returned.NEVER else {}
    return {"description": attribute.description + unique, **default, **read_only, **write_only}


def _described(urn: str, properties: JSONSchema, optional: JSONSchema | None = None) -> JSONSchema:
    text = {"type": "string"}
    whole = {
        SCHEMAS.name: _names(urn),
        "id": text,
        "name": text,
        "description": text,
        "meta": {"type": "object"},
        **properties,
    }
    return _object(whole | (optional or {}), [*whole])


def _names(urn: str) -> JSONSchema:
    """Return the schema of `schemas` where it must list a URN."""
    return {"type": "array", "items": {"type": "string"}, "contains": {"const": urn}, "examples": [[urn]]}


def _object(properties: JSONSchema, required: list[str]) -> JSONSchema:
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}
