"""Let leavers overtake, and tenants have their turns: which operations are urgent, and how many a shard settled."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SQL = """
ALTER TABLE operation ADD COLUMN is_urgent BOOLEAN DEFAULT 'false' NOT NULL;
ALTER TABLE shard ADD COLUMN settled BIGINT DEFAULT '0' NOT NULL;
DROP INDEX ix_operation_pending;
CREATE INDEX ix_operation_pending ON operation (shard, tenant_id, position) WHERE state = 'pending';
CREATE INDEX ix_operation_urgent ON operation (shard, tenant_id, position) WHERE state = 'pending' AND is_urgent;
CREATE INDEX ix_operation_held ON operation (shard, lane) WHERE state = 'pending' AND (not_before IS NOT NULL OR wave > 0);
CREATE INDEX ix_operation_pending_lane ON operation (lane, seq) WHERE state = 'pending';
"""


def upgrade() -> None:
    """Add columns with constant defaults; the previous release drains in the order of positions, as before."""
    op.execute(SQL)


def downgrade() -> None:
    """Restore a backup instead: a downgrade would lose what was written since."""
    raise NotImplementedError
