"""What the operations of a bulk request that nobody waits for must know of each other."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

SQL = """
ALTER TABLE operation
    ADD COLUMN wave INTEGER,
    ADD COLUMN needs UUID[],
    ADD COLUMN bulk_id TEXT,
    ADD COLUMN path TEXT;
"""


def upgrade() -> None:
    """Add columns without a default, which rewrites nothing; the previous release leaves them empty."""
    op.execute(SQL)


def downgrade() -> None:
    """Restore a backup instead: a downgrade would lose what was written since."""
    raise NotImplementedError
