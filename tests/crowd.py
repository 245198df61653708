"""Fill a tenant with people, what they went through, and what was refused, as years of provisioning would."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, text

from services.directory import database, partitions
from tests.factories import Tenant

_EMPLOYEES = """
INSERT INTO employee (tenant_id, id, meta_created, meta_last_modified, user_name, external_id, display_name,
                      name_given_name, name_family_name, emails, active, version, deleted_at)
SELECT :tenant, gen_random_uuid(), now(), now(), 'person' || n || '@crowd.example', 'x-' || n,
       'Given' || n || ' Family' || n, 'Given' || n, 'Family' || n,
       jsonb_build_array(jsonb_build_object('value', 'mail' || n || '@crowd.example', 'type', 'work')), true, 1,
       CASE WHEN n % 20 = 0 THEN now() END
FROM generate_series(1, :people) AS n
"""
_HISTORY = """
WITH someone AS MATERIALIZED (
  SELECT id, row_number() OVER () AS n FROM employee WHERE tenant_id = :tenant
)
INSERT INTO history (at, tenant_id, resource_type, resource_id, kind, changes, operation_id, token_id, request_id)
SELECT now() - make_interval(secs => :seconds * h / :changes), :tenant, 'User', s.id, 'changed',
       CASE WHEN h % 500 = 0
            THEN jsonb_build_array(jsonb_build_object('attribute', 'userName', 'from', 'old' || h, 'to', 'new' || h))
            ELSE jsonb_build_array(jsonb_build_object('attribute', 'title', 'from', 'a', 'to', 'b')) END,
       gen_random_uuid(), :token, 'request-' || h
FROM generate_series(1, :changes) AS h JOIN someone s ON s.n = 1 + h % :people
"""
_OPERATIONS = """
WITH someone AS MATERIALIZED (
  SELECT id, row_number() OVER () AS n FROM employee WHERE tenant_id = :tenant
)
INSERT INTO operation (id, tenant_id, token_id, request_id, resource_type, lane, seq, shard, position, method, request,
                       reply_to, accepted_at, state, starts, settled_at, status, outcome)
SELECT cast(lpad(to_hex(cast(extract(epoch FROM now()) * 1000 AS bigint) - o), 12, '0')
            || substr(replace(cast(gen_random_uuid() AS text), '-', ''), 13) AS uuid),
       :tenant, :token, 'operation-' || o, 'User', s.id, o, 0, o, CASE WHEN o % 50 = 0 THEN 'POST' ELSE 'PATCH' END,
       CASE WHEN o % 50 = 0 THEN jsonb_build_object('userName', 'refused' || o || '@crowd.example')
            ELSE '[{"op": "replace", "path": "title", "value": "b"}]' END,
       '', now() - make_interval(secs => o / 1000.0), 'settled', 1, now(),
       CASE WHEN o % 50 = 0 THEN 409 ELSE 200 END, '{"status": 200}'
FROM generate_series(1, :operations) AS o JOIN someone s ON s.n = 1 + o % :people
"""
_REFUSED = """
INSERT INTO refused (at, id, tenant_id, token_id, request_id, method, endpoint, resource_type, status, scim_type,
                     detail, reason, terms)
SELECT now() - make_interval(secs => r), gen_random_uuid(), :tenant, :token, 'refusal-' || r, 'POST', '/Users', 'User',
       400, 'invalidValue', 'active must be true or false', 'wrong-type',
       ARRAY['refusal-' || r, 'bad' || r || '@crowd.example']
FROM generate_series(1, :refused) AS r
"""


def fill(engine: Engine, tenant: Tenant, *, people: int, changes: int, weeks: int) -> None:
    """Make so many people, with so many changes over so many weeks."""
    given = {
        "tenant": tenant.principal.tenant_id,
        "token": tenant.principal.token_id,
        "people": people,
        "changes": changes,
        "operations": max(1_000, changes // 10),
        "refused": max(1_000, changes // 20),
        "seconds": timedelta(weeks=weeks).total_seconds(),
    }
    with database.transaction(engine) as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        for week in range(weeks + 1):
            partitions.maintain(connection, datetime.now(UTC) - timedelta(weeks=week), keep={})
        for statement in (_EMPLOYEES, _HISTORY, _OPERATIONS, _REFUSED):
            connection.execute(text(statement), given)
    with database.autocommit(engine) as connection:
        for table in ("employee", "history", "operation", "refused"):
            connection.execute(text("SET statement_timeout = 0"))
            connection.execute(text(f"VACUUM ANALYZE {table}"))
