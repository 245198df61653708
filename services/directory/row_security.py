"""Look after the second wall between tenants: what PostgreSQL must know for it to be whole, and not slow."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, text

from services.directory import tenancy

HARMLESS = (
    *(
        "lower(text)",
        "upper(text)",
        "left(text,integer)",
        "textlike(text,text)",
        "texticlike(text,text)",
        "jsonb_contains(jsonb,jsonb)",
    ),
    *("arrayoverlap(anyarray,anyarray)", "jsonb_out(jsonb)", "jsonb_in(cstring)", "textout(text)", "textin(cstring)"),
)
"""Functions in the conditions that indexes answer.

PostgreSQL looks a row's tenant up before it shows the row to a function that might tell of it, in an error for example,
and leaves out every index whose condition has such a function: one row would be searched for among all of a tenant's.
Whoever could profit from that writes SQL of his own, and could name another tenant as well. So they are marked as what
they are to our own statements: silent.
"""

_IS_SUPERUSER = text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
_LOGS_IN_STRONG = text("SELECT rolname FROM pg_roles WHERE rolname = session_user AND (rolsuper OR rolbypassrls)")
_UNMARKED = text("""
SELECT f FROM unnest(cast(:functions AS text[])) f JOIN pg_proc p ON p.oid = to_regprocedure('pg_catalog.' || f)
WHERE NOT p.proleakproof
""")
_STRONG = text("""
SELECT r.rolname FROM pg_roles r
WHERE r.rolname = ANY(cast(:roles AS text[]))
  AND (r.rolsuper OR r.rolbypassrls
       OR EXISTS (SELECT FROM pg_class c WHERE c.relowner = r.oid AND c.relnamespace = current_schema()::regnamespace)
       OR (r.rolname = cast(:work AS text) AND pg_has_role(r.oid, cast(:across AS text), 'USAGE')))
""")
_OPEN = text("""
SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT a.attisdropped
  AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
ORDER BY 1
""")
_PERMISSIVE = text("""
SELECT tablename || ': ' || policyname FROM pg_policies p
WHERE schemaname = current_schema() AND NOT (policyname = 'one_tenant' AND roles = '{muster_work}')
  AND NOT (policyname = 'several_tenants' AND roles = '{muster_across}')
  AND NOT (policyname = 'owner' AND roles = ARRAY[(SELECT tableowner FROM pg_tables t
                                                   WHERE t.schemaname = p.schemaname AND t.tablename = p.tablename)])
ORDER BY 1
""")


@dataclass(frozen=True, kw_only=True)
class Flaw:
    """Something about the wall that is not as it should be, and what to do."""

    says: str
    do: str
    lets_through: bool
    """Whether it is a hole; otherwise it costs time."""


def mark(connection: Connection) -> None:
    """Mark the functions of indexed conditions as harmless, where a superuser migrates; others are told by the doctor.

    It is lost when a database is restored from a dump, so it is done with every `muster migrate`.
    """
    if connection.scalar(_IS_SUPERUSER):
        for function in _unmarked(connection):
            connection.exec_driver_sql(f"ALTER FUNCTION pg_catalog.{function} LEAKPROOF")


def flaws(connection: Connection) -> Iterator[Flaw]:
    """Yield what is wrong with the wall."""
    roles = [tenancy.WORK, tenancy.ACROSS]
    parameters = {"roles": roles, "work": tenancy.WORK, "across": tenancy.ACROSS}
    for role in connection.scalars(_STRONG, parameters):
        do = f"let a superuser run ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS, and give the tables to another owner"
        yield Flaw(says=f"{role} passes row-level security", do=do, lets_through=True)
    for table in connection.scalars(_OPEN):
        do = f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
        yield Flaw(says=f"{table} has no row-level security", do=do, lets_through=True)
    for policy in connection.scalars(_PERMISSIVE):
        yield Flaw(says=f"a policy is none of Muster's: {policy}", do="drop it, or know why", lets_through=True)
    unmarked = _unmarked(connection)
    if unmarked:
        statements = "; ".join(f"ALTER FUNCTION {function} LEAKPROOF" for function in unmarked)
        says = "lists and filters of large tenants do without their indexes"
        yield Flaw(says=says, do=f"let a superuser run, in this database: {statements}", lets_through=False)


def strong_login(connection: Connection) -> str | None:
    """Return as whom the processes log in if that role can pass the wall; they step down from it, but could go back."""
    found: str | None = connection.scalar(_LOGS_IN_STRONG)
    return found


def _unmarked(connection: Connection) -> list[str]:
    return list(connection.scalars(_UNMARKED, {"functions": list(HARMLESS)}))
