"""Derive the directory's columns from the registry: which column keeps which attribute, and of what SQL type."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Boolean, ColumnElement, DateTime, Numeric, Text, Uuid, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from shared.scim import resource_types
from shared.scim.attributes import Attribute, ResourceType, Schema, Stored, Type, Uniqueness
from shared.scim.schemas.common import ID, LOOKED_UP

BAG = "extensions"
"""The column of all extensions that a tenant declared: their attributes by URN and name, as JSON."""

SQL_TYPES: dict[Type, type[TypeEngine[Any]]] = {
    Type.STRING: Text,
    Type.REFERENCE: Text,
    Type.BINARY: Text,
    Type.BOOLEAN: Boolean,
    Type.INTEGER: BigInteger,
    Type.DECIMAL: Numeric,
    Type.DATE_TIME: DateTime,
}


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column, and the attribute (and sub-attribute, of a singular complex one) that it keeps."""

    name: str
    schema: Schema
    attribute: Attribute
    sub: Attribute | None = None

    @property
    def leaf(self) -> Attribute:
        return self.sub or self.attribute

    @property
    def is_document(self) -> bool:
        return self.attribute.stored is Stored.DOCUMENT

    @property
    def is_unique(self) -> bool:
        return self.leaf.uniqueness is Uniqueness.SERVER

    @property
    def sql_type(self) -> TypeEngine[Any]:
        if self.is_document:
            return JSONB(none_as_null=True)
        if self.leaf is ID:
            return Uuid()
        if self.leaf.type is Type.DATE_TIME:
            return DateTime(timezone=True)
        return SQL_TYPES[self.leaf.type]()


def of(resource_type: ResourceType) -> tuple[Column, ...]:
    """Return the columns of a resource type, the ones of the common attributes first; tenants' extensions have none."""
    return _COLUMNS[resource_type.name]


def find(resource_type: ResourceType, attribute: Attribute, sub: Attribute | None) -> Column | None:
    """Return the column of an attribute, or None when it is kept in rows or in the bag, or computed."""
    return _BY_ATTRIBUTE.get((resource_type.name, attribute, sub))


def compared(attribute: Attribute, text: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a text as it is compared and ordered: by code point on every server, without regard to case if need be."""
    return (text if attribute.case_exact else func.lower(text)).collate("C")


def ordered(attribute: Attribute, value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a value as lists are sorted by it; a text that no index bears goes by its beginning."""
    if not isinstance(value.type, Text):
        return value
    if is_cut(attribute):
        value = func.left(value, LOOKED_UP, type_=Text())
    return compared(attribute, value)


def is_cut(attribute: Attribute) -> bool:
    """Whether the index of an attribute has no more than the beginning of its values."""
    return attribute.is_ordered and attribute.max_length > LOOKED_UP


def sought() -> tuple[str, ...]:
    """Return the names of the attributes by which, or by a part of which, somebody may look for a resource."""
    derived = [column for each in _COLUMNS.values() for column in each if is_sought(column)]
    return tuple(dict.fromkeys(column.attribute.name for column in derived))


def is_sought(column: Column) -> bool:
    """Whether somebody may look for a resource by what a column keeps, or by a part of it."""
    return column.leaf.is_sought or (column.is_document and any(sub.is_sought for sub in column.leaf.sub_attributes))


def _derive(resource_type: ResourceType) -> Iterator[Column]:
    for schema, attribute in (
        *((resource_types.COMMON, a) for a in resource_types.COMMON.attributes),
        *_own(resource_type),
    ):
        if attribute.stored is Stored.DOCUMENT:
            yield Column(name=_name(schema, attribute), schema=schema, attribute=attribute)
        elif attribute.stored is Stored.COLUMNS and attribute.is_complex:
            for sub in attribute.sub_attributes:
                if sub.stored is Stored.COLUMNS:
                    yield Column(name=_name(schema, attribute, sub), schema=schema, attribute=attribute, sub=sub)
        elif attribute.stored is Stored.COLUMNS:
            yield Column(name=_name(schema, attribute), schema=schema, attribute=attribute)


def _own(resource_type: ResourceType) -> Iterator[tuple[Schema, Attribute]]:
    return resource_type.walk()


def _name(schema: Schema, attribute: Attribute, sub: Attribute | None = None) -> str:
    parts = (schema.column_prefix, attribute.column, sub.column if sub else "")
    return "_".join(part for part in parts if part)


_COLUMNS = {resource_type.name: tuple(_derive(resource_type)) for resource_type in resource_types.ALL}
_BY_ATTRIBUTE = {(name, c.attribute, c.sub): c for name, derived in _COLUMNS.items() for c in derived}
