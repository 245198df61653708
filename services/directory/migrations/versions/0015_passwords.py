"""The hash of a password, for whoever lets the person in."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

SQL = "ALTER TABLE employee ADD COLUMN password TEXT"


def upgrade() -> None:
    """Add the column; whose password was sent before has none."""
    op.execute(SQL)


def downgrade() -> None:
    """Restore a backup instead: a downgrade would lose what was written since."""
    raise NotImplementedError
