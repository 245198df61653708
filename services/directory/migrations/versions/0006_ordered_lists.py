"""Keep the orders that lists are sorted by in indexes; those of userName, displayName and externalId serve look-ups too."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Sorted lists go by code point on every server, so the indexes do, too: one that goes by the locale of the database
# orders nothing for them. New indexes come first, so that uniqueness is enforced at each moment.
SQL = """
CREATE UNIQUE INDEX uq_employee_user_name_c ON employee (tenant_id, lower(user_name) COLLATE "C") WHERE deleted_at IS NULL;
DROP INDEX uq_employee_user_name;
ALTER INDEX uq_employee_user_name_c RENAME TO uq_employee_user_name;
CREATE UNIQUE INDEX uq_role_display_name_c ON role (tenant_id, lower(display_name) COLLATE "C") WHERE deleted_at IS NULL;
DROP INDEX uq_role_display_name;
ALTER INDEX uq_role_display_name_c RENAME TO uq_role_display_name;
DROP INDEX ix_employee_external_id;
CREATE INDEX ix_employee_external_id ON employee (tenant_id, external_id COLLATE "C", id) WHERE deleted_at IS NULL;
DROP INDEX ix_role_external_id;
CREATE INDEX ix_role_external_id ON role (tenant_id, external_id COLLATE "C", id) WHERE deleted_at IS NULL;
CREATE INDEX ix_employee_display_name ON employee (tenant_id, lower(left(display_name, 512)) COLLATE "C", id) WHERE deleted_at IS NULL;
CREATE INDEX ix_employee_meta_created ON employee (tenant_id, meta_created, id) WHERE deleted_at IS NULL;
CREATE INDEX ix_role_meta_created ON role (tenant_id, meta_created, id) WHERE deleted_at IS NULL;
"""


def upgrade() -> None:
    """Build the indexes; the previous release finds what it did, though names and externalIds without an index."""
    op.execute(SQL)


def downgrade() -> None:
    """Restore a backup instead: a downgrade would lose what was written since."""
    raise NotImplementedError
