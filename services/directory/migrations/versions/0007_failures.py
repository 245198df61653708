"""What went wrong at each start of an operation, and what an operator did about a dead one."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SQL = """
ALTER TABLE operation
    ADD COLUMN failures JSONB,
    ADD COLUMN replay_of UUID,
    ADD COLUMN discarded_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN discarded_by TEXT,
    ADD COLUMN discarded_why TEXT;
CREATE INDEX ix_operation_dead ON operation (id) WHERE state = 'dead';
"""


def upgrade() -> None:
    """Add columns that the previous release leaves empty; the index has a row for each dead operation only."""
    op.execute(SQL)


def downgrade() -> None:
    """Restore a backup instead: a downgrade would lose what was written since."""
    raise NotImplementedError
