"""Name to PostgreSQL whom a transaction serves, so that its row-level security lets no other tenant's rows through.

Two roles do all the work, and neither can pass the wall. `muster_work` sees the one tenant that is named, and nothing
when none is. `muster_across` sees what must be looked at before the tenant is known, and the queue of all; it has no
right to employees, roles, memberships or their history (docs/decisions/0041-second-wall.md).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar
from uuid import UUID

from sqlalchemy import Connection

WORK = "muster_work"
"""The role that serves the tenant which is named."""

ACROSS = "muster_across"
"""The role that serves several at once."""

TO_ONE = f"SET LOCAL ROLE {WORK}"
TO_SEVERAL = f"SET LOCAL ROLE {ACROSS}"

NAMING = "set_config('muster.tenant', $1, true)"
"""The same as `naming`, as an expression of a query: for what is sent with its arguments apart."""


class _Owned(Protocol):
    """What belongs to a tenant."""

    @property
    def tenant_id(self) -> UUID: ...


_Some = TypeVar("_Some", bound=Sequence[_Owned])


def to(tenant_id: UUID) -> str:
    """Return the statements that make the rest of a transaction serve one tenant."""
    return f"{TO_ONE}; {naming(tenant_id)}"


def naming(tenant_id: UUID) -> str:
    """Return the statement that names the tenant."""
    return f"SET LOCAL muster.tenant = '{tenant_id.hex}'"


def serve(connection: Connection, tenant_id: UUID) -> None:
    """Serve one tenant from now on, until the transaction ends or names somebody else."""
    connection.exec_driver_sql(to(tenant_id))


def serve_several(connection: Connection) -> None:
    """Serve several tenants from now on: for what is done to the rows of all of them in one statement."""
    connection.exec_driver_sql(TO_SEVERAL)


def each(connection: Connection, runs: Iterable[_Some]) -> Iterator[_Some]:
    """Yield operations that are applied together with their tenant named, and serve several again after the last."""
    named: UUID | None = None
    for run in runs:
        if run[0].tenant_id != named:
            named = run[0].tenant_id
            serve(connection, named)
        yield run
    serve_several(connection)
