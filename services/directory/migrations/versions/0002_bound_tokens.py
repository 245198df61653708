"""Tokens that are bound to an employee."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; the previous release does not look at it."""
    op.execute("ALTER TABLE token ADD COLUMN user_id UUID CONSTRAINT fk_token_user_id REFERENCES employee (id)")


def downgrade() -> None:
    """Restore a backup instead: a downgrade would lose what was written since."""
    raise NotImplementedError
