"""Fill a directory by SQL as it is after years: many employees, with a long history each, and a journal."""

import hashlib
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from services.directory import database, partitions, tenants, tokens
from services.directory.employee_list import Place
from services.directory.tokens import Principal

EMPLOYEES = 100_000
CHANGES = 20
"""Changes of each employee that the history tells of."""

WRITES = 2
"""Writes of each employee that the journal holds still."""

WEEKS = 26
"""So long ago the first change was."""

JOURNAL_DAYS = 90
WEEK = timedelta(days=7)
AT_ONCE = 10_000

# Ids are made of the number, so that what belongs together is found without a look: time first, as our own are.
_EMPLOYEES = text("""
INSERT INTO employee (tenant_id, id, meta_created, meta_last_modified, external_id, user_name, name_formatted,
  name_family_name, name_given_name, display_name, title, active, emails, enterprise_employee_number,
  enterprise_department, enterprise_manager_value, version, source, search)
SELECT :tenant, made.id, :began, :now, 'ext-' || n, mail, name, family, given, name,
  (ARRAY['Analyst', 'Engineer', 'Nurse', 'Driver', 'Manager'])[1 + n % 5], n % 20 <> 0,
  jsonb_build_array(jsonb_build_object('value', mail, 'type', 'work', 'primary', true)), 'E' || n,
  'Department ' || n % 300, CASE WHEN n > 100 THEN pg_temp.made_id(n / 10)::text END, :changes, :token,
  ' ' || lower(name) || ' ' || mail || ' ' || lower(given) || ' ' || lower(family) || ' e' || n
FROM generate_series(cast(:first AS int), cast(:last AS int)) AS n
CROSS JOIN LATERAL (SELECT
  initcap(substr(md5('given' || n % 1500), 1, 6)) AS given, initcap(substr(md5('family' || n % 7919), 1, 8)) AS family,
  pg_temp.made_id(n) AS id) AS made
CROSS JOIN LATERAL (SELECT given || ' ' || family AS name,
  lower(given || '.' || family || '.' || n || '@bench.example') AS mail) AS called
""")
_MADE_ID = text("""
CREATE OR REPLACE FUNCTION pg_temp.made_id(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
  SELECT ('01900000-' || lpad(to_hex(n >> 16), 4, '0') || '-7' || lpad(to_hex(n & 4095), 3, '0')
          || '-8000-' || lpad(to_hex(n), 12, '0'))::uuid $$
""")
_HISTORY = text("""
INSERT INTO history (at, tenant_id, resource_type, resource_id, kind, changes, operation_id, token_id, request_id)
SELECT cast(:began AS timestamptz) + change * cast(:step AS interval) + n * interval '1 millisecond', :tenant, 'User',
  pg_temp.made_id(n), CASE WHEN change = 0 THEN 'created' ELSE 'changed' END,
  jsonb_build_array(CASE change % 4
    WHEN 0 THEN jsonb_build_object('attribute', 'displayName', 'from', 'Name ' || change - 1, 'to', 'Name ' || change)
    ELSE jsonb_build_object('attribute', 'title', 'from', 'Title ' || change - 1, 'to', 'Title ' || change) END),
  gen_random_uuid(), :token, 'bench-' || n || '-' || change
FROM generate_series(cast(:first AS int), cast(:last AS int)) AS n, generate_series(0, :changes - 1) AS change
""")
_JOURNAL = text("""
INSERT INTO operation (id, tenant_id, token_id, request_id, resource_type, lane, seq, shard, position, method, request,
  reply_to, accepted_at, state, starts, settled_at, status)
SELECT uuidv7(-cast(:age AS interval) + n * interval '1 millisecond' + write * interval '1 hour'), :tenant, :token,
  'bench-' || n || '-w' || write, 'User', pg_temp.made_id(n), write, n % 16, :position + (n * :writes + write), 'PATCH',
  '[{"op": "replace", "path": "title", "value": "Analyst"}]', '', now(), 'settled', 1, now(), 200
FROM generate_series(cast(:first AS int), cast(:last AS int)) AS n, generate_series(1, :writes) AS write
""")


def fill(engine: Engine, slug: str, employees: int = EMPLOYEES) -> Principal:
    """Make a tenant with so many employees and all that belongs to them; return its token's principal."""
    with database.transaction(engine) as connection:
        made = tenants.create(connection, slug, None)
        principal = tokens.authenticate(connection, tokens.create(connection, made.id, "Entra ID"))
        assert principal is not None, "it has just been made"
        _make_partitions(connection)
    for first in range(1, employees + 1, AT_ONCE):
        _fill(engine, principal, first, min(employees, first + AT_ONCE - 1))
    with database.autocommit(engine) as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql("VACUUM ANALYZE")
        connection.exec_driver_sql("CHECKPOINT")
    return principal


def made_id(number: int) -> UUID:
    """Return the id of an employee, by its number."""
    return UUID(f"01900000-{number >> 16:04x}-7{number & 4095:03x}-8000-{number:012x}")


def given(number: int) -> str:
    """Return the given name of an employee, by its number."""
    return _hashed(f"given{number % 1500}")[:6].capitalize()


def name(number: int) -> str:
    """Return what an employee is called."""
    return f"{given(number)} {_hashed(f'family{number % 7919}')[:8].capitalize()}"


def user_name(number: int) -> str:
    """Return the user name of an employee."""
    given_name, family = name(number).lower().split()
    return f"{given_name}.{family}.{number}@bench.example"


def place(number: int) -> Place:
    """Return where an employee stands in the list."""
    return Place(name(number), made_id(number))


def _hashed(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _make_partitions(connection: Connection) -> None:
    now = datetime.now(UTC)
    for week in range(WEEKS + 2):
        partitions.maintain(connection, now - week * WEEK, keep={})
    # The journal is not kept for so long.
    partitions.maintain(connection, now, keep={"operation": JOURNAL_DAYS})


def _fill(engine: Engine, principal: Principal, first: int, last: int) -> None:
    now = datetime.now(UTC)
    given = {
        "tenant": principal.tenant_id,
        "token": principal.token_id,
        "first": first,
        "last": last,
        "now": now,
        "began": now - WEEKS * WEEK,
        "step": WEEKS * WEEK / CHANGES,
        "changes": CHANGES,
        "age": timedelta(days=3),
        "writes": WRITES,
        "position": 0,
    }
    with database.transaction(engine) as connection:
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
        for statement in (_MADE_ID, _EMPLOYEES, _HISTORY, _JOURNAL):
            connection.execute(statement, given)
