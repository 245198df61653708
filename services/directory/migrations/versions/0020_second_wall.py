"""The second wall between tenants: two roles that cannot pass it, and a policy on every table that has a tenant."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

# Roles belong to the whole server, so another database's migration may make them at the same time. Who may not make
# roles is told what to ask for.
ROLES = """
DO $$
DECLARE made text;
BEGIN
  FOREACH made IN ARRAY ARRAY['muster_work', 'muster_across'] LOOP
    BEGIN
      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = made) THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN', made);
      END IF;
    EXCEPTION
      WHEN duplicate_object OR unique_violation THEN NULL;
      WHEN insufficient_privilege THEN
        RAISE EXCEPTION 'muster needs two roles: let a superuser run CREATE ROLE muster_work; CREATE ROLE '
          'muster_across; GRANT muster_work, muster_across TO %', current_user;
    END;
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
      BEGIN
        EXECUTE format('GRANT %I TO CURRENT_USER', made);
      EXCEPTION WHEN insufficient_privilege THEN
        IF NOT pg_has_role(made, 'MEMBER') THEN
          RAISE EXCEPTION 'let a superuser run GRANT muster_work, muster_across TO %', current_user;
        END IF;
      END;
    END IF;
  END LOOP;
END $$
"""
# Later migrations call the second of these for each table that they make, and the third as well if it is not about
# people: `SELECT muster_wall('badge'); SELECT muster_wall_across('badge')`.
FUNCTIONS = (
    # An owner who is no superuser must still see all rows, to migrate and to make backups; no process works as one.
    """
CREATE FUNCTION muster_force(guarded regclass) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', guarded);
  EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', guarded);
  IF NOT (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user) THEN
    EXECUTE format('CREATE POLICY owner ON %s TO CURRENT_USER USING (true)', guarded);
  END IF;
END $$
""",
    """
CREATE FUNCTION muster_wall(guarded regclass, tenant_column text DEFAULT 'tenant_id') RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM muster_force(guarded);
  EXECUTE format(
    'CREATE POLICY one_tenant ON %s TO muster_work USING (%I = nullif(current_setting(''muster.tenant'', true), '''')::uuid)',
    guarded, tenant_column);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO muster_work', guarded);
END $$
""",
    """
CREATE FUNCTION muster_wall_across(guarded regclass) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE POLICY several_tenants ON %s TO muster_across USING (true)', guarded);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO muster_across', guarded);
END $$
""",
    # Making and dropping tables is the owner's; workers do it hourly, and are not the owner.
    """
CREATE FUNCTION muster_make_partition(parent text, week text, low text, high text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE made text := parent || '_' || week;
BEGIN
  IF parent NOT IN ('operation', 'history', 'refused', 'traffic') OR week !~ '^[0-9]{8}$' THEN
    RAISE EXCEPTION 'this is no partition of muster: %', made;
  END IF;
  IF to_regclass(made) IS NULL THEN
    EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', made, parent, low, high);
    PERFORM muster_force(made::regclass);
  END IF;
END $$
""",
    """
CREATE FUNCTION muster_drop_partition(parent text, week text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE old text := parent || '_' || week;
BEGIN
  IF parent NOT IN ('operation', 'history', 'refused', 'traffic') OR week !~ '^[0-9]{8}$' THEN
    RAISE EXCEPTION 'this is no partition of muster: %', old;
  END IF;
  EXECUTE format('DROP TABLE %I', old);
END $$
""",
)
OF_PEOPLE = ("employee", "role", "membership", "role_permission", "history")
"""What who serves several tenants at once has no right to; but a drain writes down the history of several."""
OTHERS = (
    *(
        "region",
        "region_rules",
        "extension",
        "token",
        "client",
        "tolerance_use",
        "lane",
        "operation",
        "audit",
        "unsealed",
    ),
    *("refused", "traffic", "milestone", "sighting", "admin", "portal_session", "sign_in_link"),
)
WITHOUT_TENANT = (
    *("counter", "idempotency_key", "shard", "shared_key", "sign_in_attempt", "signing_key", "unanswered"),
    "used_assertion",
)
# Partitions are reached through their tables alone: directly nobody has a right to them, nor sees a row.
PARTITIONS = """
DO $$
DECLARE made regclass;
BEGIN
  FOR made IN SELECT oid FROM pg_class WHERE relispartition AND relkind = 'r' AND relnamespace = current_schema()::regnamespace
  LOOP
    PERFORM muster_force(made);
  END LOOP;
END $$
"""
# What is done with the owner's rights must not look up names where somebody else may make tables.
NARROW = """
DO $$
DECLARE place text := current_schema();
BEGIN
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO muster_work, muster_across', place);
  EXECUTE format('ALTER FUNCTION muster_make_partition SET search_path = %I, pg_temp', place);
  EXECUTE format('ALTER FUNCTION muster_drop_partition SET search_path = %I, pg_temp', place);
END $$
"""
RIGHTS = """
REVOKE ALL ON FUNCTION muster_make_partition, muster_drop_partition, muster_force, muster_wall, muster_wall_across
  FROM PUBLIC;
GRANT EXECUTE ON FUNCTION muster_make_partition, muster_drop_partition TO muster_across;
GRANT USAGE ON SEQUENCE history_id, operation_position TO muster_work, muster_across;
GRANT SELECT ON alembic_version TO muster_work, muster_across;
CREATE POLICY several_tenants ON history FOR INSERT TO muster_across WITH CHECK (true);
GRANT INSERT ON history TO muster_across;
"""


def upgrade() -> None:
    op.execute(ROLES)
    for function in FUNCTIONS:
        op.execute(function)
    op.execute("SELECT muster_wall('tenant', 'id'), muster_wall_across('tenant')")
    for table in OF_PEOPLE:
        op.execute(f"SELECT muster_wall('{table}')")
    for table in OTHERS:
        op.execute(f"SELECT muster_wall('{table}'), muster_wall_across('{table}')")
    for table in WITHOUT_TENANT:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO muster_work, muster_across")
    op.execute(PARTITIONS)
    op.execute(NARROW)
    op.execute(RIGHTS)
