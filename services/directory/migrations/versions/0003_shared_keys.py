"""Secrets that all processes share: one signs cursors, another one security events."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; an older release does not look at it."""
    op.execute("CREATE TABLE shared_key (name TEXT NOT NULL, value BYTEA NOT NULL, PRIMARY KEY (name))")


def downgrade() -> None:
    """Restore a backup instead: a downgrade would lose what was written since."""
    raise NotImplementedError
