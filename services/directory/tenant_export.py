"""Write out everything that is kept of a tenant, one row after the other, but for secrets.

Every table with a tenant is in it, also one that is added later; the tables say themselves what their columns are.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import Connection, Table, select

from services.directory import columns, every_table, tables
from services.directory.catalogues import Catalogues
from shared.scim import projection, redaction
from shared.scim.attributes import Returned
from shared.scim.resource_types import Catalogue

AT_ONCE = 500
"""Rows that are held in memory."""

Values: TypeAlias = dict[str, Any]

SECRET_COLUMNS = frozenset({"sha256", "password"})
"""In whatever table: the hash of a secret lets whoever has it try secrets out."""


def every(connection: Connection, tenant_id: UUID) -> Iterator[Values]:
    """Yield a tenant's rows, each with the name of its table; the transaction must see one state throughout."""
    catalogue = Catalogues().of_tenants(connection, {tenant_id})[tenant_id]
    for table in every_table.EVERY:
        mine = table.c.id if table is tables.tenant else table.c.get("tenant_id")
        if mine is not None:
            statement = select(table).where(mine == tenant_id).order_by(*table.primary_key.columns)
            with connection.execution_options(yield_per=AT_ONCE).execute(statement) as streamed:
                for row in streamed.mappings():
                    yield {"table": str(table.name), **_open(table, row, catalogue)}


def _open(table: Table, row: Mapping[Any, Any], catalogue: Catalogue) -> Values:
    """Return what is written out of a row."""
    # SQLAlchemy's names are of a class of its own.
    values = {str(name): _plain(value) for name, value in row.items() if name not in SECRET_COLUMNS}
    return _OPENED[table.name](values, catalogue) if table.name in _OPENED else values


def _operation(values: Values, catalogue: Catalogue) -> Values:
    resource_type = catalogue.by_name.get(values["resource_type"])
    if resource_type is None:
        return values
    return values | {"request": redaction.without_secrets(resource_type, values["method"], values["request"])}


def _resource(name: str) -> Callable[[Values, Catalogue], Values]:
    def open_(values: Values, catalogue: Catalogue) -> Values:
        resource_type = catalogue.by_name[name]
        secret = {
            c.name for c in columns.of(resource_type) if Returned.NEVER in {c.attribute.returned, c.leaf.returned}
        }
        bag = projection.without_secrets(values[columns.BAG] or {}, resource_type)
        shown = {name: value for name, value in values.items() if name not in secret}
        return shown | {columns.BAG: bag or None}

    return open_


_OPENED: dict[str, Callable[[Values, Catalogue], Values]] = {
    tables.operation.name: _operation,
    **{table.name: _resource(name) for name, table in tables.OF.items()},
}


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value
