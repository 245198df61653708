"""Read what is there at the end of a run: the journal as the database has it, the resources as clients see them."""

import http.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, RowMapping, text

from services.directory import database
from shared.scim import versions
from tests.faults.client import PREFIX, Tenant
from tests.faults.records import Journaled, Resource

PAGE = 500
_OPERATIONS = text("""
SELECT o.id, o.request_id, o.lane, o.seq, o.position, o.method, o.state, o.status, o.starts,
       o.outcome #>> '{resource,meta,version}' AS version, h.effect
FROM operation o
JOIN tenant t ON t.id = o.tenant_id
LEFT JOIN (SELECT operation_id, resource_id, min(id) AS effect FROM history GROUP BY 1, 2) h
  ON h.operation_id = o.id AND h.resource_id = o.lane
WHERE t.slug = :tenant
""")
_TWICE = text("""
SELECT operation_id FROM history WHERE tenant_id = (SELECT id FROM tenant WHERE slug = :tenant)
GROUP BY operation_id, resource_id HAVING count(*) > 1
""")


def journal(engine: Engine, tenant: Tenant) -> Iterator[Journaled]:
    """Yield every operation of a tenant."""
    with _patiently(engine) as connection:
        rows = connection.execute(_OPERATIONS, {"tenant": tenant.name}).mappings().all()
    for row in rows:
        yield _journaled(tenant, row)


def twice(engine: Engine, tenant: Tenant) -> list[str]:
    """Return the operations that left more than one entry in the history of a resource."""
    with _patiently(engine) as connection:
        return [str(operation_id) for operation_id in connection.scalars(_TWICE, {"tenant": tenant.name})]


@contextmanager
def _patiently(engine: Engine) -> Iterator[Connection]:
    """Run the block in a transaction that may take as long as it takes: a long run leaves half a million operations."""
    with database.transaction(engine) as connection:
        for timeout in database.TIMEOUTS:
            connection.exec_driver_sql(f"SET LOCAL {timeout} = 0")
        yield connection


def resources(address: str, tenant: Tenant) -> Mapping[str, Resource]:
    """Return all Users and Groups of a tenant by id, as GETs show them."""
    found = [
        *(_resource("User", body) for body in _every(address, tenant, "/Users")),
        *(_resource("Group", body) for body in _every(address, tenant, "/Groups")),
    ]
    return {resource.id: resource for resource in found}


def _every(address: str, tenant: Tenant, endpoint: str) -> Iterator[dict[str, Any]]:
    connection = http.client.HTTPConnection(address, timeout=60)
    headers = {"Authorization": f"Bearer {tenant.secret}"}
    start = 1
    while True:
        connection.request("GET", f"{PREFIX}{endpoint}?startIndex={start}&count={PAGE}", headers=headers)
        response = connection.getresponse()
        page = orjson.loads(response.read())
        assert response.status == 200, f"{endpoint} cannot be read: {response.status}"
        yield from page.get("Resources", [])
        start += PAGE
        if start > page["totalResults"]:
            break
    connection.close()


def _resource(resource_type: str, body: dict[str, Any]) -> Resource:
    return Resource(
        id=body["id"],
        resource_type=resource_type,
        version=versions.number(body["meta"]["version"]),
        title=body.get("title"),
        members=frozenset(member["value"] for member in body.get("members", [])),
    )


def _journaled(tenant: Tenant, row: RowMapping) -> Journaled:
    texts = {name: str(row[name]) for name in ("id", "request_id", "lane", "method", "state")}
    numbers = {name: row[name] for name in ("seq", "position", "status", "starts", "effect")}
    version = None if row["version"] is None else versions.number(row["version"])
    fields: dict[str, Any] = {**texts, **numbers, "version": version}
    return Journaled(tenant=tenant.name, **fields)
