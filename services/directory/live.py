"""Tell whoever shows a tenant's connections that something new was seen: a notification of PostgreSQL, by tenant.

One listener is enough for a process, however many pages it shows: what comes is only the tenant's id, and each page
is sent what it shows (services/directory/portal/feed.py). Gateways notify at most twice a second for each tenant, and
never in the path of a request.
"""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import Connection, text

CHANNEL = "muster_live"

_NOTIFY = text("SELECT pg_notify(:channel, tenant) FROM unnest(cast(:tenants AS text[])) AS tenant")


def notify(connection: Connection, tenant_ids: Iterable[UUID]) -> None:
    """Tell, with the commit of this transaction, that something was seen of these tenants."""
    tenants = sorted(str(tenant_id) for tenant_id in tenant_ids)
    if tenants:
        connection.execute(_NOTIFY, {"channel": CHANNEL, "tenants": tenants})


def listen(connection: Connection) -> None:
    """Let a connection hear from now on; it must commit by itself (`database.autocommit`)."""
    connection.exec_driver_sql(f"LISTEN {CHANNEL}")


def heard(connection: Connection, seconds: float) -> frozenset[UUID]:
    """Wait so long at most, and return the tenants of which something was seen since the last time.

    Under gevent others go on meanwhile. Raises psycopg.OperationalError when the connection is lost.
    """
    driver = connection.connection.driver_connection
    assert driver is not None, "the connection is open"
    return frozenset(UUID(each.payload) for each in driver.notifies(timeout=seconds, stop_after=1))
