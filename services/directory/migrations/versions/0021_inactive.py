"""Find the employees who are not active, a page at a time: they are few among many."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

# Migrations run in a transaction, so writes wait while the table is read once; few rows go into the index.
INDEX = """
CREATE INDEX ix_employee_inactive ON employee (tenant_id, lower(left(display_name, 512)) COLLATE "C", id)
WHERE deleted_at IS NULL AND active IS FALSE
"""


def upgrade() -> None:
    """Build the index."""
    op.execute(INDEX)


def downgrade() -> None:
    """Restore a backup instead: a downgrade would lose what was written since."""
    raise NotImplementedError
